"""Signals as a wish to stop."""

import os
import signal
import subprocess

import pytest
import tensorflow as tf

from mslt_tf.distribution.workers import Workers
from mslt_tf.pretraining.interruption import Interruption
from tests import process_groups, tiny
from tests.distribution import worker_processes

ALONE = Workers(tf.distribute.get_strategy())


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"]
)
def test_a_signal_sets_the_exit_status_and_a_second_one_acts_as_before(exits, number, status):
    before = []
    previous = signal.signal(number, lambda *_: before.append(number))
    try:
        with Interruption(ALONE) as interruption:
            interruption.has_unsaved_steps = True
            assert interruption.agree() == 0
            signal.raise_signal(number)
            assert interruption.stop == 0  # until all agree
            assert interruption.agree() == interruption.stop == status
            assert not before
            signal.raise_signal(number)
        assert before == [number]
        assert exits.empty()
        assert signal.set_wakeup_fd(-1) == -1
    finally:
        signal.signal(number, previous)


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

def trace_slowly(logits, batch):
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
