"""Cuts text into pieces that processes read independently, each with the same result everywhere.

The pieces depend on the input alone. The documents of all pieces, in order, are those of the input.
"""

import collections
import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator

from mslt_tf.errors import UserError
from tfrecords_tools.text import (
    embedded_corpus,
    format_detection,
    text_boundaries,
    text_files,
    text_formats,
    text_lines,
    wiki_blocks,
)
from tfrecords_tools.text.read_report import Leniency, OnError, ReadReport
from tfrecords_tools.text.text_formats import Document
from tfrecords_tools.text.text_input import AUTO, EMBEDDED, TextInput

PIECE_BYTES = 1 << 25
PIECE_EXAMPLES = 10_000
TFDS = "tfds"
_MARK_OF_TAR = (257, b"ustar")


@dataclasses.dataclass(frozen=True)
class Piece:
    """A part of the input, read by `read_piece`. Picklable; `Piece(**dataclasses.asdict(p))` == p.

    A document belongs to the piece in which it begins; in plain text it begins with the blank line
    before it.
    """

    text_format: str  # one of `text_input.FILE_FORMATS`, "embedded" or "tfds"
    path: str  # of the file; the name of the tfds data set; "" for the embedded corpus
    begin: int  # bytes of the file, or examples of the data set
    end: int  # before this one
    size: int  # of the whole file, in bytes, or data set, in examples
    num_bytes: int  # about what reading it reads; exact in the sum over the pieces of a file
    compression: str = ""  # "gz", "bz2" or "xz"
    text_field: str = ""  # of "jsonl" and "tfds"
    data_dir: str = ""  # of "tfds"


def list_pieces(
    text_input: TextInput,
    *,
    report: ReadReport | None = None,
    piece_bytes: int = PIECE_BYTES,
    piece_examples: int = PIECE_EXAMPLES,
) -> tuple[Piece, ...]:
    """Returns the pieces of the input, in order; looks at the beginning of each file for it.

    A file is a piece. Plain text, <doc> blocks and JSON lines are cut every `piece_bytes`, unless
    they are compressed. A data set is cut every `piece_examples`.

    Args:
        text_input: what to read: files in the order of their names, then the data set.
        report: is told how many hidden files there are.
        piece_bytes: size of a piece of a file.
        piece_examples: size of a piece of a data set.

    Raises:
        UserError: a pattern matches no file; a file cannot be read, or is a tar archive; the data
            set is not there, or has no such field.
    """
    pieces: list[Piece] = []
    if text_input.input == EMBEDDED:
        sources = embedded_corpus.list_sources()
        size = sum(path.stat().st_size for _, path in sources)
        pieces.append(Piece(EMBEDDED, "", 0, size, size=size, num_bytes=size))
    elif text_input.input:
        files, num_hidden = text_files.find_files(text_input.input)
        for path in files:
            pieces += _pieces_of_file(path, text_input, piece_bytes)
        if report is not None:
            report.hidden_files += num_hidden
    if text_input.tfds:
        pieces += _pieces_of_tfds(text_input, piece_examples)
    return tuple(pieces)


def report_of_input(text_input: TextInput) -> ReadReport:
    """Returns what `list_pieces` leaves out: how many hidden files there are.

    Raises:
        UserError: a pattern matches no file, or its folder cannot be read.
    """
    has_files = text_input.input and text_input.input != EMBEDDED
    return ReadReport(hidden_files=text_files.find_files(text_input.input)[1] if has_files else 0)


def describe_input(text_input: TextInput) -> dict[str, str | int]:
    """Returns what tells this input from another one, without reading it.

    Raises:
        UserError: see `list_pieces`.
    """
    facts: dict[str, str | int] = {}
    if text_input.input == EMBEDDED:
        facts["input_versions"] = embedded_corpus.describe_versions()
    elif text_input.input:
        files, _ = text_files.find_files(text_input.input)
        facts["input_files"] = len(files)
        facts["input_bytes"] = sum(map(text_files.file_size, files))
    if text_input.tfds:
        name, num_examples, num_bytes = _describe_tfds(text_input)
        facts |= {"tfds_name": name, "tfds_examples": num_examples, "tfds_bytes": num_bytes}
    return facts


def read_piece(
    piece: Piece,
    *,
    on_error: OnError = "fail",
    advance: Callable[[int], None] = lambda num_bytes: None,
    report: ReadReport | None = None,
) -> Iterator[Document]:
    """Yields the documents of a piece, in bounded memory.

    <doc> blocks and JSON objects without text are empty documents: [].

    Args:
        piece: one of `list_pieces`.
        on_error: "fail" ends with a UserError at the first mistake in the text. "skip" leaves out
            what cannot be read: a line that is not UTF-8 or not the JSON it must be, an example of
            a data set, or all that follows broken <doc> blocks or damage in a compressed file.
        advance: is called with numbers of bytes read; over all pieces of a file, or of the
            data set, they add up to the sum of `num_bytes`.
        report: is told what was left out or cut, while the documents are read.

    Raises:
        UserError: the file cannot be read or has become shorter; or, with "fail", a mistake.
        ValueError: `on_error` is another word.
    """
    leniency = Leniency(on_error, ReadReport() if report is None else report)
    if piece.text_format == EMBEDDED:
        return embedded_corpus.read_documents(advance=advance)
    if piece.text_format == TFDS:
        from tfrecords_tools.text import tfds_text  # slow to import

        return tfds_text.read_examples(
            piece.path,
            (piece.begin, piece.end),
            text_field=piece.text_field,
            data_dir=piece.data_dir,
            num_bytes=piece.num_bytes,
            leniency=leniency,
            advance=advance,
        )
    return _read_file_piece(piece, leniency, advance)


def count_formats(pieces: Iterable[Piece]) -> dict[str, int]:
    """Returns how many files (or data sets) there are of each format, e.g. {"wiki": 60}."""
    return dict(sorted(collections.Counter(p.text_format for p in pieces if not p.begin).items()))


def count_bytes(pieces: Iterable[Piece]) -> int:
    """Returns how many bytes `read_piece` will read, as it tells `advance`."""
    return sum(piece.num_bytes for piece in pieces)


def _pieces_of_file(path: str, text_input: TextInput, piece_bytes: int) -> Iterator[Piece]:
    size = text_files.file_size(path)
    compression = text_files.find_compression(path)
    head = _read_head(path, size, compression)
    place, mark = _MARK_OF_TAR
    if head[place:].startswith(mark):
        raise UserError(
            f"{path} is a tar archive, not text. Unpack it, and give the folder as --input."
        )
    text_format = text_input.text_format
    if text_format == AUTO:
        text_format = format_detection.detect_format(head)
    can_be_cut = not compression and text_format in text_boundaries.FORMATS
    step = piece_bytes if can_be_cut else max(size, 1)
    for begin in range(0, max(size, 1), step):
        end = min(begin + step, size)
        yield Piece(
            text_format,
            path,
            begin,
            end,
            size=size,
            num_bytes=end - begin,
            compression=compression,
            text_field=text_input.text_field if text_format == "jsonl" else "",
        )


def _read_head(path: str, size: int, compression: str) -> bytes:
    """Returns the beginning of a file's text; less of it, if it is damaged."""
    chunks = text_files.read_range(path, 0, min(size, format_detection.HEAD_BYTES))
    if compression:
        leniency = Leniency("skip", ReadReport())  # reading will tell
        chunks = text_files.read_compressed(path, compression, leniency=leniency)
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= format_detection.HEAD_BYTES:
            break
    return head[: format_detection.HEAD_BYTES]


def _read_file_piece(
    piece: Piece, leniency: Leniency, advance: Callable[[int], None]
) -> Iterator[Document]:
    if not piece.size:
        leniency.report.empty_files += 1
        return
    begin, end = 0, piece.size
    if piece.begin > 0 or piece.end < piece.size:
        begin, end = text_boundaries.find_range(
            piece.path, piece.begin, piece.end, size=piece.size, text_format=piece.text_format
        )
    left = end - begin

    def advance_and_count(num_bytes: int) -> None:
        nonlocal left
        left -= num_bytes
        advance(num_bytes)

    if piece.compression:
        chunks = text_files.read_compressed(
            piece.path, piece.compression, leniency=leniency, advance=advance_and_count
        )
    else:
        chunks = text_files.read_range(piece.path, begin, end, advance=advance_and_count)
    yield from _parse(piece, chunks, begin, leniency)
    if left:  # out after a mistake; the progress is to reach its end all the same
        advance(left)


def _parse(
    piece: Piece, chunks: Iterator[bytes], begin: int, leniency: Leniency
) -> Iterator[Document]:
    # Blank lines mean nothing to these two, and keep the numbers of the lines right.
    left_out = "" if piece.text_format in ("wiki", "jsonl") else None
    reader = text_lines.LineReader(piece.path, begin=begin, leniency=leniency, left_out=left_out)
    read = reader.read_json if piece.text_format == "jsonl" else reader.read
    lines = itertools.chain.from_iterable(read(chunks))
    path = piece.path
    if piece.text_format == "wiki":
        return wiki_blocks.parse_wiki_blocks(lines, path=path, leniency=leniency, begin=begin)
    if piece.text_format == "jsonl":
        return text_formats.parse_json_lines(
            lines, path=path, text_field=piece.text_field, leniency=leniency, begin=begin
        )
    if piece.text_format == "book":
        return text_formats.parse_book(lines, leniency=leniency)
    return text_formats.parse_plain_text(lines, leniency=leniency)


def _pieces_of_tfds(text_input: TextInput, piece_examples: int) -> Iterator[Piece]:
    name, size, num_bytes = _describe_tfds(text_input)
    for begin in range(0, size, piece_examples):
        end = min(begin + piece_examples, size)
        yield Piece(
            TFDS,
            name,
            begin,
            end,
            size=size,
            num_bytes=num_bytes * end // size - num_bytes * begin // size,
            text_field=text_input.text_field,
            data_dir=text_input.tfds_data_dir,
        )


def _describe_tfds(text_input: TextInput) -> tuple[str, int, int]:
    """Returns the name, the number of examples, and their bytes."""
    from tfrecords_tools.text import tfds_text  # slow to import

    return tfds_text.describe(
        text_input.tfds, text_field=text_input.text_field, data_dir=text_input.tfds_data_dir
    )
