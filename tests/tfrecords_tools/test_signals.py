"""create_data that is asked to end, or whose terminal is lost."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import process_groups
from tests.process_groups import wait_until
from tests.tfrecords_tools.create_data_runs import (
    MOMENTS,
    PROGRAM,
    PROJECT,
    SECONDS,
    SLOW_PROGRAM,
    assert_all_gone,
    finish,
    matches,
    start,
)
from tests.tfrecords_tools.record_reading import contents

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "kind",
    [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1],
    ids=lambda kind: kind.name,
)
def test_a_run_that_is_asked_to_end_does_so_within_seconds_and_in_a_word(
    eight_files: list[str], undisturbed: dict[str, bytes], kind: signal.Signals, tmp_path: Path
):
    """Four times, and each run goes on where the one before it ended."""
    for moment in (0, 3, 8, 10):
        pattern, count = MOMENTS[moment]
        there = matches(tmp_path, pattern, count=count)
        came_so_far_before = there()
        process = start([*eight_files, f"--output_dir={tmp_path}"])
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
    finish([*eight_files, f"--output_dir={tmp_path}"])
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
    one_file: list[str], seconds: float, tmp_path: Path
):
    # With its six sleeps the run never ends before the signal; a quick machine needs 0.8 s without.
    process = start([*one_file, f"--output_dir={tmp_path}"], program=[*SLOW_PROGRAM, "1"])
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


def test_under_nohup_a_lost_terminal_does_not_end_it(eight_files: list[str], tmp_path: Path):
    pipe = subprocess.PIPE
    process = process_groups.start(
        ["nohup", sys.executable, *PROGRAM, *eight_files, f"--output_dir={tmp_path}/records"],
        cwd=PROJECT,
        stdout=pipe,
        stderr=pipe,
    )
    assert wait_until(matches(tmp_path, "records/_work/piece-*"), timeout=SECONDS)
    process.send_signal(signal.SIGHUP)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors
    assert (tmp_path / "records/dataset_info.json").exists()


def test_after_disown_a_terminal_that_takes_no_output_any_more_does_not_end_it(
    eight_files: list[str], tmp_path: Path
):
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *PROGRAM, *eight_files, f"--output_dir={tmp_path}/records"],
        cwd=PROJECT,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    os.close(slave)
    assert wait_until(matches(tmp_path, "records/_work/piece-*"), timeout=SECONDS)
    os.close(master)  # what is written from now on fails
    assert process.wait(timeout=SECONDS) == 0
    assert (tmp_path / "records/dataset_info.json").exists()
