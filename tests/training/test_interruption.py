"""Signals as a wish to stop."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import tensorflow as tf

from mslt_tf.distribution.workers import Workers
from mslt_tf.training import interruption
from mslt_tf.training.interruption import Interruption
from tests import process_groups, tiny
from tests.distribution import worker_processes
from tests.signals import EACH_SIGNAL

ALONE = Workers(tf.distribute.get_strategy())


@pytest.fixture
def impatience(monkeypatch):
    """Lets signals count however close they come."""
    monkeypatch.setattr(interruption, "SECONDS_APART", -1.0)


@EACH_SIGNAL
def test_a_signal_sets_the_exit_status_and_afterwards_acts_as_before(exits, number, status):
    before = []
    previous = signal.signal(number, lambda *_: before.append(number))
    try:
        with Interruption(ALONE) as stop:
            stop.start_steps()
            assert stop.agree() == 0
            signal.raise_signal(number)
            assert stop.stop == 0  # until all agree
            assert stop.agree() == stop.stop == status
            assert not before
        signal.raise_signal(number)
        assert before == [number]
        assert exits.empty()
        assert signal.set_wakeup_fd(-1) == -1
    finally:
        signal.signal(number, previous)


@EACH_SIGNAL
def test_a_signal_that_was_ignored_at_the_start_stays_ignored(exits, capsys, number, status):
    previous = signal.signal(number, signal.SIG_IGN)
    try:
        with Interruption(ALONE) as stop:
            signal.raise_signal(number)
            stop.start_steps()
            signal.raise_signal(number)
            assert stop.agree() == 0
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, previous)
    assert exits.empty()
    assert capsys.readouterr().out == ""


def test_three_signals_are_answered_by_a_line_each_and_the_third_ends_the_program(
    exits, capsys, impatience
):
    with Interruption(ALONE) as stop:
        stop.rest_at(1_200)
        stop.start_steps()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.raise_signal(number)
        assert exits.get(timeout=10) == 129
        assert exits.empty()
        assert stop.agree() == 143  # the first one counts
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("SIGTERM: the run is going to save and stop. The steps under way end")
    assert second == (
        "SIGINT: still saving. Another signal ends the program at once and loses the steps since "
        "the checkpoint of step 1,200."
    )
    assert third.startswith(
        "SIGHUP: ended at once. Lost are the steps since the checkpoint of step 1,200."
    )


def test_without_a_checkpoint_a_third_signal_says_that_all_is_lost(exits, capsys, impatience):
    with Interruption(ALONE) as stop:
        stop.start_steps()
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
        exits.get(timeout=10)
    assert "Lost are all steps, as there is no checkpoint yet." in capsys.readouterr().out


def test_the_first_signal_is_answered_while_the_main_thread_is_busy(capsys):
    statuses = []

    def send_and_look():
        time.sleep(0.1)  # until the main thread is
        os.kill(os.getpid(), signal.SIGUSR1)
        assert process_groups.wait_until(lambda: capsys.readouterr().out, timeout=10)
        statuses.append(stop.status)

    with Interruption(ALONE) as stop:
        stop.start_steps()
        helper = threading.Thread(target=send_and_look)
        helper.start()
        # Python hears no signal in there.
        hashlib.pbkdf2_hmac("sha256", b"a", b"salt", iterations=4_000_000)
        helper.join()
        assert stop.agree() == 138
    assert statuses == [0]


def test_a_third_signal_ends_the_program_while_nobody_takes_its_output(
    exits, impatience, monkeypatch
):
    """A pipe that is full, or a terminal that was stopped."""
    monkeypatch.setattr(interruption, "SECONDS_TO_SPEAK", 0.05)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4_096)
    os.set_blocking(writer, True)
    with os.fdopen(writer, "w") as output, Interruption(ALONE) as stop:
        monkeypatch.setattr(sys, "stdout", output)
        num_threads = threading.active_count()
        stop.start_steps()
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
        assert exits.get(timeout=10) == 130
        os.read(reader, 1 << 20)  # those who still wait can speak now
        process_groups.wait_until(lambda: threading.active_count() == num_threads, timeout=10)
    os.close(reader)


def test_a_worker_that_is_not_the_chief_obeys_and_says_nothing(exits, capsys, impatience):
    class Helper(Workers):
        is_chief = False

    with Interruption(Helper(ALONE.strategy)) as stop:
        stop.start_steps()
        signal.raise_signal(signal.SIGTERM)
        assert stop.agree() == 143
        for _ in range(2):
            signal.raise_signal(signal.SIGTERM)
        assert exits.get(timeout=10) == 143
    assert capsys.readouterr().out == ""


def test_signals_in_a_burst_are_one_wish(exits, capsys):
    with Interruption(ALONE) as stop:
        stop.start_steps()
        for _ in range(5):
            signal.raise_signal(signal.SIGHUP)
            time.sleep(0.01)
    assert exits.empty()
    assert capsys.readouterr().out.count("\n") == 1


def test_a_signal_ends_the_program_at_once_while_there_is_nothing_to_save(exits, capsys):
    with Interruption(ALONE):
        signal.raise_signal(signal.SIGTERM)
        assert exits.get(timeout=10) == 143
    assert "Interrupted before there was anything new to save." in capsys.readouterr().out


# Two devices are traced in two threads, which the main thread waits for, and it hears no exception.
SLOW_TRACING = """
import runpy, sys, time
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from mslt_tf.pretraining import losses

def trace_slowly(*arguments):
    print("tracing", flush=True)
    time.sleep(60)

losses.masked_lm_losses = trace_slowly
runpy.run_module("mslt_tf.run_pretraining", run_name="__main__")
"""


@pytest.mark.slow
def test_a_signal_while_a_step_is_traced_on_two_devices_ends_the_program_at_once(tmp_path):
    settings = {
        "train_records": tiny.write_random_shards(tmp_path / "data"),
        "distribution_strategy": "mirrored",
    }
    process = process_groups.start(
        worker_processes.command(tmp_path / "run", settings, program=SLOW_TRACING),
        cwd=worker_processes.PROJECT,
        env={**os.environ, "PYTHONPATH": str(worker_processes.PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert "tracing\n" in process.stdout
    process.send_signal(signal.SIGTERM)
    (ended,) = worker_processes.wait([process], timeout=3)
    assert ended.status == 143, ended.errors
    assert "Interrupted before there was anything new to save." in ended.output
