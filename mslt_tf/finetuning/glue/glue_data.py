"""Reads the files that GLUE hands out.

They are lines of fields between tabs and nothing more: a quotation mark is a letter, and only a
line feed ends a line. What is wrong is told with its file and line.
"""

import dataclasses
import os
import re
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from mslt_tf.finetuning.glue.glue_tasks import TASKS, Split, Task

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"\d{1,20}(\.\d{1,30})?", re.ASCII)
_WHOLE_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_MAX_TORN_SHARE = 0.01  # of rows; with more, the file is another one or damaged
_MAX_SHOWN = 60  # characters of a wrong field in a message
_ANEW = "Get the file anew from gluebenchmark.com/tasks, or mend it."


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
    """One row of a split, with its texts as the file has them."""

    index: int  # of a test file: the row of the submission; else its row's number, from 0
    text: str
    text_pair: str | None  # None: the task is on single texts
    label: int | float | None  # place in Task.labels, or a score; None: it is not known


def check_folder(glue_dir: str) -> None:
    """Checks that the folder of all tasks is there.

    Raises:
        UserError: it is not.
    """
    with file_errors.reading(f"--glue_dir {glue_dir}"):
        if not tf.io.gfile.isdir(glue_dir):
            raise UserError(
                f"--glue_dir {glue_dir} is no folder. Give the one that holds GLUE's folders CoLA, "
                "MRPC, ..., as gluebenchmark.com/tasks has them."
            )


def check_files(wanted: Sequence[tuple[Task, str]], glue_dir: str) -> None:
    """Checks that the files of some tasks' splits are there.

    Raises:
        UserError: names all that are not; or the folder itself is not there.
    """
    check_folder(glue_dir)
    missing = [task.splits[split].file for task, split in wanted if not has(task, split, glue_dir)]
    if missing:
        folders = {split.file.split("/")[0] for task in TASKS for split in task.splits.values()}
        raise UserError(
            f"--glue_dir {glue_dir} lacks {', '.join(missing)}. Give the folder that holds GLUE's "
            f"folders {', '.join(sorted(folders))}, as gluebenchmark.com/tasks has them."
        )


def has(task: Task, split: str, glue_dir: str) -> bool:
    """Returns whether the file of a split is there."""
    path = os.path.join(glue_dir, task.splits[split].file)
    with file_errors.reading(f"--glue_dir {glue_dir}"):
        return bool(tf.io.gfile.exists(path)) and not tf.io.gfile.isdir(path)


def read(task: Task, split: str, glue_dir: str, *, report: Callable[[str], None]) -> list[Example]:
    """Returns the examples of a split in the order of the file.

    Args:
        task: one of GLUE's.
        split: a name of `task.splits`.
        glue_dir: folder of the folders CoLA, SST-2, ...
        report: takes a line about rows that are passed over: two files of QQP have rows that a
            line end within a question tears in two.

    A blank text is kept beside another one, as in QQP; a row without any text is an error.

    Raises:
        UserError: the file is not there, cannot be read or has no rows; it lacks a column; or a
            row, named by file and line, has another number of fields than the header, no text, no
            label, a label that the task does not have, or an index that is not its own.
    """
    wanted = task.splits[split]
    path = os.path.join(glue_dir, wanted.file)
    lines = _lines(path, _read_file(task, split, glue_dir))
    header = wanted.header or tuple(next(lines, ("", ""))[1].split("\t"))
    places = [_place(path, header, name) for name in _columns(wanted)]
    examples: list[Example] = []
    torn: list[str] = []
    for where, line in lines:
        fields = line.split("\t")
        if len(fields) == len(header):
            chosen = [None if place is None else fields[place] for place in places]
            examples.append(_example(task, chosen, len(examples), where))
        elif wanted.has_torn_rows:
            torn.append(where)
        else:
            raise _wrong_width(where, len(fields), header)
    _tell_torn(path, torn, len(examples), report)
    if not examples:
        raise UserError(f"{path} has no rows. {_ANEW}")
    if wanted.index is not None:
        _check_indices(path, examples)
    return examples


def _read_file(task: Task, split: str, glue_dir: str) -> bytes:
    check_files([(task, split)], glue_dir)
    path = os.path.join(glue_dir, task.splits[split].file)
    with file_errors.reading(path), tf.io.gfile.GFile(path, "rb") as file:
        content = bytes(file.read())
    if not content:
        raise UserError(f"{path} is empty. {_ANEW}")
    return content


def _lines(path: str, content: bytes) -> Iterator[tuple[str, str]]:
    """Yields (FILE:LINE, text) of each line, without its end."""
    lines = content.removeprefix(_BYTE_ORDER_MARK).split(b"\n")
    if not lines[-1]:
        lines.pop()  # what comes after the last line end
    for number, line in enumerate(lines, start=1):
        where = f"{path}:{number}"
        try:
            yield where, line.removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{where} is no UTF-8 text ({error.reason}). {_ANEW}") from error


def _columns(split: Split) -> tuple[str | None, ...]:
    return split.text, split.text_pair, split.label, split.index


def _place(path: str, header: Sequence[str], name: str | None) -> int | None:
    if name is None or header.count(name) == 1:
        return None if name is None else header.index(name)
    there = ", ".join(_shown(column) for column in header[:20])
    raise UserError(
        f"{path}:1 must name the column {name!r} once, and names it {header.count(name)} times. "
        f"Its columns, between tabs: {there}. {_ANEW}"
    )


def _example(task: Task, chosen: Sequence[str | None], row: int, where: str) -> Example:
    text, text_pair, label, index = chosen
    assert text is not None
    if not (text + (text_pair or "")).strip():
        raise UserError(f"{where} has no text. {_ANEW}")
    return Example(
        index=row if index is None else _parse_index(index, where),
        text=text,
        text_pair=text_pair,
        label=None if label is None else _parse_label(task, label, where),
    )


def _parse_index(index: str, where: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(index):
        raise UserError(f"{where} has the index {_shown(index)}, not a whole number. {_ANEW}")
    return int(index)


def _parse_label(task: Task, label: str, where: str) -> int | float:
    if not label.strip():
        raise UserError(f"{where} has no label. {_ANEW}")
    if task.score_range is None:
        if label not in task.labels:
            known = ", ".join(task.labels)
            raise UserError(f"{where} has the label {_shown(label)}, not one of {known}. {_ANEW}")
        return task.labels.index(label)
    low, high = task.score_range
    if not _NUMBER.fullmatch(label) or not low <= float(label) <= high:
        raise UserError(
            f"{where} has the score {_shown(label)}, not a number of {low:g} to {high:g}. {_ANEW}"
        )
    return float(label)


def _check_indices(path: str, examples: Sequence[Example]) -> None:
    """Checks that the indices are 0, 1, ..., each once: they are the rows of the submission."""
    found = sorted(example.index for example in examples)
    for expected, index in enumerate(found):
        if index != expected:
            raise UserError(
                f"{path} has {len(found)} rows, whose indices must be 0 to {len(found) - 1}, each "
                f"once: {min(expected, index)} is {'absent' if index > expected else 'double'}. "
                f"{_ANEW}"
            )


def _tell_torn(
    path: str, torn: Sequence[str], num_whole: int, report: Callable[[str], None]
) -> None:
    if len(torn) > _MAX_TORN_SHARE * num_whole:
        raise UserError(
            f"{path} has {num_whole} whole rows, and lines whose number of fields is not the "
            f"header's: {len(torn)}, the first is {torn[0]}. {_ANEW}"
        )
    if torn:
        report(
            f"{path}: lines passed over as parts of torn rows: {len(torn)}, the first is {torn[0]}."
        )


def _wrong_width(where: str, num_fields: int, header: Sequence[str]) -> UserError:
    return UserError(
        f"{where} must have {len(header)} fields between tabs, and has {num_fields}. Its columns: "
        f"{', '.join(_shown(column) for column in header)}. {_ANEW}"
    )


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "...")
