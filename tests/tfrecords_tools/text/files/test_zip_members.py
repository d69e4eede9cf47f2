"""Zip archives: each member is a file, whatever its name; what is no text is left out by name."""

import io
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from tests.tfrecords_tools.text import corpus
from tfrecords_tools.text.files import text_files, zip_members
from tfrecords_tools.text.pieces.text_pieces import (
    count_bytes,
    count_formats,
    list_pieces,
    read_piece,
)
from tfrecords_tools.text.read_report import Leniency, ReadReport
from tfrecords_tools.text.text_input import TextInput

METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]


def write(
    path: Path, members: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED
) -> TextInput:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as archive:
        warnings.simplefilter("ignore")  # a name twice
        for name, content in members:
            archive.writestr(name, content)
    return TextInput(input=str(path))


def read(text_input: TextInput) -> tuple[list[list[str]], ReadReport]:
    """Returns what is left with "skip"; makes sure that the bytes add up."""
    report, seen = ReadReport(), list[int]()
    pieces = list_pieces(text_input, on_error="skip", report=report)
    documents = [
        document
        for piece in pieces
        for document in read_piece(piece, on_error="skip", report=report, advance=seen.append)
    ]
    assert sum(seen) == count_bytes(pieces)
    return documents, report


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("chunk_bytes", [1, 1 << 20])
def test_members_are_files_in_the_order_of_their_names(
    tmp_path: Path, method: int, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(text_files, "CHUNK_BYTES", chunk_bytes)
    members = [
        ("b/wiki", b'<doc id="1" title="t">\nText.\n</doc>\n'),
        ("b/", b""),
        ("c.txt", "größer\n\nzwei\r\n".encode()),
        ("a.jsonl", b'{"text": "one"}\n'),
        ("d.txt", "drei".encode("utf-16")),
        ("e.txt", b"four\r\rfive\r"),
        ("f.txt", b""),
    ]
    text_input = write(tmp_path / "a.dat", members, method)
    documents, report = read(text_input)
    assert documents == [["one"], ["Text."], ["größer"], ["zwei"], ["drei"], ["four"], ["five"]]
    assert report == ReadReport(empty_files=1)
    assert count_formats(list_pieces(text_input)) == {"jsonl": 1, "plain": 4, "wiki": 1}


def test_names_are_never_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    names = [
        "../up",
        "/tmp/absolute",
        "C:\\windows",
        "a\nb",
        "\x1b[31m",
        "x" * 60_000,
        "same",
        "same",
    ]
    folder = tmp_path / "folder"
    folder.mkdir()
    members = [(name, f"{number}".encode()) for number, name in enumerate(names)]
    documents, report = read(write(folder / "a", members))
    # The first one has a part that begins with a full stop, and is hidden so.
    assert sorted(text for (text,) in documents) == [str(n) for n in range(1, len(names))]
    assert report == ReadReport(hidden_files=1)
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "a"]


def test_hidden_members_are_left_out_as_hidden_files_are(tmp_path: Path):
    names = ["__MACOSX/._a", ".DS_Store", "a", "b/.git/x", "_SUCCESS", "./c/d", "./.e", "././f"]
    documents, report = read(write(tmp_path / "a", [(name, name.encode()) for name in names]))
    assert documents == [["././f"], ["./c/d"], ["a"]]
    assert report == ReadReport(hidden_files=5)


def test_an_archive_is_opened_once_for_all_its_members_and_anew_when_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its whole directory is read then, which takes as long for each member as for all of them."""
    opened = []
    whole = zipfile.ZipFile.__init__

    def counting(archive: zipfile.ZipFile, *arguments: object) -> None:
        opened.append(arguments)
        whole(archive, *arguments)  # type: ignore[arg-type]

    members = [(f"{number:02}.txt", f"text {number}".encode()) for number in range(30)]
    text_input = write(tmp_path / "a", members)
    monkeypatch.setattr(zipfile.ZipFile, "__init__", counting)
    assert len(read(text_input)[0]) == 30
    assert len(opened) == 1
    monkeypatch.undo()
    write(tmp_path / "a", [("b.txt", b"other text")])
    assert read(text_input)[0] == [["other text"]]


@pytest.mark.parametrize(
    ("member", "kind"),
    [
        ("[Content_Types].xml", r"an office document \(docx, xlsx, pptx\)"),
        ("META-INF/manifest.xml", r"an office document \(odt, ods, odp\)"),
        ("META-INF/container.xml", r"an electronic book \(EPUB\)"),
        ("META-INF/MANIFEST.MF", "a Java archive"),
    ],
)
def test_documents_that_are_archives_inside_are_refused_by_their_kind(
    tmp_path: Path, member: str, kind: str
):
    text_input = write(tmp_path / "a.zip", [("word/document.xml", b"text"), (member, b"<x/>")])
    with pytest.raises(UserError, match=rf"a\.zip is {kind}, not text\. "):
        list_pieces(text_input)


def archive_of_text() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a", "text")
    return content.getvalue()


def test_nested_archives_and_other_kinds_are_left_out_by_name(tmp_path: Path):
    members = [
        ("a.txt", b"Text."),
        ("inner.zip", archive_of_text()),
        ("page.html", b"<!DOCTYPE html><p>x"),
        ("picture.png", b"\x89PNG\r\n\x1a\n\0"),
        ("text.txt.gz", b"\x1f\x8b\x08\0"),
        ("wide.txt", "text".encode("utf-16-le")),
        ("x.parquet", b"PAR1"),
    ]
    text_input = write(tmp_path / "a", members)
    with pytest.raises(UserError, match=r"a, member 'inner\.zip' is a zip archive within another"):
        list_pieces(text_input)
    documents, report = read(text_input)
    assert documents == [["Text."]]
    assert report.refused_files == len(members) - 1


def test_encrypted_members_are_left_out_by_name(tmp_path: Path):
    text_input = write(tmp_path / "a", [("secret", b"text"), ("open", b"text")], zipfile.ZIP_STORED)
    content = bytearray((tmp_path / "a").read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UserError, match=r"a, member 'secret' is encrypted\. Unpack the archive"):
        list_pieces(text_input)
    assert read(text_input)[0] == [["text"]]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_of_other_methods_are_left_out_by_name(tmp_path: Path, method: int):
    text_input = write(tmp_path / "a", [("x", b"text")], method)
    with pytest.raises(UserError, match=rf"a, member 'x' is packed by method {method}; only defl"):
        list_pieces(text_input)


def test_damage_is_told_and_ends_the_member(tmp_path: Path):
    text = b"".join(b"Line %d.\n\n" % number for number in range(1_000))
    text_input = write(tmp_path / "a", [("x", text), ("y", b"Whole.")])
    content = bytearray((tmp_path / "a").read_bytes())
    content[1_000:1_009] = b"\xff" * 9
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UserError, match=r"a, member 'x' is no whole zip archive: .* cut off"):
        list(corpus.read_documents(text_input))
    documents, report = read(text_input)
    assert documents[-1] == ["Whole."]
    assert report.broken_files == 1


def test_an_archive_that_is_cut_off_is_left_out_whole(tmp_path: Path):
    text_input = write(tmp_path / "a", [("x", b"text")])
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:-9])
    with pytest.raises(UserError, match="a is no whole zip archive: File is not a zip file"):
        list_pieces(text_input)


def test_a_bomb_takes_little_memory(tmp_path: Path):
    size = 30_000_000
    write(tmp_path / "a", [("x", bytes(size))])
    leniency = Leniency("fail", ReadReport())
    tracemalloc.start()
    chunks = zip_members.read_member(f"{tmp_path}/a", 0, leniency=leniency)
    assert sum(map(len, chunks)) == size
    assert tracemalloc.get_traced_memory()[1] < 16_000_000
    tracemalloc.stop()


def test_a_size_that_is_a_lie_keeps_the_bytes_adding_up(tmp_path: Path):
    text_input = write(tmp_path / "a", [("x", b"text " * 9)], zipfile.ZIP_STORED)
    content = bytearray((tmp_path / "a").read_bytes())
    place = content.index(b"PK\x01\x02") + 24  # the size when it is unpacked
    content[place : place + 4] = (1 << 30).to_bytes(4, "little")
    (tmp_path / "a").write_bytes(content)
    documents, report = read(text_input)
    assert documents == [["text " * 9]] or report.broken_files == 1


def test_an_archive_without_members_holds_no_text(tmp_path: Path):
    with pytest.raises(UserError, match="holds no text to read"):
        list_pieces(write(tmp_path / "a", []))
