"""One process, accumulation, two devices and two or three workers: the same losses and weights."""

import os
import subprocess

import pytest

from tests import tiny
from tests.distribution import worker_processes
from tests.saved_weights import assert_same_weights

# Five stages of 20 steps, a checkpoint at the end of each. Without dropout: its random numbers
# are drawn per replica and micro-batch.
SETTINGS = {
    "hidden_dropout_prob": 0,
    "attention_probs_dropout_prob": 0,
    "train_batch_size": 32,
    "stage_steps": "20,20,20,20,20",
    "num_train_steps": 100,
    "num_warmup_steps": 5,
    "learning_rate": 0.002,
    "log_steps": 1,
    "num_checkpoints_kept": 10,
}
STAGE_ENDS = (20, 40, 60, 80, 100)
LOSS_TOLERANCE = 2e-5  # relative; float32 sums in another order, over a hundred steps
TWO_DEVICES = (
    "import tensorflow as tf\n"
    "(cpu,) = tf.config.list_physical_devices('CPU')\n"
    "two = [tf.config.LogicalDeviceConfiguration() for _ in range(2)]\n"
    "tf.config.set_logical_device_configuration(cpu, two)\n"
    "import runpy\n"
    "runpy.run_module('mslt_tf.run_pretraining', run_name='__main__')\n"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return {
        "train_records": tiny.write_random_shards(folder / "train", sizes=(70,) * 9),
        "eval_records": tiny.write_random_shards(folder / "eval", seed=1, sizes=(21,)),
    }


@pytest.fixture(scope="module")
def one_process(data, tmp_path_factory):
    """The run's folder of one process with one device."""
    folder = tmp_path_factory.mktemp("one") / "run"
    run_one(folder, {**SETTINGS, **data})
    return folder


def run_one(folder, settings, *, program=""):
    subprocess.run(
        worker_processes.command(folder, settings, program=program),
        cwd=worker_processes.PROJECT,
        env={**os.environ, "PYTHONPATH": str(worker_processes.PROJECT)},
        check=True,
        stdout=subprocess.PIPE,
    )


def assert_same(found, expected):
    losses = {"masked_lm_loss", "sentence_pair_loss", "gradient_norm"}
    for kind in ("train", "eval"):
        ours, theirs = tiny.metrics(found, kind), tiny.metrics(expected, kind)
        assert [entry["step"] for entry in ours] == [entry["step"] for entry in theirs]
        for ours_then, theirs_then in zip(ours, theirs, strict=True):
            for name in losses & ours_then.keys():
                assert ours_then[name] == pytest.approx(theirs_then[name], rel=LOSS_TOLERANCE)
    assert_same_weights(found, expected, STAGE_ENDS)


@pytest.mark.slow
def test_accumulation_gives_what_the_whole_batch_gives(data, one_process, tmp_path):
    run_one(tmp_path, {**SETTINGS, **data, "micro_batch_size": 8})
    assert_same(tmp_path, one_process)


@pytest.mark.slow
def test_two_devices_of_a_process_give_what_one_gives(data, one_process, tmp_path):
    settings = {**SETTINGS, **data, "distribution_strategy": "mirrored"}
    run_one(tmp_path, settings, program=TWO_DEVICES)
    assert_same(tmp_path, one_process)


@pytest.mark.slow
def test_two_workers_give_what_one_process_gives(data, one_process, tmp_path):
    chief, other = worker_processes.run(tmp_path, {**SETTINGS, **data}, count=2)
    assert_same(tmp_path, one_process)
    assert "layers_2 begins at step 20" in chief.output
    assert "begins" not in other.output  # one tells what all do


@pytest.mark.slow
def test_three_workers_give_what_one_process_gives(data, one_process, tmp_path):
    settings = {**SETTINGS, **data, "train_batch_size": 24}
    worker_processes.run(tmp_path / "three", settings, count=3)
    run_one(tmp_path / "one", settings)
    assert_same(tmp_path / "three", tmp_path / "one")
