"""UTF-16 and UTF-32 with a byte order mark are read as the same text in UTF-8."""

import codecs
import gzip
import json
import tracemalloc
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from tfrecords_tools.text.files import text_encodings, text_files
from tfrecords_tools.text.pieces.text_pieces import Piece, list_pieces, read_piece
from tfrecords_tools.text.read_report import Leniency, ReadReport
from tfrecords_tools.text.text_input import TextInput

MARKS = {
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
TEXT = "Grün ist 中文 😀.\r\nZwei\n\nDrei \ufeff vier\n"
DOCUMENTS = [["Grün ist 中文 😀.", "Zwei"], ["Drei \ufeff vier"]]


def pieces_of(path: Path, content: bytes, **settings: int) -> tuple[Piece, ...]:
    path.write_bytes(content)
    return list_pieces(TextInput(input=str(path)), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("codec", MARKS)
@pytest.mark.parametrize("chunk_bytes", [1, 3, 1 << 20])
def test_wide_characters_with_a_mark_are_read(
    tmp_path: Path, codec: str, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(text_files, "CHUNK_BYTES", chunk_bytes)
    content = MARKS[codec] + TEXT.encode(codec)
    (piece,) = pieces_of(tmp_path / "a", content, piece_bytes=4)  # it cannot be cut
    seen: list[int] = []
    assert list(read_piece(piece, advance=seen.append)) == DOCUMENTS
    assert sum(seen) == len(content) == piece.num_bytes


def test_they_are_read_in_packed_files_and_in_other_formats(tmp_path: Path):
    (piece,) = pieces_of(tmp_path / "a", gzip.compress(TEXT.encode("utf-16")))
    assert list(read_piece(piece)) == DOCUMENTS
    lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in ("é", "ü"))
    (piece,) = pieces_of(tmp_path / "b", lines.encode("utf-16"))
    assert (piece.text_format, list(read_piece(piece))) == ("jsonl", [["é"], ["ü"]])


@pytest.mark.parametrize(
    "end", [b"a", b"\0\xd8\n\0"], ids=["half a unit", "half a pair of surrogates"]
)
def test_a_mistake_in_it_is_told_or_ends_the_reading(tmp_path: Path, end: bytes):
    content = codecs.BOM_UTF16_LE + "one\n\ntwo\n\n".encode("utf-16-le") + end
    (piece,) = pieces_of(tmp_path / "a", content)
    with pytest.raises(UserError, match=r"a is no whole UTF-16 text, .* from byte \d+ on\."):
        list(read_piece(piece))
    report = ReadReport()
    documents = list(read_piece(piece, on_error="skip", report=report))
    assert documents in ([["one"], ["two"]], [])
    assert report.broken_files == 1


def test_a_file_that_is_a_mark_only_has_no_document(tmp_path: Path):
    (piece,) = pieces_of(tmp_path / "a", codecs.BOM_UTF16_BE)
    assert list(read_piece(piece)) == []


def test_the_memory_does_not_depend_on_the_text():
    chunks = (("\ufeff" + "文" * (1 << 19)).encode("utf-16-le") for _ in range(30))
    leniency = Leniency("fail", ReadReport())
    tracemalloc.start()
    found = text_encodings.to_utf8(chunks, "utf-16", path="a", leniency=leniency)
    lengths = [len(chunk) for chunk in found]
    assert sum(lengths) == (30 * 3 << 19) + 29 * 3  # the first mark is none of the text
    assert max(lengths) <= 1 << 20
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
