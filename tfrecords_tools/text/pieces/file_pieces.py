"""The pieces of one file: what kind of file it is, where it is cut, and how a piece is read."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator

from mslt_tf.errors import UserError
from tfrecords_tools.text.files import file_kinds, text_encodings, text_files, zip_members
from tfrecords_tools.text.files.text_encodings import UTF_8
from tfrecords_tools.text.formats import (
    format_detection,
    json_text,
    parquet_text,
    text_boundaries,
    text_formats,
    text_lines,
    wiki_blocks,
)
from tfrecords_tools.text.formats.text_formats import Document
from tfrecords_tools.text.pieces.piece import Piece
from tfrecords_tools.text.read_report import Leniency, ReadReport
from tfrecords_tools.text.text_input import AUTO, COUNTED_FORMATS, PARQUET, TextInput

Advance = Callable[[int], None]

_WITH_FIELD = ("jsonl", "json", PARQUET)
_WITHOUT_BLANK_LINES = ("wiki", "jsonl", "lines")  # which mean nothing there


def list_pieces(
    path: str, text_input: TextInput, *, leniency: Leniency, piece_bytes: int
) -> Iterator[Piece]:
    """Yields the pieces of a file, in order; looks at its beginning for it, or at its index.

    Args:
        path: the file.
        text_input: how it is to be read.
        leniency: hears of a file that is no text to read, and has no pieces.
        piece_bytes: size of a piece of a file that can be cut.

    Raises:
        UserError: the file cannot be read, or is none for these settings; or it is no text to
            read, and leniency has none for it.
    """
    size = text_files.file_size(path)
    head = _first_bytes(text_files.read_range(path, 0, min(size, format_detection.HEAD_BYTES)))
    if head.startswith(parquet_text.MARK):
        yield from _pieces_of_parquet(path, text_input, leniency, piece_bytes)
    elif head.startswith(zip_members.MARKS):
        yield from _pieces_of_zip(path, text_input, leniency)
    else:
        compression = text_files.find_compression(path)
        if compression:
            lenient = Leniency("skip", ReadReport())  # reading will tell
            head = _first_bytes(text_files.read_compressed(path, compression, leniency=lenient))
        piece = _look(Piece("", path, 0, size, size, size, compression), head, text_input, leniency)
        if piece:
            yield from _cut(piece, piece_bytes)


def read_piece(piece: Piece, *, leniency: Leniency, advance: Advance) -> Iterator[Document]:
    """Yields the documents of a piece of a file.

    Args:
        piece: one of `list_pieces`.
        leniency: hears of mistakes.
        advance: is called with numbers of bytes that add up to the piece's `num_bytes` over all
            pieces of a file.

    Raises:
        UserError: the file cannot be read or has become shorter; or there is a mistake in it, and
            leniency has none for it.
    """
    if not piece.size:
        leniency.report.empty_files += 1
        return
    begin, end = 0, piece.size
    if _is_cut(piece):
        begin, end = text_boundaries.find_range(
            piece.path, piece.begin, piece.end, size=piece.size, text_format=piece.text_format
        )
    left = end - begin if _is_cut(piece) else piece.num_bytes

    def advance_and_count(num_bytes: int) -> None:
        nonlocal left
        num_bytes = min(num_bytes, left)  # an archive may say anything of its members' sizes
        left -= num_bytes
        advance(num_bytes)

    documents = _documents(piece, begin, end, leniency, advance_and_count)
    if piece.documents_of > 1:
        documents = text_formats.join_documents(documents, piece.documents_of, leniency=leniency)
    yield from documents
    if left:  # out after a mistake; the progress is to reach its end all the same
        advance(left)


def _pieces_of_parquet(
    path: str, text_input: TextInput, leniency: Leniency, piece_bytes: int
) -> Iterator[Piece]:
    """Yields pieces of at least one row group; of several small ones, up to `piece_bytes`."""
    if text_input.text_format not in (AUTO, PARQUET):
        leniency.skip_file(
            f"{path} is a Parquet file, but --text_format is {text_input.text_format}. Set "
            f"--text_format=auto, or give other files."
        )
        return
    field = text_input.text_field
    sizes = parquet_text.list_row_groups(path, text_field=field, leniency=leniency)
    if sizes is None:
        return
    begin = 0
    while begin < max(1, len(sizes)):
        end, num_bytes = begin, 0
        while end < len(sizes) and (end == begin or num_bytes + sizes[end] <= piece_bytes):
            num_bytes += sizes[end]
            end += 1
        yield Piece(
            PARQUET,
            path,
            begin,
            end,
            size=len(sizes),
            num_bytes=num_bytes,
            text_field=field,
            documents_of=text_input.documents_of,
        )
        begin = max(end, 1)


def _pieces_of_zip(path: str, text_input: TextInput, leniency: Leniency) -> Iterator[Piece]:
    for number, member in zip_members.list_members(path, leniency=leniency):
        lenient = Leniency("skip", ReadReport())
        head = _first_bytes(zip_members.read_member(path, number, leniency=lenient))
        size = member.file_size
        blank = Piece("", path, 0, size, size, size, member=number, member_name=member.filename)
        piece = _look(blank, head, text_input, leniency)
        if piece:
            yield piece


def _first_bytes(chunks: Iterator[bytes]) -> bytes:
    """Returns the beginning of a file's text; less of it, if it is damaged."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= format_detection.HEAD_BYTES:
            break
    return head[: format_detection.HEAD_BYTES]


def _look(blank: Piece, head: bytes, text_input: TextInput, leniency: Leniency) -> Piece | None:
    """Returns the piece that is the whole of a file that begins with `head`; None if left out."""
    encoding = text_encodings.find_encoding(head)
    if encoding != UTF_8:
        lenient = Leniency("skip", ReadReport())
        chunks = text_encodings.to_utf8(iter([head]), encoding, path=blank.name, leniency=lenient)
        head = b"".join(chunks)
    kind = file_kinds.find_kind(head, path=blank.name)
    if kind:
        leniency.skip_file(file_kinds.describe(blank.name, kind))
        return None
    has_cr_ends = b"\r" in head and b"\n" not in head
    if has_cr_ends:
        head = head.replace(b"\r", b"\n")
    text_format = _choose_format(blank.name, head, text_input, leniency)
    if text_format is None:
        return None
    return dataclasses.replace(
        blank,
        text_format=text_format,
        encoding=encoding,
        has_cr_ends=has_cr_ends,
        text_field=text_input.text_field if text_format in _WITH_FIELD else "",
        documents_of=text_input.documents_of,
    )


def _choose_format(name: str, head: bytes, text_input: TextInput, leniency: Leniency) -> str | None:
    text_format: str = text_input.text_format
    if text_format == PARQUET:
        leniency.skip_file(
            f"{name} is no Parquet file, as --text_format=parquet says. Set --text_format=auto, or "
            f"give other files."
        )
        return None
    if text_format == AUTO:
        text_format = format_detection.detect_format(head)
    if text_format == format_detection.OTHER_JSON:
        leniency.skip_file(
            f"{name} begins like JSON, but is neither an array of objects nor an object a line. "
            "Make JSON lines of it, each an object with a text, or set --text_format=plain if it "
            "is no JSON."
        )
        return None
    if text_input.documents_of > 1 and text_format not in COUNTED_FORMATS and head:
        raise UserError(
            f"{name} is read as {text_format}, which says where documents end; --documents_of is "
            f"for {', '.join(COUNTED_FORMATS)} and --tfds. Set --text_format=lines if each line "
            "of it is a sentence, or leave --documents_of out."
        )
    return text_format


def _cut(piece: Piece, piece_bytes: int) -> Iterator[Piece]:
    """Yields the pieces of a file that is no archive; one, where its text cannot be cut."""
    size = piece.size
    can_be_cut = (
        piece.text_format in text_boundaries.FORMATS
        and piece.encoding == UTF_8
        and not piece.compression
        and not piece.has_cr_ends
    )
    step = piece_bytes if can_be_cut else max(size, 1)
    for begin in range(0, max(size, 1), step):
        end = min(begin + step, size)
        yield dataclasses.replace(piece, begin=begin, end=end, num_bytes=end - begin)


def _is_cut(piece: Piece) -> bool:
    """Returns whether a piece is a part of a file's bytes."""
    is_part = piece.begin > 0 or piece.end < piece.size
    return is_part and piece.text_format != PARQUET


def _documents(
    piece: Piece, begin: int, end: int, leniency: Leniency, advance: Advance
) -> Iterator[Document]:
    if piece.text_format == PARQUET:
        return parquet_text.read_row_groups(
            piece.path,
            (piece.begin, piece.end),
            text_field=piece.text_field,
            num_bytes=piece.num_bytes,
            leniency=leniency,
            advance=advance,
        )
    return _parse(piece, _text_chunks(piece, begin, end, leniency, advance), begin, leniency)


def _text_chunks(
    piece: Piece, begin: int, end: int, leniency: Leniency, advance: Advance
) -> Iterator[bytes]:
    """Returns the text of a piece, unpacked, in UTF-8, with lines that end with line feeds."""
    path = piece.path
    if piece.member >= 0:
        chunks = zip_members.read_member(path, piece.member, leniency=leniency, advance=advance)
    elif piece.compression:
        chunks = text_files.read_compressed(
            path, piece.compression, leniency=leniency, advance=advance
        )
    else:
        chunks = text_files.read_range(path, begin, end, advance=advance)
    if piece.encoding != UTF_8:
        chunks = text_encodings.to_utf8(chunks, piece.encoding, path=piece.name, leniency=leniency)
    if piece.has_cr_ends:
        chunks = (chunk.replace(b"\r", b"\n") for chunk in chunks)
    return chunks


def _parse(
    piece: Piece, chunks: Iterator[bytes], begin: int, leniency: Leniency
) -> Iterator[Document]:
    path, text_format, field = piece.name, piece.text_format, piece.text_field
    if text_format == "json":
        return json_text.parse_json_array(chunks, path=path, text_field=field, leniency=leniency)
    # A line that is left out keeps the numbers of the others right.
    left_out = "" if text_format in _WITHOUT_BLANK_LINES else None
    reader = text_lines.LineReader(path, begin=begin, leniency=leniency, left_out=left_out)
    read = reader.read_json if text_format == "jsonl" else reader.read
    lines = itertools.chain.from_iterable(read(chunks))
    if text_format == "wiki":
        return wiki_blocks.parse_wiki_blocks(lines, path=path, leniency=leniency, begin=begin)
    if text_format == "jsonl":
        return json_text.parse_json_lines(
            lines, path=path, text_field=field, leniency=leniency, begin=begin
        )
    if text_format == "book":
        return text_formats.parse_book(lines, leniency=leniency)
    if text_format == "lines":
        return text_formats.parse_lines(lines)
    return text_formats.parse_plain_text(lines, leniency=leniency)
