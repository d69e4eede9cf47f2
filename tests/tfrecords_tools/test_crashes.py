"""Runs that are killed at any moment: what was finished is kept, and the end is the same."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests import process_groups
from tests.process_groups import wait_until
from tests.tfrecords_tools.create_data_runs import (
    SECONDS,
    SLOW_PROGRAM,
    assert_all_gone,
    finish,
    kill,
    matches,
    start,
    write_text,
)
from tests.tfrecords_tools.record_reading import contents

pytestmark = pytest.mark.slow

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


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Flags for a text of some pieces."""
    return write_text(tmp_path_factory.mktemp("text"), num_files=NUM_FILES, copies=4)


@pytest.fixture(scope="module")
def undisturbed_run(
    words: list[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, bytes], str]:
    """The files of a run that nobody kills, and what it says on standard error."""
    folder = tmp_path_factory.mktemp("undisturbed")
    process = start([*words, f"--output_dir={folder}"])
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors
    made = contents(folder)
    assert len(made) == 6
    return made, errors


@pytest.fixture(scope="module")
def undisturbed(undisturbed_run: tuple[dict[str, bytes], str]) -> dict[str, bytes]:
    """The files of a run that nobody kills."""
    return undisturbed_run[0]


@pytest.fixture(scope="module")
def few_words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Flags for a text of one piece."""
    return write_text(tmp_path_factory.mktemp("small"), num_files=1)


@pytest.fixture(scope="module")
def undisturbed_small(
    few_words: list[str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The files of a run over that text that nobody kills."""
    folder = tmp_path_factory.mktemp("undisturbed_small")
    finish([*few_words, f"--output_dir={folder}"], program=[*SLOW_PROGRAM, "0"])
    return contents(folder)


@pytest.mark.parametrize("whole_group", [False, True])
def test_a_run_that_is_killed_again_and_again_gives_the_same_bytes(
    words: list[str], undisturbed: dict[str, bytes], whole_group: bool, tmp_path: Path
):
    """One folder; each run goes on where the one before it was killed."""
    rng = random.Random(whole_group)
    num_killed = 0
    for pattern, count in MOMENTS:
        process = start([*words, f"--output_dir={tmp_path}"])
        there = matches(tmp_path, pattern, count=count)
        assert wait_until(lambda: there() or process.poll() is not None, timeout=SECONDS)  # noqa: B023
        time.sleep(rng.choice([0, 0.01, 0.1, 0.3]) * rng.random())
        num_killed += process.poll() is None
        kill(process, whole_group=whole_group) if process.poll() is None else process.communicate()
    assert num_killed >= 8  # a fast machine is done before the last moments
    finish([*words, f"--output_dir={tmp_path}"])
    assert contents(tmp_path) == undisturbed


@pytest.mark.parametrize(
    "moment",
    [
        "_work/tokens/tokens",
        "_work/tokens/sentences",
        "_work/tokens/documents",
        "train-00000-of-00004.tfrecord",
        "train-00002-of-00004.tfrecord",
        "heldout-00000-of-00001.tfrecord",
        "dataset_info.json",
    ],
)
def test_a_run_that_is_killed_while_it_joins_or_names_gives_the_same_bytes(
    few_words: list[str], undisturbed_small: dict[str, bytes], moment: str, tmp_path: Path
):
    process = start([*few_words, f"--output_dir={tmp_path}"], program=[*SLOW_PROGRAM, "0.5"])
    assert wait_until(matches(tmp_path, moment), timeout=SECONDS)
    kill(process, whole_group=False)
    finish([*few_words, f"--output_dir={tmp_path}"], program=[*SLOW_PROGRAM, "0"])
    assert contents(tmp_path) == undisturbed_small


def identities(folder: Path, pattern: str) -> dict[str, tuple[int, int]]:
    """Returns which files there are; a file that is written anew is another one, or younger."""
    stats = {path.name: path.stat() for path in folder.glob(pattern)}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in stats.items()}


def test_what_was_finished_before_the_kill_is_not_done_again(
    words: list[str], undisturbed: dict[str, bytes], tmp_path: Path
):
    process = start([*words, f"--output_dir={tmp_path}"])
    done = "_work/train-32/*.tfrecord.json"
    assert wait_until(matches(tmp_path, done, count=2), timeout=SECONDS)
    kill(process, whole_group=True)
    shards = {path.name.removesuffix(".json") for path in tmp_path.glob(done)}
    finished = {name: identities(tmp_path, f"{name}.partial") for name in shards}
    store = identities(tmp_path / WORK, "tokens/*")
    portions = identities(tmp_path / WORK, "train-32/pairs-*")
    assert len(store) == 5
    assert portions
    process = start([*words, f"--output_dir={tmp_path}"])
    assert wait_until(matches(tmp_path, f"{WORK}/heldout-32"), timeout=SECONDS)
    os.killpg(process.pid, signal.SIGSTOP)
    try:
        assert identities(tmp_path / WORK, "tokens/*") == store
        assert identities(tmp_path / WORK, "train-32/pairs-*") == portions
        for name, identity in finished.items():
            assert identities(tmp_path, f"{name}.partial") == identity
    finally:
        os.killpg(process.pid, signal.SIGCONT)
        process.communicate(timeout=SECONDS)
    assert contents(tmp_path) == undisturbed


@pytest.mark.parametrize(
    "kind",
    [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1],
    ids=lambda kind: kind.name,
)
def test_a_run_that_is_asked_to_end_does_so_within_seconds_and_in_a_word(
    words: list[str], undisturbed: dict[str, bytes], kind: signal.Signals, tmp_path: Path
):
    """Four times, and each run goes on where the one before it ended."""
    for moment in (0, 3, 8, 10):
        pattern, count = MOMENTS[moment]
        there = matches(tmp_path, pattern, count=count)
        came_so_far_before = there()
        process = start([*words, f"--output_dir={tmp_path}"])
        if came_so_far_before:  # then only its own words tell that this run is under way
            assert process.stdout is not None
            assert process.stdout.readline()
        assert wait_until(there, timeout=SECONDS)
        time.sleep(0.05)
        errors = ask_to_end(process, kind)
        # Before the program hears it, the system ends it. Only Ctrl-C Python hears from the start.
        expected = {128 + kind} if kind == signal.SIGINT else {128 + kind, -kind}
        assert process.returncode in expected
        assert "Traceback" not in errors
        assert "leaked" not in errors
    finish([*words, f"--output_dir={tmp_path}"])
    assert contents(tmp_path) == undisturbed


def ask_to_end(process: subprocess.Popen[str], kind: signal.Signals) -> str:
    """Sends a signal, waits for the end of all processes, and returns what was said.

    SIGTERM goes to the program alone; the others to all processes of a terminal or a job.
    """
    begin = time.monotonic()
    for _ in range(2 if kind == signal.SIGHUP else 1):  # a shell and the kernel send it
        (os.kill if kind == signal.SIGTERM else os.killpg)(process.pid, kind)
        time.sleep(0.01)
    _, errors = process.communicate(timeout=SECONDS)
    assert time.monotonic() - begin < 10
    assert_all_gone(process)
    return errors


@pytest.mark.parametrize("seconds", [0.1, 0.4, 0.8])
def test_ctrl_c_while_the_workers_are_made_ready_shows_no_traceback(
    few_words: list[str], seconds: float, tmp_path: Path
):
    # With its six sleeps the run never ends before the signal; a quick machine needs 0.8 s without.
    process = start([*few_words, f"--output_dir={tmp_path}"], program=[*SLOW_PROGRAM, "1"])
    assert process.stdout is not None
    while "process(es)" not in process.stdout.readline():  # the end of the estimate
        pass
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=SECONDS)
    assert_all_gone(process)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "KeyboardInterrupt" not in errors


def test_a_run_that_nothing_disturbs_says_only_how_far_it_is(
    undisturbed_run: tuple[dict[str, bytes], str],
):
    """On standard error; no warnings of libraries, from workers neither."""
    lines = undisturbed_run[1].splitlines()
    assert len(lines) >= 5
    assert [line for line in lines if not line.startswith(("tokenise: ", "pair ", "write "))] == []


def test_a_worker_that_is_killed_ends_the_run_with_an_error_and_the_next_one_goes_on(
    words: list[str], undisturbed: dict[str, bytes], tmp_path: Path
):
    process = start([*words, f"--output_dir={tmp_path}"])
    assert wait_until(matches(tmp_path, f"{WORK}/piece-*.json"), timeout=SECONDS)
    os.kill(busiest_worker(process.pid), signal.SIGKILL)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 2
    assert "Traceback" not in errors
    last = errors.strip().splitlines()[-1]
    assert last.startswith("error: a worker process was killed")
    assert_all_gone(process)
    finish([*words, f"--output_dir={tmp_path}"])
    assert contents(tmp_path) == undisturbed


def busiest_worker(session: int) -> int:
    """Returns the youngest process: workers come after the server that they are forked from."""
    return max(set(process_groups.members(session)) - {session})


def test_a_reader_who_has_enough_does_not_end_the_work(words: list[str], tmp_path: Path):
    """`create_data ... | head -1` closes standard output at the first line."""
    process = start([*words, f"--output_dir={tmp_path}"])
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as stream:
        errors = stream.read()
    assert process.wait(timeout=SECONDS) == 0
    assert "cannot be written" not in errors
    assert (tmp_path / "dataset_info.json").exists()
