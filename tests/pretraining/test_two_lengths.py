"""Whole runs that end on longer sequences: what crosses to the other length, and what does not."""

import os
import shutil
import signal

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.modeling import weights
from mslt_tf.pretraining import stage_input, stage_training, training
from mslt_tf.records import input_pipeline
from mslt_tf.training.interruption import Interruption
from tests import tiny
from tests.saved_weights import assert_bit_identical

# Stages of 2, 2, 3 and 3 steps, the last at the greater length.
FLAGS = {
    **tiny.LONG_FLAGS,
    "num_hidden_layers": 2,
    "num_stages": 2,
    "stage_steps": "2,2,6",
    "max_position_embeddings": 40,
    "weight_decay_rate": 0,
    "stage_warmup_steps": 5,
    "hidden_dropout_prob": 0.3,
    "log_steps": 1,
    "checkpoint_steps": 1,
    "num_checkpoints_kept": 100,
}
CROSSING, END, LONG_STAGE = 7, 10, 3
POSITIONS = "model/embeddings/position_embeddings/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.fixture(scope="module", autouse=True)
def _no_export():
    with pytest.MonkeyPatch.context() as patch:  # it has tests of its own, and takes seconds
        patch.setattr(training, "_export", lambda *_: None)
        yield


def write_long_records(folder, *, seed=2, sizes=(16,) * 4):
    return tiny.write_random_shards(folder, seed=seed, sizes=sizes, long=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Flags that name all four record sets."""
    folder = tmp_path_factory.mktemp("data")
    return {
        "train_records": tiny.write_random_shards(folder / "train"),
        "eval_records": tiny.write_random_shards(folder / "eval", seed=1, sizes=(10,)),
        "long_train_records": write_long_records(folder / "long"),
        "long_eval_records": write_long_records(folder / "long_eval", seed=3, sizes=(10,)),
    }


@pytest.fixture(scope="module")
def train_data(data):
    return {name: data[name] for name in ("train_records", "long_train_records")}


def watch(patch, folder):
    """Returns a list that fills with what is read, and keeps each stage's first state in files."""
    reads = []
    training_batches, start = input_pipeline.training_batches, stage_training._starting_parts

    def watched_batches(records, **options):
        length = records.layout.max_seq_length
        reads.append((length, options["first_position"], options["batch_size"]))
        return training_batches(records, **options)

    def watched_start(run, span, *rest):
        parts = start(run, span, *rest)
        parts.checkpoint().write(str(folder / f"start-{span.index}"))
        return parts

    patch.setattr(input_pipeline, "training_batches", watched_batches)
    patch.setattr(stage_training, "_starting_parts", watched_start)
    return reads


@pytest.fixture(scope="module")
def whole(train_data, tmp_path_factory):
    """An undisturbed run: its folder, and what it read."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        reads = watch(patch, folder)
        assert training.pretrain(tiny.config(**train_data, **FLAGS, output_dir=folder)) == 0
    return folder, reads


def state(prefix):
    """Returns all variables of a checkpoint: weights, slots, counters."""
    reader = tf.train.load_checkpoint(str(prefix))
    shapes = reader.get_variable_to_shape_map()
    return {key: reader.get_tensor(key) for key in shapes if not key.startswith("_CHECKPOINTABLE")}


def state_at(folder, step):
    return state(folder / "checkpoints" / f"step-{step:08d}" / "variables")


def broken_off(whole, folder, step):
    """Returns a copy of the run as a crash behind the checkpoint of `step` would leave it."""
    shutil.copytree(whole[0], folder)
    for checkpoint in (folder / "checkpoints").iterdir():
        if int(checkpoint.name.removeprefix("step-")) > step:
            shutil.rmtree(checkpoint)
    return folder


def optimizer_state(values):
    """Returns the slots and the number of updates they have seen."""
    slots = {key: value for key, value in values.items() if ".OPTIMIZER_SLOT" in key}
    (updates,) = (value for key, value in values.items() if key.startswith("optimizer/iter/"))
    return slots, updates


@pytest.mark.slow
def test_weights_and_optimizer_state_cross_into_the_long_stage_unchanged(whole):
    folder, _ = whole
    started = state(folder / f"start-{LONG_STAGE}")
    assert_bit_identical(started, state_at(folder, CROSSING))
    slots, updates = optimizer_state(started)
    assert updates == 3  # of joint
    assert {key.split("/")[-3] for key in slots} == {"m", "v"}
    assert all(np.any(slot) for slot in slots.values())
    assert optimizer_state(state_at(folder, END))[1] == 6
    for grown in (1, 2):  # there other variables train
        slots, updates = optimizer_state(state(folder / f"start-{grown}"))
        assert updates == 0
        assert not any(np.any(slot) for slot in slots.values())


@pytest.mark.slow
def test_only_the_long_stage_moves_the_upper_positions(whole):
    tables = [state(whole[0] / "start-0")[POSITIONS]]
    tables += [state_at(whole[0], step)[POSITIONS] for step in range(1, END + 1)]
    for step in range(1, END + 1):
        moved = np.any(tables[step] != tables[step - 1], axis=-1)
        trains = step != 1 and step not in (3, 4)  # the rate begins at 0; layers_2 freezes it
        assert np.all(moved[:16] == trains), step
        assert np.all(moved[16:32] == (step > CROSSING)), step
        assert not np.any(moved[32:]), step


@pytest.mark.slow
def test_each_length_is_read_from_its_beginning_and_the_rate_follows_the_global_step(whole):
    assert whole[1] == [(16, 0, 8), (16, 2 * 8, 8), (16, 4 * 8, 8), (32, 0, 4)]

    def rate(done, optimizer_start):
        warming_up, decaying = done / 2, 1 - done / 10
        again = min((done - optimizer_start + 1) / 5, 1) if optimizer_start else 1
        return pytest.approx(0.01 * again * (warming_up if done < 2 else decaying), rel=1e-5)

    found = [(e["stage"], e["step"], e["learning_rate"]) for e in tiny.metrics(whole[0], "train")]
    assert found == [
        *(("layers_1", step, rate(step - 1, 0)) for step in (1, 2)),
        *(("layers_2", step, rate(step - 1, 2)) for step in (3, 4)),
        *(("joint", step, rate(step - 1, 4)) for step in (5, 6, 7)),
        *(("joint_32", step, rate(step - 1, 4)) for step in (8, 9, 10)),
    ]


@pytest.mark.slow
def test_a_run_stopped_at_the_crossing_ends_as_an_undisturbed_one(
    whole, train_data, tmp_path, monkeypatch, exits
):
    folder = broken_off(whole, tmp_path / "run", CROSSING)
    config = tiny.config(**train_data, **FLAGS, output_dir=folder)
    weights_of = weights.weights_of

    def interrupted(model):  # called when the short stage is over and the long one not begun
        signal.raise_signal(signal.SIGTERM)
        assert exits.get(timeout=10) == 143  # all is saved: the program would have ended here
        return weights_of(model)

    monkeypatch.setattr(weights, "weights_of", interrupted)
    assert training.pretrain(config) == 143
    assert max(os.listdir(folder / "checkpoints")) == f"step-{CROSSING:08d}"
    monkeypatch.undo()
    reads = watch(monkeypatch, tmp_path)
    assert training.pretrain(config) == 0
    assert reads == [(32, 0, 4)]
    assert_bit_identical(state(tmp_path / "start-3"), state_at(whole[0], CROSSING))
    assert_bit_identical(state_at(folder, END), state_at(whole[0], END))
    assert [e["step"] for e in tiny.metrics(folder, "train")] == list(range(1, END + 1))


@pytest.mark.slow
def test_a_run_stopped_within_the_long_stage_ends_as_an_undisturbed_one(
    whole, train_data, tmp_path, monkeypatch
):
    folder = broken_off(whole, tmp_path / "run", CROSSING + 1)
    reads = watch(monkeypatch, tmp_path)
    assert training.pretrain(tiny.config(**train_data, **FLAGS, output_dir=folder)) == 0
    assert reads == [(32, 4, 4)]
    assert_bit_identical(state_at(folder, END), state_at(whole[0], END))


LEAN = {"hidden_dropout_prob": 0, "log_steps": 100, "checkpoint_steps": 1_000}
ORIGINAL = {**LEAN, "method": "original", "num_hidden_layers": 1, "stage_steps": ""}
STACKING = {**LEAN, "method": "stacking", "num_hidden_layers": 4, "stage_steps": "1,2,7"}
ALBERT = {**LEAN, "num_hidden_layers": 4, "num_hidden_groups": 2, "embedding_size": 4}


@pytest.mark.parametrize(
    ("flags", "stages", "held_out"),
    [
        (ORIGINAL, ["original", "original_32"], ["eval_records", "long_eval_records"]),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ({**ALBERT, **STACKING, "num_hidden_groups": 4}, ["groups_4", "groups_4_32"], []),
                (STACKING, ["layers_4", "layers_4_32"], []),
                (ALBERT, ["joint", "joint_32"], ["eval_records"] * 2),
            )
        ),
    ],
    ids=["original", "stacking-albert", "stacking", "mslt-albert"],
)
def test_every_method_and_albert_cross_lengths(
    data, train_data, tmp_path, monkeypatch, flags, stages, held_out
):
    named = {name: data[name] for name in held_out}
    config = tiny.config(**train_data, **named, **FLAGS | flags, output_dir=tmp_path / "run")
    watch(monkeypatch, tmp_path)
    last = len(config.plan.stages) - 1
    # The last two alone, from initial weights: growth has tests of its own.
    run = tiny.open_run(config)
    with Interruption(run.workers) as stop:
        assert training._run_stages(run, run.plan.spans[last - 1 :], stop) == 0
    before, after = (state_at(tmp_path / "run", step) for step in (CROSSING, END))
    assert_bit_identical(state(tmp_path / f"start-{last}"), before)
    fresh = state(tmp_path / f"start-{last - 1}")[POSITIONS]
    np.testing.assert_array_equal(before[POSITIONS][16:], fresh[16:])
    assert np.all(after[POSITIONS][:32] != before[POSITIONS][:32])
    logged, evaluated = (tiny.metrics(tmp_path / "run", kind) for kind in ("train", "eval"))
    assert [(e["stage"], e["step"]) for e in logged] == list(zip(stages, (7, 10), strict=True))
    assert [(e["stage"], e["step"], e["unigram_entropy"]) for e in evaluated] == [
        (stage, step, pytest.approx(tiny.unigram_entropy(data[name]), rel=1e-5))
        for stage, step, name in zip(stages, (CROSSING, END), held_out, strict=False)
    ]


def test_the_long_stage_reads_each_of_its_own_records_once(train_data, tmp_path):
    tiny.write_shard(tmp_path / "a", [tiny.numbered_record(n, seq_length=32) for n in range(5, 17)])
    flags = {**train_data, "long_train_records": tmp_path / "a"}
    run = tiny.open_run(tiny.config(**flags, **FLAGS, output_dir=tmp_path / "run"))
    short, long = run.plan.stages[-2:]
    batches = stage_input.training_batches(run, long, CROSSING)
    read = [next(batches)["input_ids"].numpy() for _ in range(3)]
    assert [batch.shape for batch in read] == [(4, 32)] * 3
    assert sorted(np.concatenate(read)[:, 0]) == list(range(5, 17))
    later = next(stage_input.training_batches(run, long, CROSSING + 1))
    np.testing.assert_array_equal(later["input_ids"], read[1])
    before = next(stage_input.training_batches(run, short, CROSSING - 1))["input_ids"]
    assert before.shape == (8, 16)


@pytest.mark.slow
def test_a_long_record_that_breaks_during_a_run_is_named(whole, train_data, tmp_path):
    folder = broken_off(whole, tmp_path / "run", CROSSING)
    flags = {**train_data, "long_train_records": write_long_records(tmp_path / "copy")}
    config = tiny.config(**flags, **FLAGS, output_dir=folder)
    tiny.open_run(config)  # reads the facts while the files are whole
    # The first to be read; the short set has no third.
    tiny.damage(tmp_path / "copy" / "part-2.tfrecord")
    with pytest.raises(UserError, match=r"copy/part-2\.tfrecord is damaged at record \d+"):
        training.pretrain(config)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"long_train_records": "long_eval_records"}, r"\(records of 32 tokens: part-0\.tfr.* has"),
        ({"long_train_batch_size": 8}, r"\(stages\.3\.batch_size: 4 there, 8 now\)"),
        (
            {"num_train_steps": 12, "stage_steps": "2,2,8", "long_seq_fraction": 5 / 12},
            r"\(stages\.3\.num_steps: 3 there, 5 now\)",
        ),
        ({"long_seq_length": 0, "long_train_records": ""}, "of 32 tokens: some there, none now"),
    ],
)
def test_a_run_goes_on_only_with_the_long_stage_that_it_had(
    whole, train_data, data, tmp_path, changes, message
):
    folder = broken_off(whole, tmp_path / "run", CROSSING)
    flags = {**train_data, **FLAGS, "output_dir": folder}
    changes = {name: data.get(value, value) for name, value in changes.items()}
    with pytest.raises(UserError, match=message):
        tiny.open_run(tiny.config(**flags | changes))
    long_eval = {"long_eval_records": data["long_eval_records"]}  # what is evaluated on may change
    assert tiny.open_run(tiny.config(**flags | long_eval)).checkpoint.step == CROSSING
    if "num_train_steps" in changes:  # the end of the long stage too
        tiny.open_run(tiny.config(**flags | changes, lengthen=True))
