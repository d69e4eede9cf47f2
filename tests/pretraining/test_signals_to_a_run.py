"""Real signals to real runs: what is saved, what is said, the exit status."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import time

import pytest

from mslt_tf.training import checkpointing, interruption
from tests import process_family, process_groups, tiny
from tests.distribution import worker_processes
from tests.signals import EACH_SIGNAL

pytestmark = pytest.mark.slow

SETTINGS = {
    **tiny.FLAGS,
    "method": "original",
    "num_hidden_layers": 1,
    "num_train_steps": 1_000_000,
    "checkpoint_steps": 1_000_000,
    "log_steps": 20,
}
# Writing a checkpoint takes as long as the variable says.
SLOW_SAVING = """
import os, runpy, time
from mslt_tf.pretraining.run import Run
save = Run.save

def save_slowly(*arguments, **options):
    print("writing the checkpoint", flush=True)
    time.sleep(float(os.environ["SECONDS_TO_SAVE"]))
    save(*arguments, **options)

Run.save = save_slowly
runpy.run_module("mslt_tf.run_pretraining", run_name="__main__")
"""


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return tiny.write_random_shards(tmp_path_factory.mktemp("records"))


@pytest.fixture
def start(records, tmp_path):
    """A function that starts a run by a command; its output goes to `tmp_path / "output.txt"`."""
    processes = []

    def start(command, **environment):
        with (tmp_path / "output.txt").open("w") as file:
            process = process_groups.start(
                [*command, *arguments(tmp_path / "run", records)],
                cwd=worker_processes.PROJECT,
                env={**os.environ, **environment},
                stdout=file,
                stderr=file,
            )
        processes.append(process)
        wait_for_entries(tmp_path / "run", 3, lives=lambda: process.poll() is None)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


def arguments(folder, records):
    settings = {**SETTINGS, "train_records": records, "output_dir": folder}
    return [f"--{name}={value}" for name, value in settings.items()]


def wait_for_entries(folder, count, *, lives):
    """Waits until a run that `lives()` has written so many entries."""
    metrics = folder / "metrics.jsonl"

    def has_written():
        return metrics.exists() and metrics.read_bytes().count(b"\n") >= count

    assert process_groups.wait_until(
        lambda: has_written() or not lives(), timeout=worker_processes.SECONDS
    )
    assert lives()


def wait_for_text(folder, text):
    """Waits until the run's output has the text."""
    output = folder / "output.txt"
    assert process_groups.wait_until(lambda: text in output.read_text(), timeout=60), text
    time.sleep(2 * interruption.SECONDS_APART)  # what is sent now is another wish


def saved_step(folder):
    found = checkpointing.newest(str(folder / "checkpoints"), report=pytest.fail)
    return found.step if found else 0


@EACH_SIGNAL
def test_each_signal_saves_and_gives_its_status(records, tmp_path, number, status):
    process = process_family.start(arguments(tmp_path, records), tmp_path / "output.txt")
    wait_for_entries(tmp_path, 3, lives=process.is_alive)
    os.kill(process.pid, number)
    process.join(timeout=10)
    output = (tmp_path / "output.txt").read_text()
    assert process.exitcode == status, output
    assert saved_step(tmp_path) >= 60
    assert output.count(number.name) == 1
    assert output.index("going to save") < output.index("; saved.")


def test_under_nohup_a_lost_terminal_is_no_wish_to_stop(start, tmp_path):
    process = start(["nohup", sys.executable, "-m", "mslt_tf.run_pretraining"])
    process.send_signal(signal.SIGHUP)
    # More than the steps under way.
    wait_for_entries(tmp_path / "run", 20, lives=lambda: process.poll() is None)
    assert "SIGHUP" not in (tmp_path / "output.txt").read_text()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 143


def test_a_run_saves_when_its_terminal_is_gone_and_takes_no_output_any_more(records, tmp_path):
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mslt_tf.run_pretraining", *arguments(tmp_path, records)],
        cwd=worker_processes.PROJECT,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    wait_for_entries(tmp_path, 3, lives=lambda: process.poll() is None)
    os.close(master)  # the kernel sends SIGHUP, and what is written from now on fails
    assert process.wait(timeout=10) == 129
    assert saved_step(tmp_path) >= 60


def test_a_second_ctrl_c_still_saves(start, tmp_path):
    process = start([sys.executable, "-c", SLOW_SAVING], SECONDS_TO_SAVE="1")
    process.send_signal(signal.SIGINT)
    wait_for_text(tmp_path, "writing the checkpoint")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    assert saved_step(tmp_path / "run") >= 60
    output = (tmp_path / "output.txt").read_text()
    assert "still saving. Another signal ends the program at once and loses all steps" in output
    assert "Interrupted; saved." in output


def test_a_third_ctrl_c_ends_the_run_at_once_and_says_what_is_lost(start, tmp_path):
    process = start([sys.executable, "-c", SLOW_SAVING], SECONDS_TO_SAVE="600")
    for text in ("going to save", "still saving"):
        process.send_signal(signal.SIGINT)
        wait_for_text(tmp_path, text)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=3) == 130
    assert "Lost are all steps" in (tmp_path / "output.txt").read_text()
    assert saved_step(tmp_path / "run") == 0
