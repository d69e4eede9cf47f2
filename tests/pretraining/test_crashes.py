"""Runs that are killed or stopped at any moment end with the very weights of an undisturbed run."""

import random
import time

import pytest

from mslt_tf.training import checkpoint_folder, checkpointing
from tests import process_family, process_groups, tiny
from tests.pretraining import quick_runs
from tests.saved_weights import assert_bit_identical

NUM_STEPS, CHECKPOINT_STEPS, NUM_KILLS = 600, 10, 20
SETTINGS = {
    **tiny.FLAGS,
    "num_hidden_layers": 2,
    "num_stages": 2,
    "stage_steps": "200,200,200",
    "num_train_steps": NUM_STEPS,
    "hidden_dropout_prob": 0.3,
    "checkpoint_steps": CHECKPOINT_STEPS,
    "num_checkpoints_kept": 3,
    "log_steps": 40,
    "xla": "auto",
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


def start(arguments, output):
    return process_family.start(arguments, output, prepare=quick_runs.replace_export)


def finish(arguments, output):
    process_family.finish(arguments, output, prepare=quick_runs.replace_export)


def final_weights(folder):
    found = checkpointing.newest(str(folder / "checkpoints"), report=lambda line: None)
    assert found.step == NUM_STEPS
    return checkpointing.read_weights(found)


def moments(rng):
    """Returns 20 moments over all stages: (step, what happens then), the steps ascending.

    Among them are the edges of the stages, and many times at which a checkpoint is being written.
    After the last one there are steps enough not to be done before the kill.
    """
    edges = [200, 400]
    others = rng.sample(range(CHECKPOINT_STEPS, 500, CHECKPOINT_STEPS), NUM_KILLS - 2)
    return sorted((step, rng.choice(("written", "being written"))) for step in edges + others)


def newest_step(folder):
    return max(checkpoint_folder.steps(str(folder)), default=0)


def start_until(step, event, folder, arguments, output):
    """Starts a run and returns it when it is writing the checkpoint of this step, or has."""
    process = start(arguments, output)
    temporary = folder / f"tmp-{step:08d}"
    process_groups.wait_until(
        lambda: (
            (event == "being written" and temporary.exists())
            or newest_step(folder) >= step
            or not process.is_alive()
        ),
        timeout=240,
        pause=0.002,  # a checkpoint takes longer to write; looking more often takes a core
    )
    assert process.is_alive(), output.read_text()
    return process


def stop(process):
    """Asks a run to save and stop."""
    process.terminate()
    process.join(timeout=60)
    assert process.exitcode == 143


@pytest.mark.slow
def test_a_run_killed_at_twenty_moments_and_stopped_once_ends_bit_identical(data, tmp_path):
    finish(flags(tmp_path / "whole", data), tmp_path / "whole.txt")
    expected = final_weights(tmp_path / "whole")
    rng = random.Random(6)
    folder = tmp_path / "broken" / "checkpoints"
    arguments, output = flags(tmp_path / "broken", data), tmp_path / "broken.txt"
    kills = dict.fromkeys(("written", "being written"), 0)
    for number, (moment, event) in enumerate(moments(rng)):
        # The run before may have come further than to its moment.
        step = max(moment, newest_step(folder) + CHECKPOINT_STEPS)
        process = start_until(step, event, folder, arguments, output)
        # From nothing to the time of some steps, a checkpoint or the building of a stage.
        time.sleep(rng.choice((0, 0.002, 0.02, 0.2, 0.5)) * rng.random())
        assert process.is_alive(), output.read_text()
        process.kill()
        process.join()
        kills[event] += (folder / f"tmp-{step:08d}").exists() or event == "written"
        if number == NUM_KILLS // 2:
            step = newest_step(folder) + CHECKPOINT_STEPS
            stop(start_until(step, "written", folder, arguments, output))
    finish(arguments, output)
    assert kills["being written"] > 0, "no checkpoint was ever half written: the test is too slow"
    assert_bit_identical(final_weights(tmp_path / "broken"), expected)
    for kind in ("train", "eval"):
        undisturbed = [entry["step"] for entry in tiny.metrics(tmp_path / "whole", kind)]
        steps = [entry["step"] for entry in tiny.metrics(tmp_path / "broken", kind)]
        assert set(undisturbed) <= set(steps)
        assert steps == sorted(set(steps))  # none twice
