"""Texts of Parquet files, as most corpora of the Hugging Face hub are: row groups, in batches."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from mslt_tf.files import file_errors
from tfrecords_tools.text.files import seekable_files
from tfrecords_tools.text.formats.text_formats import Document, split_text
from tfrecords_tools.text.read_report import Leniency

MARK = b"PAR1"
_BATCH_BYTES = 1 << 22  # of text, about
_MAX_BATCH_ROWS = 1_024
_BUFFER_BYTES = 1 << 20  # of a column, read at once; else it would be all of a row group
_MOST_NAMES = 10  # of columns in a message


def list_row_groups(path: str, *, text_field: str, leniency: Leniency) -> list[int] | None:
    """Returns about how many bytes of text each row group has; reads none of them.

    Args:
        path: the file.
        text_field: the column with the text.
        leniency: hears of a file that is damaged or has no such column of text: None then.

    Raises:
        UserError: the file cannot be read; or any of these, and leniency has none for it.
    """
    sizes = None
    with _opened(path) as file, _telling(path, leniency.skip_file):
        parquet = _parse(file)
        wrong = _what_is_wrong(parquet.schema_arrow, text_field)
        if wrong:
            leniency.skip_file(f"{path} {wrong}")
        else:
            sizes = _sizes(parquet.metadata, text_field)
    return sizes


def read_row_groups(
    path: str,
    row_groups: tuple[int, int],
    *,
    text_field: str,
    num_bytes: int,
    leniency: Leniency,
    advance: Callable[[int], None],
) -> Iterator[Document]:
    """Yields a document per row: the lines of its text, so it can be empty. Nulls are counted.

    Args:
        path: the file.
        row_groups: the first one's number, and the number before which to end.
        text_field: the column with the text.
        num_bytes: which the row groups are said to have; `advance` is told of them bit by bit.
        leniency: hears of damage, which ends the reading, and of texts that are not UTF-8.
        advance: is called with numbers of bytes.

    Raises:
        UserError: the file cannot be read, or there is a mistake in it and leniency has none.
    """
    with _opened(path) as file, _telling(path, leniency.skip_rest):
        parquet = _parse(file)
        groups = [parquet.metadata.row_group(number) for number in range(*row_groups)]
        num_rows = sum(group.num_rows for group in groups)
        row = 0
        for batch in parquet.iter_batches(
            _batch_rows(num_bytes, num_rows),
            row_groups=list(range(*row_groups)),
            columns=[text_field],
            use_threads=False,
        ):
            before, row = row, row + len(batch)
            advance(num_bytes * row // num_rows - num_bytes * before // num_rows)
            for text in _texts(batch.column(0), path, before, leniency):
                yield from split_text(text, leniency=leniency)


def _opened(path: str) -> contextlib.AbstractContextManager[Any]:
    """Opens a file, for pyarrow; errors of that become a UserError."""
    with file_errors.reading(path):
        return contextlib.closing(seekable_files.open_to_seek(path))


@contextlib.contextmanager
def _telling(path: str, skip: Callable[[str], None]) -> Iterator[None]:
    """Tells of damage."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        skip(
            f"{path} is no whole Parquet file: {reason}. It may be cut off: get it anew, or leave "
            "it out."
        )


def _parse(file: Any) -> Any:
    """Returns the `ParquetFile`, of which only the end has been read."""
    import pyarrow.parquet  # slow to import

    return pyarrow.parquet.ParquetFile(
        file, buffer_size=_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True
    )


def _what_is_wrong(schema: Any, text_field: str) -> str:
    import pyarrow.types

    names = schema.names
    if text_field not in names:
        shown = ", ".join(repr(name)[:40] for name in names[:_MOST_NAMES])
        more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
        return (
            f"has no column {text_field!r}, but {shown or 'none'}{more}. Name the one with the "
            "text by --text_field."
        )
    found = schema.field(names.index(text_field)).type
    kind = found.value_type if pyarrow.types.is_dictionary(found) else found
    if any(
        is_text(kind)
        for is_text in (
            pyarrow.types.is_string,
            pyarrow.types.is_large_string,
            pyarrow.types.is_string_view,
        )
    ):
        return ""
    return (
        f"has {str(found)[:80]} in its column {text_field!r}; it must be strings. Name another one "
        "by --text_field."
    )


def _sizes(metadata: Any, text_field: str) -> list[int]:
    columns = [metadata.schema.column(index).path for index in range(metadata.num_columns)]
    column = columns.index(text_field)
    groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
    # What a file says of itself may be anything.
    return [max(1, group.column(column).total_uncompressed_size) for group in groups]


def _batch_rows(num_bytes: int, num_rows: int) -> int:
    """Returns how many rows to hold at once, so that their texts take some megabytes."""
    return max(1, min(_MAX_BATCH_ROWS, _BATCH_BYTES * num_rows // num_bytes))


def _texts(column: Any, path: str, row: int, leniency: Leniency) -> Iterator[str]:
    """Yields the texts of some rows, the first of which has the number `row` within its piece."""
    leniency.report.null_texts += column.null_count
    for place, value in enumerate(column):
        try:
            text = value.as_py()
        except UnicodeDecodeError as error:
            leniency.skip_document(
                f"{path}, row {row + place:,} after its row group's begin: the text is not UTF-8 "
                f"({error.reason} at its byte {error.start:,}). Write the file anew."
            )
            continue
        if text is not None:
            yield text
