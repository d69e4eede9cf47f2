"""Pieces: read one by one, they give what the whole input gives."""

import dataclasses
import gzip
import io
import json
import pickle
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from tfrecords_tools.text.files import text_files
from tfrecords_tools.text.formats import embedded_corpus, text_boundaries, text_formats, text_lines
from tfrecords_tools.text.pieces import text_pieces
from tfrecords_tools.text.pieces.text_pieces import Piece, count_formats, list_pieces, read_piece
from tfrecords_tools.text.read_report import ReadReport
from tfrecords_tools.text.text_input import TextInput

PLAIN = "\ufeffone\ntwo\n\n\n \t\nthré\r\n\r\n\r\nfour\nfive\nsix\n\u3000\nsev\ren \u2028\n\n\n8"
WIKI = (
    '\ufeff\n<doc id="1" title="é">\né\n\n<doc not one\ntext\n</doc>\n\n'
    '<doc id="2" title="b">\r\nb\r\nzwölf\r\n</doc>\r\n<doc id="3" title="c">\n</doc>\n\n\n'
    '<doc id="4" title="d <doc">\n' + "long line\n" * 5 + "</doc>\n"
)
JSONL = (
    '{"text": "one"}\n{"text": "zwölf\\n\\nx"}\r\n\n  \n{"text": ""}\n{"text": "' + "y" * 30 + '"}'
)
TEXTS = {
    "plain": PLAIN,
    "plain, blank lines first": "\n\n" + PLAIN.removeprefix("\ufeff") + "\n\n",
    "plain, invisible": "one\n\u200b\ntwo\n\xa0\xad\ufeff \r\nthree\n\u3000\n\u180e\nfour",
    "lines": "one\n\n\u200b\ntwo\r\nthrée\n",
    "plain, one document": "a line\n" * 9,
    "wiki": WIKI,
    "wiki of windows": WIKI.replace("\r\n", "\n").replace("\n", "\r\n"),
    "jsonl": JSONL,
    "jsonl, line end last": JSONL + "\n",
}


def write(path: Path, content: str | bytes) -> TextInput:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return TextInput(input=str(path))


def read_all(pieces: tuple[Piece, ...]) -> list[list[str]]:
    """Returns the documents of all pieces, and makes sure that the bytes add up."""
    seen: list[int] = []
    documents = [
        document for piece in pieces for document in read_piece(piece, advance=seen.append)
    ]
    assert sum(seen) == text_pieces.count_bytes(pieces)
    return documents


@pytest.mark.parametrize("name", TEXTS)
def test_a_cut_at_any_byte_changes_no_document(tmp_path: Path, name: str):
    text_format = name.split()[0].rstrip(",")
    text_input = write(tmp_path / "a", TEXTS[name])
    if name == "lines":  # which nothing shows
        text_input = dataclasses.replace(text_input, text_format="lines")
    (whole,) = list_pieces(text_input)
    assert whole.text_format == text_format
    documents = read_all((whole,))
    assert len(documents) > 1 or name == "plain, one document"
    for cut in range(1, whole.size):
        pieces = (
            dataclasses.replace(whole, end=cut, num_bytes=cut),
            dataclasses.replace(whole, begin=cut, num_bytes=whole.size - cut),
        )
        assert read_all(pieces) == documents, f"cut at byte {cut}"


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("chunk_bytes", [3, 1 << 20])
def test_pieces_of_any_size_have_the_documents_of_the_whole(
    tmp_path: Path, name: str, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
):
    text_input = write(tmp_path / "a", TEXTS[name])
    if name == "lines":  # which nothing shows
        text_input = dataclasses.replace(text_input, text_format="lines")
    documents = read_all(list_pieces(text_input))
    monkeypatch.setattr(text_files, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(text_boundaries, "_MAX_MARK_BYTES", 70)
    for piece_bytes in (1, 2, 3, 7, 20, 50, 1_000):
        pieces = list_pieces(text_input, piece_bytes=piece_bytes)
        assert len(pieces) == -(-pieces[0].size // piece_bytes)
        assert read_all(pieces) == documents, f"pieces of {piece_bytes} bytes"


def test_documents_are_spread_over_the_pieces(tmp_path: Path):
    text_input = write(tmp_path / "a", "some words\n\n" * 100)
    pieces = list_pieces(text_input, piece_bytes=120)
    assert [len(list(read_piece(piece))) for piece in pieces] == [11] + [10] * 8 + [9]


def test_lines_left_out_are_counted_once(tmp_path: Path):
    text_input = write(tmp_path / "a", b"one\n\xff\n\n\xfe\ntwo\n\n\xfdthree\nfour\n" * 3)
    (whole,) = list_pieces(text_input)
    expected, documents = ReadReport(), []
    documents = list(read_piece(whole, on_error="skip", report=expected))
    assert expected.skipped_lines == 9
    for piece_bytes in (1, 5, 11):
        found, total = [], ReadReport()
        for piece in list_pieces(text_input, piece_bytes=piece_bytes):
            report = ReadReport()
            found += read_piece(piece, on_error="skip", report=report)
            total.add(report)
        assert (found, total) == (documents, expected)


def test_a_mistake_in_a_later_piece_is_placed(tmp_path: Path):
    lines = '{"text": "x"}\n' * 10
    text_input = write(tmp_path / "a", lines + "wrong\n" + lines)
    pieces = list_pieces(text_input, piece_bytes=100)
    # Byte 112 is where the ninth line begins.
    with pytest.raises(UserError, match=r"a, line 3 after byte 112, is no JSON object"):
        read_all(pieces)


@pytest.mark.parametrize("text_format", ["book", "plain"])
def test_books_and_packed_files_are_never_cut(tmp_path: Path, text_format: str):
    content = "\n\n".join(f"Paragraph {number}." for number in range(50))
    text_input = write(tmp_path / "a", gzip.compress(content.encode()))
    text_input = dataclasses.replace(text_input, text_format=text_format)
    (piece,) = list_pieces(text_input, piece_bytes=10)
    assert piece.compression == "gz"
    assert len(read_all((piece,))) == (1 if text_format == "book" else 50)
    text_input = dataclasses.replace(write(tmp_path / "a", content), text_format=text_format)
    assert len(list_pieces(text_input, piece_bytes=10)) == (1 if text_format == "book" else 74)


def test_formats_are_found_in_packed_files_and_counted_by_file(tmp_path: Path):
    write(tmp_path / "a", gzip.compress(WIKI.encode()))
    write(tmp_path / "b", WIKI)
    write(tmp_path / "c", JSONL)
    write(tmp_path / "d", "")
    pieces = list_pieces(TextInput(input=str(tmp_path)), piece_bytes=20)
    assert count_formats(pieces) == {"jsonl": 1, "plain": 1, "wiki": 2}
    assert len(read_all(pieces)) == 4 + 4 + 4


def test_a_format_that_is_given_is_not_looked_for(tmp_path: Path):
    text_input = write(tmp_path / "a", JSONL)
    text_input = dataclasses.replace(text_input, text_format="plain")
    assert read_all(list_pieces(text_input))[0][0] == '{"text": "one"}'


def test_pieces_survive_pickle_and_json(tmp_path: Path):
    pieces = list_pieces(write(tmp_path / "a", JSONL), piece_bytes=10)
    assert len(pieces) > 2
    for piece in pieces:
        assert pickle.loads(pickle.dumps(piece)) == piece
        assert Piece(**json.loads(json.dumps(dataclasses.asdict(piece)))) == piece


def test_hidden_files_are_reported(tmp_path: Path):
    write(tmp_path / "a", "text")
    write(tmp_path / ".b", "text")
    text_input, report = TextInput(input=str(tmp_path)), ReadReport()
    assert len(list_pieces(text_input, report=report)) == 1
    assert report == text_pieces.find_input(text_input).report() == ReadReport(hidden_files=1)
    assert next(report.describe()).startswith("1 hidden file(s) left out")


def test_a_tar_archive_is_refused(tmp_path: Path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("text.txt"), io.BytesIO())
    with pytest.raises(UserError, match=r"a is a tar archive, not text\. Unpack it"):
        list_pieces(write(tmp_path / "a", buffer.getvalue()))


def test_what_stands_before_the_damage_in_a_packed_file_is_kept(tmp_path: Path):
    text = "".join(
        f'<doc id="{number}" title="{number}">\n{number}\n\n{number * 7_919**3}\n\n</doc>\n'
        for number in range(3_000)
    )
    packed = gzip.compress(text.encode())
    (piece,) = list_pieces(write(tmp_path / "a", packed[: len(packed) // 2]))
    with pytest.raises(UserError, match=r"a is no whole \.gz file"):
        list(read_piece(piece))
    seen: list[int] = []
    report = ReadReport()
    documents = list(read_piece(piece, on_error="skip", report=report, advance=seen.append))
    assert documents[:-1] == [[str(number * 7_919**3)] for number in range(len(documents) - 1)]
    assert len(documents) > 500
    assert report.broken_files == len(report.reasons) == 1
    assert sum(seen) == piece.num_bytes


def test_a_file_that_became_shorter_is_told_in_any_piece(tmp_path: Path):
    text_input = write(tmp_path / "a", "one\n\n" * 10)
    pieces = list_pieces(text_input, piece_bytes=20)
    write(tmp_path / "a", "one\n\n" * 9)
    with pytest.raises(UserError, match=r"a ends at byte 45, but had 50 bytes"):
        list(read_piece(pieces[-1], on_error="skip"))


def test_another_word_for_mistakes_is_our_own_mistake(tmp_path: Path):
    (piece,) = list_pieces(write(tmp_path / "a", "text"))
    with pytest.raises(ValueError, match="on_error is 'ignore'"):
        read_piece(piece, on_error="ignore")  # type: ignore[arg-type]


def test_the_embedded_corpus_is_one_piece(monkeypatch: pytest.MonkeyPatch):
    sources = [source for source in embedded_corpus.list_sources() if source[0] == "json"]
    monkeypatch.setattr(embedded_corpus, "list_sources", lambda: sources)
    pieces = list_pieces(TextInput(input="embedded"))
    assert count_formats(pieces) == {"embedded": 1}
    (document,) = read_all(pieces)
    assert "Serialize obj to a JSON formatted str." in document


def test_chunks_are_not_longer_than_lines_may_be():
    # So that only the first line of what is read can be too long.
    assert text_files.CHUNK_BYTES <= text_lines.MAX_LINE_BYTES <= text_lines.MAX_JSON_BYTES


def test_reports_add_up_and_survive_json():
    names = [field.name for field in dataclasses.fields(ReadReport) if field.name != "reasons"]
    counts = {name: number for number, name in enumerate(names, start=1)}
    total, other = ReadReport(**counts), ReadReport(**counts)
    total.reasons, other.reasons = ["a"] * 4, ["b"] * 4
    total.add(other)
    doubled = {name: 2 * number for name, number in counts.items()}
    assert total == ReadReport(**doubled, reasons=["a", "a", "a", "a", "b"])
    assert ReadReport(**json.loads(json.dumps(total.to_json()))) == total
    assert len(list(total.describe())) == len(names) + 5


def test_real_texts_are_the_same_in_pieces(real_data: Path):
    for name in ("wikipedia/wiki_00", "wikitext2_valid.txt"):
        text_input = TextInput(input=str(real_data / name))
        documents = read_all(list_pieces(text_input))
        assert read_all(list_pieces(text_input, piece_bytes=50_001)) == documents


_MEASURE = """
import resource, sys
from tfrecords_tools.text.pieces import text_pieces
from tfrecords_tools.text.text_input import TextInput

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB

text_input = TextInput(input=sys.argv[1], text_format=sys.argv[2])
(piece,) = text_pieces.list_pieces(text_input, piece_bytes=1 << 40)
before = peak()
size = lines = 0
for document in text_pieces.read_piece(piece, on_error="skip"):
    lines += len(document)
    size += sum(map(len, document))
    del document
print(lines, size, (peak() - before) // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("text_format", ["plain", "book", "jsonl"])
@pytest.mark.parametrize("word", [b"word ", b"word" * 5])
def test_a_line_of_100_mb_takes_little_memory(tmp_path: Path, text_format: str, word: bytes):
    num_bytes = 100_000_000
    (tmp_path / "a").write_bytes(word * (num_bytes // len(word)) + b"\n")
    command = [sys.executable, "-c", _MEASURE, f"{tmp_path}/a", text_format]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    lines, size, mib = map(int, result.stdout.split())
    if text_format == "jsonl":  # which cannot be cut
        assert lines == size == 0
    else:
        assert num_bytes - text_lines.MAX_LINE_BYTES <= size <= num_bytes
        assert 96 <= lines <= 101
    assert mib < 3 * max(text_formats.MAX_DOCUMENT_CHARACTERS, text_lines.MAX_JSON_BYTES) >> 20
