"""Kills and signals to real grids, one after the other and in parallel: nothing is lost."""

import os
import signal
from pathlib import Path

import pytest

from mslt_tf.training import checkpoint_folder, checkpointing
from tests import process_family, process_groups, saved_weights, small_disks
from tests.finetuning import stand_in_worker, tiny_grid

pytestmark = pytest.mark.slow

GRID = {"task": "mnli", "num_seeds": 2, "num_epochs": 100, "log_steps": 20}
NUM_STEPS = 600
TRIALS = ("mnli/lr_0.01_seed_0", "mnli/lr_0.01_seed_1")
SECONDS = 240


class Runs:
    """Starts the same command again and again."""

    def __init__(self, tiny_data, folder, **given):
        self.folder, self.output = folder / "out", folder / "output.txt"
        flags = {**tiny_data, **GRID, "output_dir": self.folder, **given}
        self._arguments = tiny_grid.arguments(flags)
        self._process = None

    def start(self, *, waits=None):
        """Starts the command; `waits` lets its workers wait for each other."""
        self._process = process_family.start(
            self._arguments,
            self.output,
            program="mslt_tf.run_finetuning",
            environment=waits and {"WAITS": waits},
            prepare=waits and stand_in_worker.take_the_workers_place,
        )
        return self._process

    def wait_for_entries(self, name, count):
        """Waits until a trial has logged so many entries."""
        path = self.folder / name / "metrics.jsonl"

        def has_written():
            return path.exists() and path.read_bytes().count(b"\n") >= count

        process = self._process
        process_groups.wait_until(lambda: has_written() or not process.is_alive(), timeout=SECONDS)
        assert process.is_alive(), self.output.read_text()
        assert has_written()

    def end(self):
        """Waits for the end and returns the exit status."""
        self._process.join(timeout=SECONDS)
        return self._process.exitcode

    def finish(self):
        self.start()
        assert self.end() == 0, self.output.read_text()

    def saved_step(self, name):
        found = checkpointing.newest(str(self.folder / name / "checkpoints"), report=pytest.fail)
        return found.step if found else 0


@pytest.fixture(scope="module")
def undisturbed(tiny_data, tmp_path_factory):
    """The folder of a grid without trouble."""
    runs = Runs(tiny_data, tmp_path_factory.mktemp("undisturbed"))
    runs.finish()
    return runs.folder


def assert_same(folder, expected):
    """Compares results, predictions, the kept model and the curves, bit for bit."""
    for name in TRIALS:
        assert tiny_grid.result_of(folder / name) == tiny_grid.result_of(expected / name)
        for split in ("dev_matched", "ax_dev"):
            path = Path(name) / f"predictions_{split}.tsv"
            assert (folder / path).read_text() == (expected / path).read_text()
        steps = [step for step, _ in tiny_grid.losses_of(folder / name)]
        assert steps == sorted(set(steps))  # none twice
    kept = [path.parent.parent for path in expected.rglob("step-*")]
    (best,) = [path.relative_to(expected) for path in kept]
    assert [path.relative_to(folder) for path in folder.rglob("step-*")] == [
        best / "checkpoints" / f"step-{NUM_STEPS:08d}"
    ]
    found, wanted = (saved_weights.weights_at(f / best, NUM_STEPS) for f in (folder, expected))
    saved_weights.assert_bit_identical(found, wanted)


def children(process_id):
    """Returns the ids of a process' own processes that have not ended."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                fields = (path / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == process_id and fields[0] not in "ZX":
                found.append(int(path.name))
    return found


def has_ended(process_id):
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state in "ZX"


def test_a_grid_that_is_killed_and_then_interrupted_ends_bit_identical(
    tiny_data, undisturbed, tmp_path
):
    runs = Runs(tiny_data, tmp_path, checkpoint_steps=50)
    process = runs.start()
    runs.wait_for_entries(TRIALS[0], 10)
    process.kill()
    process.join()
    killed_at = runs.saved_step(TRIALS[0])
    assert 50 <= killed_at < NUM_STEPS
    assert killed_at % 50 == 0
    process = runs.start()
    runs.wait_for_entries(TRIALS[1], 3)
    os.kill(process.pid, signal.SIGINT)
    assert runs.end() == 130
    assert "Interrupted; saved." in runs.output.read_text()
    assert 60 <= runs.saved_step(TRIALS[1]) < NUM_STEPS
    finished = (runs.folder / TRIALS[0] / "result.json").stat().st_mtime_ns
    runs.finish()
    assert (runs.folder / TRIALS[0] / "result.json").stat().st_mtime_ns == finished
    assert_same(runs.folder, undisturbed)


def test_parallel_trials_survive_the_death_of_workers_and_parent_and_end_bit_identical(
    tiny_data, undisturbed, tmp_path
):
    runs = Runs(tiny_data, tmp_path, num_parallel_runs=2, checkpoint_steps=1_000_000)

    def start():
        """Starts anew; returns the process and its workers, when both train."""
        before = [tiny_grid.count_entries(runs.folder / name) for name in TRIALS]
        process = runs.start(waits=stand_in_worker.SIDE_BY_SIDE)
        for name, count in zip(TRIALS, before, strict=True):
            runs.wait_for_entries(name, count + 2)
        workers = children(process.pid)
        assert len(workers) == 2
        return process, workers

    def wait_for_ends(workers):
        ended = process_groups.wait_until(lambda: all(map(has_ended, workers)), timeout=30)
        assert ended, workers

    _, workers = start()
    os.kill(workers[0], signal.SIGKILL)
    assert runs.end() == 2
    message = runs.output.read_text().splitlines()[-1]
    assert message.startswith("error: the process that trained mnli lr_0.01_seed_")
    assert "was killed, as when memory is short. Give a smaller --num_parallel_runs" in message
    wait_for_ends(workers)
    steps = [runs.saved_step(name) for name in TRIALS]
    assert sorted(step > 0 for step in steps) == [False, True]

    process, workers = start()
    process.kill()
    process.join()
    wait_for_ends(workers)
    assert all(0 < runs.saved_step(name) < NUM_STEPS for name in TRIALS)

    process, workers = start()
    os.kill(process.pid, signal.SIGINT)
    assert runs.end() == 130
    wait_for_ends(workers)

    runs.finish()
    assert_same(runs.folder, undisturbed)
    output = runs.output.read_text()
    assert "Traceback" not in output
    # Once at each start, though workers find the same.
    assert output.count("not scored: MNLI dev_mismatched") == 4


@pytest.mark.parametrize(
    ("waits", "status", "said"),
    [
        (
            stand_in_worker.UNTIL_INTERRUPTED,
            130,
            "Interrupted; saved. The same command goes on from here.",
        ),
        (stand_in_worker.UNTIL_FAILED, 2, f"error: {stand_in_worker.FAILURE}"),
    ],
)
def test_a_worker_that_is_asked_to_stop_in_the_last_step_of_its_trial_ends(
    tiny_data, tmp_path, waits, status, said
):
    runs = Runs(tiny_data, tmp_path, num_epochs=tiny_grid.FLAGS["num_epochs"], num_parallel_runs=2)
    process = runs.start(waits=waits)
    workers = set()
    ended = process_groups.wait_until(
        lambda: workers.update(children(process.pid)) or not process.is_alive(),
        timeout=SECONDS,
        pause=0.05,
    )
    process.kill()
    process.join()
    assert ended
    assert process.exitcode == status, runs.output.read_text()
    assert len(workers) >= 2
    assert process_groups.wait_until(lambda: all(map(has_ended, workers)), timeout=30)
    assert runs.output.read_text().splitlines()[-1] == said


def test_a_disk_that_fills_up_in_training_is_told_and_more_room_is_enough(
    tiny_data, undisturbed, tmp_path
):
    with small_disks.mounted(tmp_path / "disk") as disk:
        small_disks.remount(disk, "size=400k")  # of one checkpoint, and half of the next
        runs = Runs(tiny_data, disk, checkpoint_steps=50)
        runs.start()
        assert runs.end() == 2
        message = runs.output.read_text().splitlines()[-1]
        assert message.startswith(f"error: {runs.folder}/{TRIALS[0]} cannot be written to")
        assert "No space left on device" in message
        assert checkpoint_folder.steps(str(runs.folder / TRIALS[0] / "checkpoints"))
        small_disks.remount(disk, "size=100m")
        runs.finish()
        assert_same(runs.folder, undisturbed)
