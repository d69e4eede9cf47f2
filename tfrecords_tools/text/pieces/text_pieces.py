"""Cuts text into pieces that processes read independently, each with the same result everywhere.

The pieces depend on the input alone. The documents of all pieces, in order, are those of the input.
"""

import collections
from collections.abc import Callable, Collection, Iterable, Iterator

from mslt_tf.errors import UserError
from tfrecords_tools.text.files import file_search
from tfrecords_tools.text.files.found_files import FoundFiles
from tfrecords_tools.text.formats import embedded_corpus, text_formats
from tfrecords_tools.text.formats.text_formats import Document
from tfrecords_tools.text.pieces import file_pieces
from tfrecords_tools.text.pieces.piece import Piece
from tfrecords_tools.text.read_report import Leniency, OnError, ReadReport
from tfrecords_tools.text.text_input import EMBEDDED, TextInput

PIECE_BYTES = 1 << 25
PIECE_EXAMPLES = 10_000
TFDS = "tfds"


def list_pieces(
    text_input: TextInput,
    *,
    files: FoundFiles | None = None,
    on_error: OnError = "fail",
    report: ReadReport | None = None,
    piece_bytes: int = PIECE_BYTES,
    piece_examples: int = PIECE_EXAMPLES,
) -> tuple[Piece, ...]:
    """Returns the pieces of the input, in order; looks at the beginning of each file for it.

    A file is a piece, and so is a member of a zip archive. Plain text, <doc> blocks, JSON lines and
    documents a line are cut every `piece_bytes`, unless they are compressed; Parquet files between
    row groups. A data set is cut every `piece_examples`.

    Args:
        text_input: what to read: files in the order of their names, then the data set.
        files: what `find_input` found; None to look now.
        on_error: "fail" ends with a UserError at the first file that is no text to read, e.g. an
            image; "skip" leaves it out.
        report: is told which files were left out.
        piece_bytes: size of a piece of a file.
        piece_examples: size of a piece of a data set.

    Raises:
        UserError: a pattern matches no file; a file cannot be read, or is no text to read, or all
            are none; the data set is not there, or has no such field.
    """
    leniency = Leniency(on_error, ReadReport() if report is None else report)
    pieces: list[Piece] = []
    if text_input.input == EMBEDDED:
        sources = embedded_corpus.list_sources()
        size = sum(path.stat().st_size for _, path in sources)
        pieces.append(Piece(EMBEDDED, "", 0, size, size=size, num_bytes=size))
    elif text_input.input:
        files = find_input(text_input) if files is None else files
        leniency.report.add(files.report())
        for path in files.paths:
            pieces += file_pieces.list_pieces(
                path, text_input, leniency=leniency, piece_bytes=piece_bytes
            )
    if text_input.tfds:
        pieces += _pieces_of_tfds(text_input, piece_examples)
    if not pieces:
        raise UserError(
            f"{text_input.input or text_input.tfds} holds no text to read. Give another --input. "
            f"{' '.join(leniency.report.describe())}".rstrip()
        )
    return tuple(pieces)


def find_input(
    text_input: TextInput, *, own: Collection[str] = (), on_error: OnError = "fail"
) -> FoundFiles:
    """Returns the files of an input; none for the embedded corpus and for data sets.

    Args:
        text_input: what to read.
        own: see `file_search.find_files`.
        on_error: see `file_search.find_files`.

    Raises:
        UserError: see `file_search.find_files`.
    """
    if not text_input.input or text_input.input == EMBEDDED:
        return FoundFiles()
    return file_search.find_files(text_input.input, own=own, on_error=on_error)


def describe_input(
    text_input: TextInput, *, files: FoundFiles | None = None
) -> dict[str, str | int]:
    """Returns what tells this input from another one, without reading it.

    Args:
        text_input: what to read.
        files: what `find_input` found; None to look now.

    Raises:
        UserError: see `list_pieces`.
    """
    facts: dict[str, str | int] = {}
    if text_input.input == EMBEDDED:
        facts["input_versions"] = embedded_corpus.describe_versions()
    elif text_input.input:
        files = find_input(text_input) if files is None else files
        facts |= {"input_files": len(files.paths), "input_bytes": files.num_bytes}
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
        from tfrecords_tools.text.formats import tfds_text  # slow to import

        examples = tfds_text.read_examples(
            piece.path,
            (piece.begin, piece.end),
            text_field=piece.text_field,
            data_dir=piece.data_dir,
            num_bytes=piece.num_bytes,
            leniency=leniency,
            advance=advance,
        )
        number = piece.documents_of
        if number == 1:
            return examples
        return text_formats.join_documents(examples, number, leniency=leniency)
    return file_pieces.read_piece(piece, leniency=leniency, advance=advance)


def count_formats(pieces: Iterable[Piece]) -> dict[str, int]:
    """Returns how many files (or data sets) there are of each format, e.g. {"wiki": 60}."""
    return dict(sorted(collections.Counter(p.text_format for p in pieces if not p.begin).items()))


def count_bytes(pieces: Iterable[Piece]) -> int:
    """Returns how many bytes `read_piece` will read, as it tells `advance`."""
    return sum(piece.num_bytes for piece in pieces)


def _pieces_of_tfds(text_input: TextInput, piece_examples: int) -> Iterator[Piece]:
    name, size, num_bytes = _describe_tfds(text_input)
    number = text_input.documents_of
    step = max(piece_examples // number, 1) * number  # so that no document is cut
    for begin in range(0, size, step):
        end = min(begin + step, size)
        yield Piece(
            TFDS,
            name,
            begin,
            end,
            size=size,
            num_bytes=num_bytes * end // size - num_bytes * begin // size,
            text_field=text_input.text_field,
            documents_of=number,
            data_dir=text_input.tfds_data_dir,
        )


def _describe_tfds(text_input: TextInput) -> tuple[str, int, int]:
    """Returns the name, the number of examples, and their bytes."""
    from tfrecords_tools.text.formats import tfds_text  # slow to import

    return tfds_text.describe(
        text_input.tfds, text_field=text_input.text_field, data_dir=text_input.tfds_data_dir
    )
