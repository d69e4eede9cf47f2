"""--documents_of: rows, objects, lines or examples, of which so many make a document."""

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mslt_tf.errors import UserError
from tfrecords_tools.text.formats import text_formats
from tfrecords_tools.text.pieces.text_pieces import list_pieces, read_piece
from tfrecords_tools.text.read_report import Leniency, ReadReport
from tfrecords_tools.text.text_input import TextInput

TEXTS = [f"Sentence {number}." for number in range(23)]


def write(path: Path, text_format: str) -> TextInput:
    objects = [{"text": text} for text in TEXTS]
    if text_format == "parquet":
        pq.write_table(pa.table({"text": TEXTS}), path, row_group_size=10)
    else:
        path.write_text(
            {
                "jsonl": "".join(json.dumps(each) + "\n" for each in objects),
                "json": json.dumps(objects),
                "lines": "\n".join(TEXTS),
            }[text_format]
        )
    return TextInput(input=str(path), text_format="lines" if text_format == "lines" else "auto")


def read_all(text_input: TextInput, **settings: Any) -> list[list[str]]:
    pieces = list_pieces(text_input, **settings)
    return [document for piece in pieces for document in read_piece(piece)]


@pytest.mark.parametrize("text_format", ["parquet", "jsonl", "json", "lines"])
@pytest.mark.parametrize("number", [1, 2, 5, 23, 1_000])
def test_so_many_make_a_document(tmp_path: Path, text_format: str, number: int):
    text_input = dataclasses.replace(write(tmp_path / "a", text_format), documents_of=number)
    documents = [TEXTS[begin : begin + number] for begin in range(0, len(TEXTS), number)]
    assert read_all(text_input) == documents


@pytest.mark.parametrize("text_format", ["parquet", "jsonl", "lines"])
def test_each_piece_counts_anew(tmp_path: Path, text_format: str):
    text_input = dataclasses.replace(write(tmp_path / "a", text_format), documents_of=4)
    documents = read_all(text_input, piece_bytes=100)
    assert list(itertools.chain.from_iterable(documents)) == TEXTS
    assert len(list_pieces(text_input, piece_bytes=100)) > 2
    assert max(map(len, documents)) == 4
    assert 6 < len(documents) < 12


def test_rows_without_text_are_counted_too(tmp_path: Path):
    texts = ["one", "", "", "two", "three\nfour", ""]
    pq.write_table(pa.table({"text": texts}), tmp_path / "a")
    text_input = TextInput(input=f"{tmp_path}/a", documents_of=3)
    assert read_all(text_input) == [["one"], ["two", "three", "four"]]


@pytest.mark.parametrize(
    ("content", "text_format"), [("One.\n\nTwo.\n", "plain"), ('<doc title="t">\n</doc>', "wiki")]
)
def test_text_that_says_where_documents_end_is_refused(
    tmp_path: Path, content: str, text_format: str
):
    (tmp_path / "a").write_text(content)
    text_input = TextInput(input=f"{tmp_path}/a", documents_of=3)
    message = rf"a is read as {text_format}, which says .* --text_format=lines"
    with pytest.raises(UserError, match=message):
        list_pieces(text_input)
    with pytest.raises(UserError, match=message):  # a setting, no mistake in the text
        list_pieces(text_input, on_error="skip")


def test_a_document_of_many_rows_comes_in_parts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(text_formats, "MAX_DOCUMENT_CHARACTERS", 250)
    report = ReadReport()
    rows = [[f"{number} sentence."] for number in range(7)]
    documents = text_formats.join_documents(rows, 7, leniency=Leniency("fail", report))
    assert [len(document) for document in documents] == [3, 3, 1]
    assert report == ReadReport(cut_documents=1)
