"""The bytes of files, as they are or unpacked."""

import bz2
import gzip
import lzma
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from mslt_tf.errors import UserError
from tests.tfrecords_tools.text import arrow_memory
from tfrecords_tools.text.files import text_files
from tfrecords_tools.text.read_report import Leniency, ReadReport


def pack_zst(text: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(text)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": pack_zst,
}
TEXT = b"".join(b"Line %d of a text.\n" % number for number in range(20_000))


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
    zeros = 0 if packer == "zst" else 8  # which zstd's own program refuses
    streams = pack(TEXT) + pack(b"") + bytes(zeros) + pack(b"small") * 3 + bytes(zeros // 2)
    (tmp_path / "a").write_bytes(streams)
    assert unpack(tmp_path / "a") == (TEXT + b"small" * 3, ReadReport())


@pytest.mark.parametrize("packer", [name for name in PACKERS if name != "zst"])
def test_zeros_of_many_reads_between_streams_end_nothing(tmp_path: Path, packer: str):
    pack = PACKERS[packer]
    (tmp_path / "a").write_bytes(pack(b"one\n") + bytes(1 << 18) + pack(b"two\n") + bytes(1 << 18))
    assert unpack(tmp_path / "a") == (b"one\ntwo\n", ReadReport())


@pytest.mark.parametrize("content", [b"", b"BZh9 is how a text may begin", b"plain", b"\x1f", b"B"])
def test_text_is_not_taken_for_packed(tmp_path: Path, content: bytes):
    (tmp_path / "a.gz").write_bytes(content)
    assert text_files.find_compression(f"{tmp_path}/a.gz") == ""


@pytest.mark.parametrize("packer", PACKERS)
def test_a_file_that_is_cut_off_is_read_up_to_there(tmp_path: Path, packer: str):
    noise = b"".join(b"%d\n" % (number * 7_919**3 % 999_983) for number in range(200_000))
    packed = PACKERS[packer](noise)
    (tmp_path / "a").write_bytes(packed[: int(0.95 * len(packed))])
    with pytest.raises(UserError, match=rf"a is no whole \.{packer} file: (it ends|Truncated)"):
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
    with arrow_memory.measured() as most_bytes:
        chunks = text_files.read_compressed(f"{tmp_path}/a", packer, leniency=leniency)
        assert sum(map(len, chunks)) == size
    assert tracemalloc.get_traced_memory()[1] < 16_000_000  # xz: 8 MB of dictionary
    tracemalloc.stop()
    assert most_bytes() < 16_000_000  # zst


def test_a_zst_file_that_asks_for_much_memory_is_refused(tmp_path: Path):
    parameters = zstandard.ZstdCompressionParameters(window_log=30)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    (tmp_path / "a").write_bytes(packer.compress(TEXT) + packer.flush())
    with pytest.raises(UserError, match=r"a is no whole \.zst file: .*too much memory"):
        unpack(tmp_path / "a")


def test_frames_of_zst_files_that_hold_no_text_are_passed_over(tmp_path: Path):
    no_text = b"\x5e\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"abcd"
    (tmp_path / "a").write_bytes(no_text + pack_zst(TEXT) + no_text)
    assert unpack(tmp_path / "a") == (TEXT, ReadReport())


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
