"""Reads all documents of an input, one piece after the other, for tests.

A document is a list of lines; a line is a sentence or a paragraph, which `split_sentences` divides.
Where several processes read, each takes pieces: see `text_pieces`.
"""

from collections.abc import Callable, Iterator

from tfrecords_tools.text.files import file_search
from tfrecords_tools.text.formats.text_formats import Document
from tfrecords_tools.text.pieces import text_pieces
from tfrecords_tools.text.read_report import OnError, ReadReport
from tfrecords_tools.text.sentences.sentence_splitting import split_sentences
from tfrecords_tools.text.text_input import TextInput

__all__ = [
    "Document",
    "count_bytes",
    "describe_input",
    "list_input_files",
    "read_documents",
    "split_sentences",
]


def list_input_files(patterns: str) -> list[str]:
    """Returns the files of comma-separated glob patterns and folders, sorted, none twice.

    Raises:
        UserError: a pattern matches no file, or its folder cannot be read.
    """
    return list(file_search.find_files(patterns).paths)


def describe_input(text: str | TextInput) -> dict[str, str | int]:
    """Returns what tells this input from another one, without reading it.

    Raises:
        UserError: see `text_pieces.list_pieces`.
    """
    return text_pieces.describe_input(_as_input(text))


def count_bytes(text: str | TextInput) -> int:
    """Returns how many bytes `read_documents` will read, as it tells `advance`.

    Raises:
        UserError: see `text_pieces.list_pieces`.
    """
    return text_pieces.count_bytes(text_pieces.list_pieces(_as_input(text)))


def read_documents(
    text: str | TextInput,
    *,
    advance: Callable[[int], None] = lambda num_bytes: None,
    on_error: OnError = "fail",
    report: ReadReport | None = None,
) -> Iterator[Document]:
    """Yields the documents of an input, in the order of the sorted file names.

    Args:
        text: what to read; a string is an --input.
        advance: is called with every number of bytes read.
        on_error: see `text_pieces.read_piece`.
        report: see `text_pieces.read_piece`.

    Raises:
        UserError: see `text_pieces.list_pieces` and `text_pieces.read_piece`.
    """
    for piece in text_pieces.list_pieces(_as_input(text), report=report):
        yield from text_pieces.read_piece(piece, on_error=on_error, advance=advance, report=report)


def _as_input(text: str | TextInput) -> TextInput:
    return TextInput(input=text) if isinstance(text, str) else text
