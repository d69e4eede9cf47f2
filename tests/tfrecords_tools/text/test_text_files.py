"""Files: found by patterns and folders, read as they are or unpacked."""

import bz2
import gzip
import lzma
import os
import shlex
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from tfrecords_tools.text import text_files
from tfrecords_tools.text.read_report import Leniency, ReadReport

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}
TEXT = b"".join(b"Line %d of a text.\n" % number for number in range(20_000))


def make_files(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_a_folder_stands_for_all_files_below_that_are_not_hidden(tmp_path: Path):
    make_files(tmp_path, "b/B", "b/A.gz", "a", "z/z/z", ".x", "_SUCCESS", "b/.git/y/u", "b/_t")
    expected = [f"{tmp_path}/{name}" for name in ("a", "b/A.gz", "b/B", "z/z/z")]
    assert text_files.find_files(str(tmp_path)) == (expected, 4)
    assert text_files.find_files(f"{tmp_path}/,{tmp_path}/b") == (expected, 4)


def test_a_hidden_file_that_is_named_is_read(tmp_path: Path):
    make_files(tmp_path, "_a", "b")
    assert text_files.find_files(f"{tmp_path},{tmp_path}/_*") == (
        [f"{tmp_path}/_a", f"{tmp_path}/b"],
        0,
    )


def test_pipes_and_links_that_lead_back_up_are_left_alone(tmp_path: Path):
    make_files(tmp_path, "a/b")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "a" / "b")
    os.mkfifo(tmp_path / "pipe")
    assert text_files.find_files(str(tmp_path))[0] == [f"{tmp_path}/a/b", f"{tmp_path}/a/link"]


@pytest.mark.parametrize("pattern", ["*.md", "folder"])
def test_a_pattern_without_files_is_refused(tmp_path: Path, pattern: str):
    (tmp_path / "folder").mkdir()
    make_files(tmp_path, "a.txt", "folder/_hidden")
    with pytest.raises(UserError, match=r"which matches no file\. Give folders, files or glob"):
        text_files.find_files(f"{tmp_path}/a.txt,{tmp_path}/{pattern}")


def test_an_input_without_any_pattern_is_refused():
    with pytest.raises(UserError, match="names no file"):
        text_files.find_files(" , ")


def test_a_name_with_a_comma_stands_in_double_quotes(tmp_path: Path):
    make_files(tmp_path, "a,b.txt", "c.txt", "d,e/f")
    given = f'"{tmp_path}/a,b.txt",{tmp_path}/c.txt,"{tmp_path}/d,e"'
    expected = [f"{tmp_path}/{name}" for name in ("a,b.txt", "c.txt", "d,e/f")]
    assert text_files.find_files(given) == (expected, 0)


@pytest.mark.parametrize("name", ["a,b.txt", "a,b*", "folder,of,texts", "it's, here"])
def test_a_name_with_a_comma_that_lacks_its_quotes_is_told_how_to_be_written(
    tmp_path: Path, name: str
):
    make_files(tmp_path, "a,b.txt", "folder,of,texts/a", "it's, here", "other")
    path = f"{tmp_path}/{name}"
    with pytest.raises(UserError) as raised:
        text_files.find_files(f"{tmp_path}/other,{path}")
    begin, _, flag = str(raised.value).removesuffix(".").partition("--input=")
    assert begin.endswith(f"But {path!r} does: write a name with a comma in double quotes, ")
    (value,) = shlex.split(flag)  # what the shell passes on
    assert value == f'"{path}"'
    (found,) = text_files.find_files(value)[0]
    assert "," in found


def test_a_quote_without_an_end_is_refused():
    with pytest.raises(UserError, match=r"^--input: .*end of data\. Double quotes belong"):
        text_files.find_files('"a,b.txt')


@pytest.mark.parametrize("name", ["a[1].txt", "a*.txt", "b?", "b[12]"])
def test_a_name_that_is_there_is_not_taken_for_a_pattern(tmp_path: Path, name: str):
    make_files(tmp_path, "a[1].txt", "a*.txt", "a1.txt", "b?/c", "b[12]/c", "b1/c", "b2/c")
    path = tmp_path / name
    expected = str(path / "c" if path.is_dir() else path)
    assert text_files.find_files(str(path)) == ([expected], 0)


def test_a_name_with_brackets_that_is_not_there_is_a_pattern(tmp_path: Path):
    make_files(tmp_path, "a1.txt", "a2.txt", "a3.txt")
    found, _ = text_files.find_files(f"{tmp_path}/a[12].txt")
    assert found == [f"{tmp_path}/a1.txt", f"{tmp_path}/a2.txt"]


@pytest.mark.parametrize(("begin", "end"), [(0, 10), (3, 7), (10, 10), (9, 10)])
@pytest.mark.parametrize("chunk_bytes", [1, 4, 100])
def test_a_range_has_its_bytes_and_no_others(
    tmp_path: Path, begin: int, end: int, chunk_bytes: int
):
    (tmp_path / "a").write_bytes(b"0123456789")
    seen: list[int] = []
    chunks = list(
        text_files.read_range(
            f"{tmp_path}/a", begin, end, advance=seen.append, chunk_bytes=chunk_bytes
        )
    )
    assert b"".join(chunks) == b"0123456789"[begin:end]
    assert sum(seen) == end - begin
    assert all(len(chunk) <= chunk_bytes for chunk in chunks)


def test_a_file_that_became_shorter_is_told(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"0123456789")
    with pytest.raises(UserError, match="ends at byte 10, but had 12 bytes"):
        list(text_files.read_range(f"{tmp_path}/a", 5, 12))


def unpack(path: Path, on_error: str = "fail") -> tuple[bytes, ReadReport]:
    report = ReadReport()
    name = text_files.find_compression(str(path))
    leniency = Leniency(on_error, report)  # type: ignore[arg-type]
    return b"".join(text_files.read_compressed(str(path), name, leniency=leniency)), report


@pytest.mark.parametrize("packer", PACKERS)
def test_files_are_unpacked_whatever_their_name(tmp_path: Path, packer: str):
    (tmp_path / "a.txt").write_bytes(PACKERS[packer](TEXT))
    assert text_files.find_compression(f"{tmp_path}/a.txt") == packer
    assert unpack(tmp_path / "a.txt") == (TEXT, ReadReport())


@pytest.mark.parametrize("packer", PACKERS)
def test_streams_one_after_the_other_are_one_text(tmp_path: Path, packer: str):
    pack = PACKERS[packer]
    streams = pack(TEXT) + pack(b"") + bytes(8) + pack(b"small") * 3 + bytes(4)
    (tmp_path / "a").write_bytes(streams)
    assert unpack(tmp_path / "a") == (TEXT + b"small" * 3, ReadReport())


@pytest.mark.parametrize("content", [b"", b"BZh9 is how a text may begin", b"plain", b"\x1f", b"B"])
def test_text_is_not_taken_for_packed(tmp_path: Path, content: bytes):
    (tmp_path / "a.gz").write_bytes(content)
    assert text_files.find_compression(f"{tmp_path}/a.gz") == ""


@pytest.mark.parametrize("packer", PACKERS)
def test_a_file_that_is_cut_off_is_read_up_to_there(tmp_path: Path, packer: str):
    noise = b"".join(b"%d\n" % (number * 7_919**3 % 999_983) for number in range(200_000))
    packed = PACKERS[packer](noise)
    (tmp_path / "a").write_bytes(packed[: int(0.95 * len(packed))])
    with pytest.raises(UserError, match=rf"a is no whole \.{packer} file: it ends in the middle"):
        unpack(tmp_path / "a")
    text, report = unpack(tmp_path / "a", "skip")
    assert noise.startswith(text)
    assert report.broken_files == 1
    assert len(text) > 0.3 * len(noise) or packer == "bz2"  # whose blocks are large


@pytest.mark.parametrize("packer", PACKERS)
def test_a_damaged_file_is_told(tmp_path: Path, packer: str):
    packed = bytearray(PACKERS[packer](TEXT))
    packed[len(packed) // 2 : len(packed) // 2 + 9] = b"\xff" * 9
    (tmp_path / "a").write_bytes(packed)
    with pytest.raises(UserError, match=rf"a is no whole \.{packer} file: .*leave it out"):
        unpack(tmp_path / "a")


@pytest.mark.parametrize("packer", PACKERS)
def test_a_bomb_takes_little_memory(tmp_path: Path, packer: str):
    size, pack = 30_000_000, PACKERS[packer]
    (tmp_path / "a").write_bytes(pack(bytes(size)))
    leniency = Leniency("fail", ReadReport())
    tracemalloc.start()
    chunks = text_files.read_compressed(f"{tmp_path}/a", packer, leniency=leniency)
    assert sum(map(len, chunks)) == size
    assert tracemalloc.get_traced_memory()[1] < 16_000_000  # xz: 8 MB of dictionary
    tracemalloc.stop()


def test_an_xz_file_that_asks_for_much_memory_is_refused(tmp_path: Path):
    packed = bytearray(lzma.compress(b"text"))
    begin = 12  # of the block's header, behind the stream's; its first byte is its length / 4 - 1
    end = begin + 4 * (packed[begin] + 1)
    place = packed.index(b"\x21\x01", begin) + 2  # of the one property of the filter LZMA2
    packed[place] = 34  # a dictionary of half a gigabyte
    packed[end - 4 : end] = zlib.crc32(packed[begin : end - 4]).to_bytes(4, "little")
    (tmp_path / "a").write_bytes(packed)
    with pytest.raises(UserError, match="Memory usage limit"):
        unpack(tmp_path / "a")
