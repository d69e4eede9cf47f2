"""Parquet files: the texts that pyarrow itself reads, in pieces of row groups, in little memory."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from tests.tfrecords_tools.text import arrow_memory, corpus
from tfrecords_tools.text.formats import parquet_text
from tfrecords_tools.text.pieces.text_pieces import (
    count_bytes,
    count_formats,
    list_pieces,
    read_piece,
)
from tfrecords_tools.text.read_report import ReadReport
from tfrecords_tools.text.text_input import TextInput

TEXTS = ["one\ntwo\n", "", None, "three", "größer 中文 \u2028 x\r\n\n \n\u200b\nfour"] * 5
# What is left of each text: lines that are not blank; nothing of a null.
LEFT = [["one", "two"], [], ["three"], ["größer 中文 \u2028 x", "four"]] * 5


def write(path: Path, texts: Any = TEXTS, *, rows: int = 4, **options: Any) -> TextInput:
    """Writes texts between two other columns, as `wikimedia/wikipedia` has them."""
    array = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string())
    numbers = pa.array(range(len(array)))
    table = pa.table({"id": numbers, "text": array, "title": numbers.cast(pa.string())})
    pq.write_table(table, path, row_group_size=rows, **options)
    return TextInput(input=str(path))


def read_all(text_input: TextInput, **settings: Any) -> list[list[str]]:
    """Returns the documents of all pieces, and makes sure that the bytes add up."""
    seen: list[int] = []
    pieces = list_pieces(text_input, **settings)
    documents = [line for piece in pieces for line in read_piece(piece, advance=seen.append)]
    assert sum(seen) == count_bytes(pieces)
    return documents


@pytest.mark.parametrize("codec", ["none", "snappy", "zstd", "gzip", "brotli", "lz4"])
def test_each_row_is_a_document_of_the_lines_of_its_text(tmp_path: Path, codec: str):
    text_input, report = write(tmp_path / "a.txt", compression=codec), ReadReport()
    assert list(corpus.read_documents(text_input, report=report)) == LEFT
    assert report == ReadReport(null_texts=5)
    assert "5 row(s) or object(s) without a text (null)" in report.describe()


@pytest.mark.parametrize("rows", [1, 3, 7, 100])
@pytest.mark.parametrize("piece_bytes", [1, 150, 1 << 25])
def test_pieces_are_row_groups_and_have_the_documents_of_the_whole(
    tmp_path: Path, rows: int, piece_bytes: int
):
    text_input = write(tmp_path / "a", rows=rows)
    pieces = list_pieces(text_input, piece_bytes=piece_bytes)
    assert [piece.begin for piece in pieces[1:]] == [piece.end for piece in pieces[:-1]]
    assert (pieces[0].begin, pieces[-1].end) == (0, -(-len(TEXTS) // rows))
    if piece_bytes == 1:
        assert len(pieces) == -(-len(TEXTS) // rows)
    assert count_formats(pieces) == {"parquet": 1}
    assert read_all(text_input, piece_bytes=piece_bytes) == LEFT


@pytest.mark.parametrize(
    "kind",
    [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())],
    ids=str,
)
def test_every_kind_of_string_is_read(tmp_path: Path, kind: pa.DataType):
    assert read_all(write(tmp_path / "a", pa.array(TEXTS).cast(kind))) == LEFT


def test_without_rows_there_is_no_document(tmp_path: Path):
    report = ReadReport()
    assert list(corpus.read_documents(write(tmp_path / "a", []), report=report)) == []
    assert report in (ReadReport(), ReadReport(empty_files=1))


def test_another_column_can_hold_the_text(tmp_path: Path):
    write(tmp_path / "a", ["x", "y"])
    assert read_all(TextInput(input=f"{tmp_path}/a", text_field="title")) == [["0"], ["1"]]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("body", r"a has no column 'body', but 'id', 'text', 'title'\. Name .* --text_field"),
        ("id", r"a has int64 in its column 'id'; it must be strings"),
    ],
)
def test_a_column_that_is_missing_or_no_text_is_told(tmp_path: Path, field: str, message: str):
    write(tmp_path / "a")
    text_input = TextInput(input=f"{tmp_path}/a", text_field=field)
    with pytest.raises(UserError, match=message):
        list_pieces(text_input)
    (tmp_path / "b").write_text("Text.")
    text_input, report = TextInput(input=str(tmp_path), text_field=field), ReadReport()
    (piece,) = list_pieces(text_input, on_error="skip", report=report)
    assert piece.path == f"{tmp_path}/b"
    assert report.refused_files == 1


def test_another_format_that_is_asked_for_is_told(tmp_path: Path):
    write(tmp_path / "a")
    with pytest.raises(UserError, match=r"a is a Parquet file, but --text_format is plain\. Set"):
        list_pieces(TextInput(input=f"{tmp_path}/a", text_format="plain"))
    (tmp_path / "b").write_text("Text.")
    with pytest.raises(UserError, match=r"b is no Parquet file, as --text_format=parquet says"):
        list_pieces(TextInput(input=f"{tmp_path}/b", text_format="parquet"))


def test_a_text_that_is_not_utf8_is_told_with_its_row(tmp_path: Path):
    raw = pa.array([b"one", b"t\xffo", b"three"])
    text = pa.StringArray.from_buffers(3, *raw.buffers()[1:])
    (piece,) = list_pieces(write(tmp_path / "a", text, rows=9))
    with pytest.raises(UserError, match=r"a, row 1 .* not UTF-8 .* at its byte 1"):
        list(read_piece(piece))
    report = ReadReport()
    assert list(read_piece(piece, on_error="skip", report=report)) == [["one"], ["three"]]
    assert report.skipped_documents == 1


def test_a_file_that_is_cut_off_is_left_out_whole(tmp_path: Path):
    write(tmp_path / "a")
    content = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"a is no whole Parquet file: .* It may be cut off"):
        list_pieces(TextInput(input=f"{tmp_path}/a"))


@pytest.mark.parametrize("share", [0.4, 0.6, 0.8, 0.95])  # before that is the page's header
def test_damage_in_the_texts_is_told_and_no_damaged_text_is_read(tmp_path: Path, share: float):
    texts = [f"Text {number} of a file." for number in range(80)]
    write(tmp_path / "a", texts, rows=40, use_dictionary=False, write_page_checksum=True)
    column = pq.ParquetFile(tmp_path / "a").metadata.row_group(1).column(1)
    place = column.data_page_offset + int(share * column.total_compressed_size)
    content = bytearray((tmp_path / "a").read_bytes())
    content[place] ^= 0x55
    (tmp_path / "a").write_bytes(content)
    (piece,) = list_pieces(TextInput(input=f"{tmp_path}/a"))
    with pytest.raises(UserError, match=r"a is no whole Parquet file: .* get it anew"):
        list(read_piece(piece))
    report = ReadReport()
    documents = list(read_piece(piece, on_error="skip", report=report))
    assert documents == [[text] for text in texts[: len(documents)]]
    assert report.broken_files == 1


def chunks_of_text(num_bytes: int) -> Iterator[pa.RecordBatch]:
    line = "Some words of a long text that is in one row group of a file. " * 16
    for begin in itertools.count(0, 1_000):
        if begin * len(line) > num_bytes:
            return
        yield pa.record_batch(
            {"text": [f"{number} {line}" for number in range(begin, begin + 1_000)]}
        )


def test_a_large_row_group_takes_little_memory(tmp_path: Path):
    # Random letters would not shrink; these do, so the bound is for what is unpacked.
    num_bytes = 100_000_000
    table = pa.Table.from_batches(chunks_of_text(num_bytes))
    pq.write_table(table, tmp_path / "a", row_group_size=1 << 30, use_dictionary=False)
    assert pq.ParquetFile(tmp_path / "a").metadata.num_row_groups == 1
    del table
    (piece,) = list_pieces(TextInput(input=f"{tmp_path}/a"))
    assert piece.num_bytes > num_bytes
    with arrow_memory.measured() as most_bytes:
        characters = sum(len(document[0]) for document in read_piece(piece))
    assert characters > num_bytes
    assert 0 < most_bytes() < 32_000_000


def test_remote_files_are_read(tmp_path: Path):
    write(tmp_path / "a")
    tf.io.gfile.copy(str(tmp_path / "a"), "ram://parquet_test/a", overwrite=True)
    leniency = parquet_text.Leniency("fail", ReadReport())
    path = "ram://parquet_test/a"
    sizes = parquet_text.list_row_groups(path, text_field="text", leniency=leniency)
    assert sizes is not None
    documents = parquet_text.read_row_groups(
        path,
        (0, len(sizes)),
        text_field="text",
        num_bytes=sum(sizes),
        leniency=leniency,
        advance=lambda num_bytes: None,
    )
    assert list(documents) == LEFT
