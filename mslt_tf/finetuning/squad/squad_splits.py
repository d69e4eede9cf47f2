"""The two splits of SQuAD that a fine-tuning reads, checked before anything is trained."""

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from mslt_tf.finetuning.squad import squad_data
from mslt_tf.finetuning.squad.squad_data import Question, SquadData

# By the name that --task takes, the version as files and tensorflow-datasets write it.
VERSIONS = {"squad_1.1": "v1.1", "squad_2.0": "v2.0"}
TRAIN, DEV = "train", "dev"


class SquadSplits(NamedTuple):
    """What a fine-tuning trains on, and what it is scored on."""

    name: str  # of the task, one of VERSIONS
    train: tuple[Question, ...]  # each with an answer to learn, or impossible
    dev: tuple[Question, ...]

    @property
    def has_impossible(self) -> bool:
        """Whether there may be no answer: it is SQuAD 2.0."""
        return self.name == "squad_2.0"


def read(name: str, squad_dir: str, *, report: Callable[[str], None]) -> SquadSplits:
    """Reads the official files of a version, such as train-v1.1.json and dev-v1.1.json.

    Args:
        name: one of VERSIONS.
        squad_dir: the folder that holds them.
        report: takes lines about misplaced answers, see `check`.

    Raises:
        UserError: a file is not there, cannot be read, or is not as it must be.
    """
    version = version_of(name)
    paths = {split: os.path.join(squad_dir, f"{split}-{version}.json") for split in (TRAIN, DEV)}
    for path in paths.values():
        _check_is_there(path, name, squad_dir)
    read_files = {split: squad_data.read(path) for split, path in paths.items()}
    return check(name, read_files, paths, report=report)


def version_of(name: str) -> str:
    """Returns the version of a task's name.

    >>> version_of("squad_2.0")
    'v2.0'

    Raises:
        UserError: there is no such task; those there are are named.
    """
    if name not in VERSIONS:
        raise UserError(f"--task {name} is no task of SQuAD. Give one of {', '.join(VERSIONS)}.")
    return VERSIONS[name]


def check(
    name: str,
    data: Mapping[str, SquadData],
    sources: Mapping[str, str],
    *,
    report: Callable[[str], None],
) -> SquadSplits:
    """Returns the splits without the training questions of which nothing can be learnt.

    Args:
        name: one of VERSIONS.
        data: by split, as it was read.
        sources: by split, what messages call its data, e.g. its path.
        report: takes a line about training questions with answers none of which is at its offset,
            and one about answers of the dev split that are not.

    Raises:
        UserError: the data is of another version or lacks answers, or no question is left.
    """
    for split, found in data.items():
        _check_version(name, found, sources[split])
        _check_answers(found, sources[split])
    train = tuple(question for question in data[TRAIN].questions if _can_be_learnt(question))
    _tell_left_out(data[TRAIN], len(train), sources[TRAIN], report)
    _tell_misplaced(data[DEV], sources[DEV], report)
    return SquadSplits(name, train, data[DEV].questions)


def _check_is_there(path: str, name: str, squad_dir: str) -> None:
    with file_errors.reading(f"--squad_dir {squad_dir}"):
        is_there = tf.io.gfile.exists(path) and not tf.io.gfile.isdir(path)
    if not is_there:
        version = version_of(name)
        raise UserError(
            f"--task {name} lacks a file: there is no {path}. Give by --squad_dir the folder of "
            f"{TRAIN}-{version}.json and {DEV}-{version}.json, as "
            "rajpurkar.github.io/SQuAD-explorer has them."
        )


def _check_version(name: str, data: SquadData, source: str) -> None:
    if data.has_impossible != SquadSplits(name, (), ()).has_impossible:
        marks = "with" if data.has_impossible else "without"
        other = next(other for other in VERSIONS if other != name)
        raise UserError(
            f"{source} is of {other}: its questions are {marks} is_impossible. It must be of "
            f"{name}, as --task says. Give data of that version, or --task={other}."
        )


def _check_answers(data: SquadData, source: str) -> None:
    without = [each.id for each in data.questions if not each.answers and not each.is_impossible]
    if without:
        raise UserError(
            f"{source} has {len(without):,} questions without answers, the first is "
            f"{without[0]!r}. All must have them, to learn and to be scored: give labelled data."
        )


def _can_be_learnt(question: Question) -> bool:
    return question.is_impossible or squad_data.training_answer(question) is not None


def _tell_left_out(
    train: SquadData, num_kept: int, source: str, report: Callable[[str], None]
) -> None:
    num_left_out = len(train.questions) - num_kept
    if not num_left_out:
        return
    text = squad_data.describe_misplaced(train.questions)
    if not num_kept:
        raise UserError(f"{source} has nothing to learn: {text}. Mend it, or give another.")
    report(f"{source}: {num_left_out:,} questions are left out of training, as {text}.")


def _tell_misplaced(dev: SquadData, source: str, report: Callable[[str], None]) -> None:
    if squad_data.misplaced_answers(dev.questions):
        text = squad_data.describe_misplaced(dev.questions)
        report(f"{source}: {text}. They are scored all the same, by their texts.")
