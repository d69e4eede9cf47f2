"""A sample's documents, and the bytes of the input that it says they take."""

import json
from pathlib import Path

import pytest

from tfrecords_tools.text.pieces import text_pieces, text_sample
from tfrecords_tools.text.pieces.piece import Piece
from tfrecords_tools.text.text_input import TextInput

SENTENCE = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich."


def pieces_of(folder: Path, piece_bytes: int = 1 << 25) -> tuple[Piece, ...]:
    return text_pieces.list_pieces(TextInput(str(folder)), piece_bytes=piece_bytes)


@pytest.mark.parametrize("num_files", [1, 3, 20])
@pytest.mark.parametrize("piece_bytes", [1 << 18, 1 << 25])
def test_documents_take_the_bytes_that_their_lines_have(
    num_files: int, piece_bytes: int, tmp_path: Path
):
    documents = [[f"{SENTENCE} {n}"] * (n % 7 + 1) for n in range(9_000)]
    text = "\n\n".join("\n".join(document) for document in documents)
    for number in range(num_files):
        (tmp_path / f"{number:02}.txt").write_text(text)
    sample = text_sample.take(pieces_of(tmp_path, piece_bytes))
    assert sample.documents[:3] == documents[:3]
    num_bytes = sum(len("\n".join(document).encode()) + 2 for document in sample.documents)
    assert num_bytes > 500_000
    assert sample.num_bytes == pytest.approx(num_bytes, rel=0.02)


def test_a_short_text_is_a_sample_whole_with_what_surrounds_it(tmp_path: Path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "x" * 5_000, "text": SENTENCE}) + "\n")
    (tmp_path / "b.jsonl").write_text(json.dumps({"id": "y", "text": ""}) + "\n")
    pieces = pieces_of(tmp_path)
    sample = text_sample.take(pieces)
    assert [document for document in sample.documents if document] == [[SENTENCE]]
    assert sample.num_bytes == text_pieces.count_bytes(pieces)
    assert 0 < sample.seconds < 60
