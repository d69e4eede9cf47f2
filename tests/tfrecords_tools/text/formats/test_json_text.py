"""JSON arrays of objects: the same documents as of JSON lines, in chunks of any size."""

import json
import tracemalloc
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from tfrecords_tools.text.files import text_files
from tfrecords_tools.text.formats import json_text
from tfrecords_tools.text.pieces.text_pieces import list_pieces, read_piece
from tfrecords_tools.text.read_report import Leniency, ReadReport
from tfrecords_tools.text.text_input import TextInput

OBJECTS = [
    {"id": [1, {"x": "]"}], "text": 'größer, "中文" \\ ] }\nzwei'},
    {"text": ""},
    {"text": "[{", "n": None},
    {"id": "1", "url": "u", "title": "Q & A", "text": "Q &amp; A\n\nAT&amp;T sleeps."},
]
DOCUMENTS = [['größer, "中文" \\ ] }', "zwei"], [], ["[{"], ["AT&T sleeps."]]


def read(path: Path, content: str | bytes, **settings: str):
    """Returns the documents, and what is left with "skip", and the report on that."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (piece,) = list_pieces(TextInput(input=str(path), **settings))  # type: ignore[arg-type]
    assert piece.text_format == "json"
    report = ReadReport()
    return list(read_piece(piece, on_error="skip", report=report)), report, piece


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 20])
def test_objects_of_an_array_are_documents(
    tmp_path: Path,
    indent: int | None,
    ascii_only: bool,
    chunk_bytes: int,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(text_files, "CHUNK_BYTES", chunk_bytes)
    text = json.dumps(OBJECTS, indent=indent, ensure_ascii=ascii_only)
    for content in (text, f"\ufeff \n{text}\r\n "):
        documents, report, _ = read(tmp_path / "a", content)
        assert (documents, report) == (DOCUMENTS, ReadReport())


def test_an_element_without_text_is_told_or_left_out(tmp_path: Path):
    content = '[{"text": "a"}, {"body": "b"}, 3, {"text": null}, {"text": "e"}]'
    documents, report, piece = read(tmp_path / "a", content)
    assert documents == [["a"], ["e"]]
    assert (report.skipped_documents, report.null_texts) == (2, 1)
    with pytest.raises(UserError, match="a, element 2 of its JSON array, has no 'text', but 'bo"):
        list(read_piece(piece))
    assert read(tmp_path / "a", content, text_field="body")[0] == [["b"]]


@pytest.mark.parametrize(
    "end",
    ["", ", ", ', {"text": "cut', ', {"text": wrong}]', "] more", '] [{"text": "b"}]'],
)
def test_an_array_that_is_cut_off_or_goes_wrong_is_read_up_to_there(tmp_path: Path, end: str):
    documents, report, piece = read(tmp_path / "a", f'[{{"text": "a"}}{end}')
    assert documents == [["a"]]
    assert report.broken_files == 1
    with pytest.raises(UserError, match=r"a is a JSON array, but .* its element 1 .* jq -c"):
        list(read_piece(piece))


def test_bytes_that_are_not_utf8_end_the_reading(tmp_path: Path):
    documents, report, piece = read(tmp_path / "a", b'[{"text": "a"},\n{"text": "\xe9"}]')
    assert report.broken_files == 1
    assert documents == []  # in one chunk with them
    with pytest.raises(UserError, match=r"a is not UTF-8 text: .* is 0xe9"):
        list(read_piece(piece))


def test_an_array_in_many_lines_is_known_and_never_cut(tmp_path: Path):
    text_input = TextInput(input=f"{tmp_path}/a")
    (tmp_path / "a").write_text(json.dumps(OBJECTS, indent=1))
    assert len(list_pieces(text_input, piece_bytes=10)) == 1


def test_the_memory_does_not_depend_on_the_array():
    element = b'{"text": "' + b"word " * 2_000 + b'"},'
    chunks = (b"[" * (number == 0) + element * 100 for number in range(40))
    leniency = Leniency("skip", ReadReport())
    tracemalloc.start()
    found = json_text.parse_json_array(chunks, path="a", text_field="text", leniency=leniency)
    assert sum(1 for _ in found) == 4_000
    assert tracemalloc.get_traced_memory()[1] < 12_000_000  # of 40 MB
    tracemalloc.stop()


def test_an_element_without_an_end_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(json_text, "MAX_OBJECT_CHARACTERS", 1_000)
    num_read = 0

    def chunks():
        nonlocal num_read
        yield b'[{"text": "'
        while True:
            num_read += 1
            yield b"x" * 100

    report = ReadReport()
    leniency = Leniency("skip", report)
    found = json_text.parse_json_array(chunks(), path="a", text_field="text", leniency=leniency)
    assert list(found) == []
    assert report.broken_files == 1
    assert num_read == 10
