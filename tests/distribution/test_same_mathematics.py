"""One process, accumulation, two devices and two or three workers: the same losses and weights."""

import pytest
import tensorflow as tf

from tests import process_family, tiny
from tests.distribution import worker_processes
from tests.pretraining import quick_runs
from tests.saved_weights import assert_same_weights

# Three stages, a checkpoint at the end of each. Without dropout: its random numbers are drawn per
# replica and micro-batch.
SETTINGS = {
    "num_hidden_layers": 2,
    "num_stages": 2,
    "hidden_dropout_prob": 0,
    "attention_probs_dropout_prob": 0,
    "train_batch_size": 24,  # may be split in two and in three
    "stage_steps": "20,20,60",
    "num_train_steps": 100,
    "num_warmup_steps": 5,
    "learning_rate": 0.002,
    "log_steps": 1,
    "num_checkpoints_kept": 10,
    "xla": "auto",
}
STAGE_ENDS = (20, 40, 100)
LOSS_TOLERANCE = 2e-5  # relative; float32 sums in another order, over a hundred steps


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


def run_one(folder, settings, *, prepare=quick_runs.replace_export):
    arguments = worker_processes.arguments(folder, settings)
    process_family.finish(arguments, folder.with_suffix(".txt"), prepare=prepare)


def split_cpu():
    """Gives the process two logical devices."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    two_devices = [tf.config.LogicalDeviceConfiguration() for _ in range(2)]
    tf.config.set_logical_device_configuration(cpu, two_devices)
    quick_runs.replace_export()


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
    run_one(tmp_path / "run", {**SETTINGS, **data, "micro_batch_size": 8})
    assert_same(tmp_path / "run", one_process)


@pytest.mark.slow
def test_two_devices_of_a_process_give_what_one_gives(data, one_process, tmp_path):
    settings = {**SETTINGS, **data, "distribution_strategy": "mirrored"}
    run_one(tmp_path / "run", settings, prepare=split_cpu)
    assert_same(tmp_path / "run", one_process)


@pytest.mark.slow
def test_two_workers_give_what_one_process_gives(data, one_process, tmp_path):
    chief, other = worker_processes.run(tmp_path, {**SETTINGS, **data}, count=2)
    assert_same(tmp_path, one_process)
    assert "layers_2 begins at step 20" in chief.output
    assert "begins" not in other.output  # one tells what all do


@pytest.mark.slow
def test_three_workers_give_what_one_process_gives(data, one_process, tmp_path):
    worker_processes.run(tmp_path, {**SETTINGS, **data}, count=3)
    assert_same(tmp_path, one_process)
