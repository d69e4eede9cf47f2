"""Runs that are killed at any moment end with the very weights of an undisturbed run."""

import random
import time

import pytest

from mslt_tf.training import checkpointing
from tests import process_family, process_groups, tiny
from tests.saved_weights import assert_bit_identical

NUM_STEPS, CHECKPOINT_STEPS, NUM_KILLS = 600, 10, 20
SETTINGS = {
    **tiny.FLAGS,
    "num_hidden_layers": 4,
    "num_stages": 4,
    "num_train_steps": NUM_STEPS,  # five stages of 120
    "hidden_dropout_prob": 0.3,
    "checkpoint_steps": CHECKPOINT_STEPS,
    "num_checkpoints_kept": 3,
    "log_steps": 40,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return {
        "train_records": tiny.write_random_shards(folder / "train"),
        "eval_records": tiny.write_random_shards(folder / "eval", seed=1, sizes=(10,)),
    }


def flags(output_dir, data):
    return [
        f"--{name}={value}"
        for name, value in {**SETTINGS, **data, "output_dir": output_dir}.items()
    ]


def finish(arguments, output):
    process = process_family.start(arguments, output)
    process.join(timeout=240)
    assert process.exitcode == 0, output.read_text()


def final_weights(folder):
    found = checkpointing.newest(str(folder / "checkpoints"), report=lambda line: None)
    assert found.step == NUM_STEPS
    return checkpointing.read_weights(found)


def moments(rng):
    """Returns 20 moments over all stages: (step, what happens then), the steps ascending.

    Among them are a few edges of stages, and many times at which a checkpoint is being written.
    """
    edges = rng.sample(range(120, NUM_STEPS, 120), 3)
    others = rng.sample(range(CHECKPOINT_STEPS, NUM_STEPS, CHECKPOINT_STEPS), NUM_KILLS - 3)
    return sorted((step, rng.choice(("written", "being written"))) for step in edges + others)


@pytest.mark.slow
def test_a_run_killed_at_twenty_moments_ends_bit_identical(data, tmp_path):
    finish(flags(tmp_path / "whole", data), tmp_path / "whole.txt")
    expected = final_weights(tmp_path / "whole")
    rng = random.Random(5)
    folder = tmp_path / "broken" / "checkpoints"
    arguments, output = flags(tmp_path / "broken", data), tmp_path / "broken.txt"
    kills = dict.fromkeys(("written", "being written"), 0)
    for step, event in moments(rng):
        name = f"{'step' if event == 'written' else 'tmp'}-{step:08d}"
        process = process_family.start(arguments, output)
        process_groups.wait_until(
            lambda name=name, process=process, step=step: (
                (folder / name).exists()
                or (folder / f"step-{step:08d}").exists()
                or not process.is_alive()
            ),
            timeout=240,
            pause=0.0005,
        )
        # From nothing to the time of some steps, a checkpoint or the building of a stage.
        time.sleep(rng.choice((0, 0.002, 0.02, 0.2, 1.0)) * rng.random())
        assert process.is_alive(), output.read_text()
        process.kill()
        process.join()
        kills[event] += (folder / f"tmp-{step:08d}").exists() or event == "written"
    finish(arguments, output)
    assert kills["being written"] > 0, "no checkpoint was ever half written: the test is too slow"
    assert_bit_identical(final_weights(tmp_path / "broken"), expected)
    for kind in ("train", "eval"):
        undisturbed = [entry["step"] for entry in tiny.metrics(tmp_path / "whole", kind)]
        steps = [entry["step"] for entry in tiny.metrics(tmp_path / "broken", kind)]
        assert set(undisturbed) <= set(steps)
        assert steps == sorted(set(steps))  # none twice
