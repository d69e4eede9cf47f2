"""Says everything that is wrong with a zip file that is to be submitted to GLUE.

The file may come from anywhere, so of a zip only what it must hold is unpacked, and never more
than that can take.
"""

import io
import itertools
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator

import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from mslt_tf.finetuning.glue import glue_data
from mslt_tf.finetuning.glue.glue_submission import HEADER, files
from mslt_tf.finetuning.glue.glue_tasks import Task

_MAX_ZIP_BYTES = 16 << 20  # a submission, not even compressed, has 4 MB
_MAX_ROW_BYTES = 64
_MAX_SHOWN = 5  # faults of one kind; the others are counted
_MAX_NAME = 60  # characters of a name or a row in a message
_SCORE = re.compile(r"\d{1,3}(\.\d{1,30})?", re.ASCII)
_IS_ENCRYPTED = 0x1
_DAMAGE = (  # what zipfile raises on reading damaged files
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    ValueError,
)


class _RefusedError(ValueError):
    """A file is packed as none of a submission should be; the message says how."""


def validate(zip_path: str, glue_dir: str) -> list[str]:
    """Returns a sentence for each thing that is wrong with a submission; none: it is right.

    Args:
        zip_path: of the zip file.
        glue_dir: folder of GLUE's tasks, or "" for none. A test file that is there is read, and
            must itself have the number of rows that GLUE's has today; for one that is not there,
            that number stands alone.

    Checked are the files' names and places, their header, their indices and the order of these,
    their label words or scores, and the number of rows.

    Raises:
        UserError: the zip file is not there, cannot be read from the disk, or is far too large.
    """
    content = _read(zip_path)
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except _DAMAGE as error:
        return [f"It is no zip file, or {_cause(error)}. Write it anew."]
    # As the file has them: zipfile's own names end before a zero byte.
    counts = Counter(entry.orig_filename for entry in archive.infolist())
    faults = list(_name_faults(counts))
    for name, (task, split) in files().items():
        faults += _test_file_faults(task, split, glue_dir)
        if name in counts:
            num_rows = task.splits[split].num_rows or 0
            faults += (f"{name}: {fault}" for fault in _file_faults(archive, name, task, num_rows))
    return faults


def _read(path: str) -> bytes:
    with file_errors.reading(path):
        size = tf.io.gfile.stat(path).length
        if size > _MAX_ZIP_BYTES:
            raise UserError(
                f"{path} has {size:,} bytes, and a submission at most {_MAX_ZIP_BYTES:,}. Give the "
                "zip file of a submission."
            )
        with tf.io.gfile.GFile(path, "rb") as file:
            return bytes(file.read())


def _name_faults(counts: Counter[str]) -> Iterator[str]:
    wanted = set(files())
    for name in sorted(wanted - counts.keys()):
        yield f"{name} is missing. Add it; all tasks are submitted together."
    for name in sorted(wanted & counts.keys()):
        if counts[name] > 1:
            yield f"{name} is there {counts[name]} times. Leave one."
    foreign = sorted(counts.keys() - wanted)
    if any(_is_in_folder(name) for name in foreign):
        yield "It has files of a submission in a folder. Zip the files themselves, not the folder."
    yield from _some(
        f"{_shown(name)} is no file of a submission, which has {len(wanted)} files and no folder. "
        "Take it out."
        for name in foreign
        if not _is_in_folder(name)
    )


def _is_in_folder(name: str) -> bool:
    folder, _, file = name.rpartition("/")
    return bool(folder) and file in files()


def _test_file_faults(task: Task, split: str, glue_dir: str) -> Iterator[str]:
    """Yields what is wrong with the test file itself, without which nobody can be right."""
    if not glue_dir or not glue_data.has(task, split, glue_dir):
        return
    wanted = task.splits[split]
    try:
        found = len(glue_data.read(task, split, glue_dir, report=lambda line: None))
    except UserError as error:
        yield f"{wanted.submission} cannot be compared with its test file: {error}"
        return
    if found != wanted.num_rows:
        yield (
            f"{wanted.submission}: its test file {wanted.file} in --glue_dir has {found:,} rows, "
            f"GLUE's has {wanted.num_rows:,}. Get that of today and predict it."
        )


def _file_faults(archive: zipfile.ZipFile, name: str, task: Task, num_rows: int) -> Iterator[str]:
    try:
        text = _unpack(archive, name, _MAX_ROW_BYTES * (num_rows + 1))
    except _DAMAGE as error:
        yield f"{_cause(error)}. Write it anew."
        return
    if "\r" in text:
        yield "its lines end in CR LF, or it has other CRs. Let a line end in LF."
    header, *rows = text.replace("\r\n", "\n").split("\n")
    if header != HEADER:
        yield f"line 1 is {_shown(header)}, and must be {HEADER!r}."
    if rows and not rows[-1]:
        rows.pop()
    if len(rows) != num_rows:
        yield f"it has {len(rows):,} rows below its header, and must have {num_rows:,}."
    yield from _some(
        f"line {row + 2} {fault}"
        for row, line in enumerate(rows)
        if (fault := _row_fault(task, row, line))
    )


def _unpack(archive: zipfile.ZipFile, name: str, max_bytes: int) -> str:
    """Returns the text of a file.

    Raises:
        one of _DAMAGE: it cannot be unpacked, is packed in a way that could fill the memory, or
            is larger than `max_bytes`, whatever the zip says of it.
    """
    entry = archive.getinfo(name)
    if entry.flag_bits & _IS_ENCRYPTED:
        raise _RefusedError("it is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _RefusedError("it is compressed otherwise than by Deflate")
    with archive.open(entry) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise _RefusedError(f"it has more than {max_bytes:,} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _RefusedError("it is no UTF-8 text") from error


def _row_fault(task: Task, row: int, line: str) -> str | None:
    """Returns what is wrong with a row, to follow its line number."""
    fields = line.split("\t")
    if len(fields) != 2:
        return f"is {_shown(line)}, and must be an index, a tab and a prediction."
    index, prediction = fields
    if index != str(row):
        return f"has the index {_shown(index)}, and must have {row}: 0, 1, 2 ... in order."
    if task.score_range is not None:
        low, high = task.score_range
        if _SCORE.fullmatch(prediction) and low <= float(prediction) <= high:
            return None
        return f"says {_shown(prediction)}, and must say a number of {low:g} to {high:g}."
    if prediction in task.labels:
        return None
    return f"says {_shown(prediction)}, and must say one of {', '.join(task.labels)}."


def _some(faults: Iterator[str]) -> Iterator[str]:
    """Yields the first faults, and how many more there are."""
    yield from itertools.islice(faults, _MAX_SHOWN)
    num_more = sum(1 for _ in faults)
    if num_more:
        yield f"There are {num_more:,} more of this kind."


def _cause(error: Exception) -> str:
    """Returns why a zip or a file of it cannot be read; what zipfile says helps nobody."""
    return str(error) if isinstance(error, _RefusedError) else "it is damaged or cut off"


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MAX_NAME else text[:_MAX_NAME] + "...")
