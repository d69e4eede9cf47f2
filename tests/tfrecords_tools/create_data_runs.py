"""Runs create_data as a person does, in processes of its own that can be killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests import process_groups
from tests.process_groups import wait_until
from tests.tfrecords_tools.numbered_text import (
    NUM_DOCUMENTS,
    SPECIAL_TOKENS,
    WORDS_PER_DOCUMENT,
    document_text,
    word,
)

PROJECT = Path(__file__).parents[2]
PROGRAM = ["-m", "tfrecords_tools.create_data"]
SLOW_PROGRAM = ["-m", "tests.tfrecords_tools.small_tasks"]  # and the seconds
NUM_FILES = 8  # each a piece
WORK = "_work"
# (what to wait for in the folder, how many of it), in the order in which a run comes there.
MOMENTS = [
    (f"{WORK}/settings.json", 1),
    (f"{WORK}/piece-*", 1),
    (f"{WORK}/piece-*.json", 1),
    (f"{WORK}/piece-*.json", 5),
    (f"{WORK}/piece-*.json", NUM_FILES),
    (f"{WORK}/tokens", 1),
    (f"{WORK}/tokens/facts.json", 1),
    (f"{WORK}/train-32", 1),
    (f"{WORK}/train-32/pairs-*.json", 1),
    ("train-*.partial", 1),
    (f"{WORK}/train-32/*.tfrecord.json", 1),
    (f"{WORK}/train-32/*.tfrecord.json", 3),
    (f"{WORK}/heldout-32", 1),
    ("heldout-*.partial", 1),
    ("dataset_info.json*", 1),
]
SECONDS = 120  # for what takes some seconds on an idle machine


def write_text(folder: Path, *, num_files: int, copies: int = 1) -> list[str]:
    """Writes text files and a vocabulary; returns the flags that a data set of them takes."""
    documents = [document_text(document) for document in range(NUM_DOCUMENTS)]
    for index in range(num_files):
        (folder / f"text_{index:03d}.txt").write_text("\n\n".join(documents * copies))
    words = [
        word(document, place)
        for document in range(NUM_DOCUMENTS)
        for place in range(WORDS_PER_DOCUMENT)
    ]
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL_TOKENS, *words]))
    return [
        f"--input={folder}/text_*.txt",
        f"--vocab_file={folder}/vocab.txt",
        "--max_seq_length=32",
        "--max_predictions_per_seq=5",
        "--dupe_factor=2",
        "--num_shards=4",
        "--num_processes=2",
    ]


def start(words: list[str], *, program: list[str] = PROGRAM) -> subprocess.Popen[str]:
    """Starts create_data in a session of its own."""
    command = [sys.executable, *program, *words]
    pipe = subprocess.PIPE
    return process_groups.start(command, cwd=PROJECT, stdout=pipe, stderr=pipe)


def finish(words: list[str], *, program: list[str] = PROGRAM) -> str:
    """Runs create_data to its end, which must be a good one; returns what it says."""
    process = start(words, program=program)
    out, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors
    return out


def kill(process: subprocess.Popen[str], *, whole_group: bool) -> tuple[str, str]:
    """Kills the program, or its workers too; returns its last words when all of them are gone."""
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
    last_words = process.communicate(timeout=SECONDS)
    assert_all_gone(process)
    return last_words


def assert_all_gone(process: subprocess.Popen[str], *, seconds: float = 5) -> None:
    """Fails if a process of the program outlives it by more than some seconds."""
    gone = wait_until(lambda: not list(process_groups.members(process.pid)), timeout=seconds)
    assert gone, f"still there: {list(process_groups.members(process.pid))}"


def matches(folder: Path, pattern: str, *, count: int = 1) -> Callable[[], bool]:
    """Returns a function that says whether so many paths match."""
    return lambda: len(list(folder.glob(pattern))) >= count
