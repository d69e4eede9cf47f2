"""Runs that are killed at any moment: what was finished is kept, and the end is the same."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests import process_groups
from tests.process_groups import wait_until
from tests.tfrecords_tools.create_data_runs import (
    MOMENTS,
    SECONDS,
    SLOW_PROGRAM,
    WORK,
    assert_all_gone,
    finish,
    kill,
    matches,
    start,
)
from tests.tfrecords_tools.record_reading import contents

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed_small(
    one_file: list[str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The files of a run over that text that nobody kills."""
    folder = tmp_path_factory.mktemp("undisturbed_small")
    finish([*one_file, f"--output_dir={folder}"], program=[*SLOW_PROGRAM, "0"])
    return contents(folder)


@pytest.mark.parametrize("whole_group", [False, True])
def test_a_run_that_is_killed_again_and_again_gives_the_same_bytes(
    eight_files: list[str], undisturbed: dict[str, bytes], whole_group: bool, tmp_path: Path
):
    """One folder; each run goes on where the one before it was killed."""
    rng = random.Random(whole_group)
    num_killed = 0
    for pattern, count in MOMENTS:
        process = start([*eight_files, f"--output_dir={tmp_path}"])
        there = matches(tmp_path, pattern, count=count)
        assert wait_until(lambda: there() or process.poll() is not None, timeout=SECONDS)  # noqa: B023
        time.sleep(rng.choice([0, 0.01, 0.1, 0.3]) * rng.random())
        num_killed += process.poll() is None
        kill(process, whole_group=whole_group) if process.poll() is None else process.communicate()
    assert num_killed >= 8  # a fast machine is done before the last moments
    finish([*eight_files, f"--output_dir={tmp_path}"])
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
    one_file: list[str], undisturbed_small: dict[str, bytes], moment: str, tmp_path: Path
):
    process = start([*one_file, f"--output_dir={tmp_path}"], program=[*SLOW_PROGRAM, "0.5"])
    assert wait_until(matches(tmp_path, moment), timeout=SECONDS)
    kill(process, whole_group=False)
    finish([*one_file, f"--output_dir={tmp_path}"], program=[*SLOW_PROGRAM, "0"])
    assert contents(tmp_path) == undisturbed_small


def identities(folder: Path, pattern: str) -> dict[str, tuple[int, int]]:
    """Returns which files there are; a file that is written anew is another one, or younger."""
    stats = {path.name: path.stat() for path in folder.glob(pattern)}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in stats.items()}


def test_what_was_finished_before_the_kill_is_not_done_again(
    eight_files: list[str], undisturbed: dict[str, bytes], tmp_path: Path
):
    process = start([*eight_files, f"--output_dir={tmp_path}"])
    done = "_work/train-32/*.tfrecord.json"
    assert wait_until(matches(tmp_path, done, count=2), timeout=SECONDS)
    kill(process, whole_group=True)
    shards = {path.name.removesuffix(".json") for path in tmp_path.glob(done)}
    finished = {name: identities(tmp_path, f"{name}.partial") for name in shards}
    store = identities(tmp_path / WORK, "tokens/*")
    portions = identities(tmp_path / WORK, "train-32/pairs-*")
    assert len(store) == 5
    assert portions
    process = start([*eight_files, f"--output_dir={tmp_path}"])
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


def test_a_run_that_nothing_disturbs_says_only_how_far_it_is(
    undisturbed_run: tuple[dict[str, bytes], str],
):
    """On standard error; no warnings of libraries, from workers neither."""
    lines = undisturbed_run[1].splitlines()
    assert len(lines) >= 5
    assert [line for line in lines if not line.startswith(("tokenise: ", "pair ", "write "))] == []


def test_a_worker_that_is_killed_ends_the_run_with_an_error_and_the_next_one_goes_on(
    eight_files: list[str], undisturbed: dict[str, bytes], tmp_path: Path
):
    process = start([*eight_files, f"--output_dir={tmp_path}"])
    assert wait_until(matches(tmp_path, f"{WORK}/piece-*.json"), timeout=SECONDS)
    os.kill(busiest_worker(process.pid), signal.SIGKILL)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 2
    assert "Traceback" not in errors
    last = errors.strip().splitlines()[-1]
    assert last.startswith("error: a worker process was killed")
    assert_all_gone(process)
    finish([*eight_files, f"--output_dir={tmp_path}"])
    assert contents(tmp_path) == undisturbed


def busiest_worker(session: int) -> int:
    """Returns the youngest process: workers come after the server that they are forked from."""
    return max(set(process_groups.members(session)) - {session})


def test_a_reader_who_has_enough_does_not_end_the_work(eight_files: list[str], tmp_path: Path):
    """`create_data ... | head -1` closes standard output at the first line."""
    process = start([*eight_files, f"--output_dir={tmp_path}"])
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as stream:
        errors = stream.read()
    assert process.wait(timeout=SECONDS) == 0
    assert "cannot be written" not in errors
    assert (tmp_path / "dataset_info.json").exists()
