"""What tests of the formats share."""

from pathlib import Path

import pytest

from tfrecords_tools.text.pieces import text_pieces
from tfrecords_tools.text.text_input import TextInput


@pytest.fixture
def read(tmp_path: Path):
    """A function (text, format="auto", **arguments of read_piece) that gives the documents."""

    def read_text(content: str | bytes, text_format: str = "auto", **arguments: object):
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "a.txt").write_bytes(data)
        field = str(arguments.pop("text_field", "text"))
        text_input = TextInput(input=f"{tmp_path}/a.txt", text_format=text_format, text_field=field)
        (piece,) = text_pieces.list_pieces(text_input)
        return list(text_pieces.read_piece(piece, **arguments))  # type: ignore[arg-type]

    return read_text
