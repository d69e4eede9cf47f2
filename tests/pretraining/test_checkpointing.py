"""Checkpoints on disk: complete, checked, compared."""

import copy

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.pretraining import checkpointing, optimization, stage_model
from tests import tiny

CONFIG = tiny.config()
IDENTITY = {**CONFIG.identity(), "data": "d"}


def make_state(*, stage=1, seed=0):
    config = tiny.config(seed=seed)
    model = stage_model.build(config, config.plan.stages[stage])
    global_step = tf.Variable(0, dtype=tf.int64)
    optimizer = optimization.make_optimizer(
        config.optimizer,
        global_step=global_step,
        first_step=0,
        variables=model.trainable_variables,
        precision="float32",
    )
    return checkpointing.trackable(model, optimizer, global_step), model, optimizer, global_step


def save(folder, state, step, *, num_kept=3):
    return checkpointing.save(
        str(folder),
        state,
        step=step,
        identity=IDENTITY,
        settings={"learning_rate": 0.01},
        num_kept=num_kept,
    )


def newest(folder):
    lines = []
    return checkpointing.newest(str(folder), report=lines.append), lines


def test_weights_slots_and_counters_come_back_bit_identical(tmp_path):
    state, model, optimizer, global_step = make_state()
    gradients = [tf.random.stateless_normal(v.shape, [1, 2]) for v in model.trainable_variables]
    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    global_step.assign(7)
    save(tmp_path, state, 7)
    other_state, other_model, other_optimizer, other_step = make_state(seed=1)
    checkpoint, _ = newest(tmp_path)
    checkpointing.restore(checkpoint, other_state)
    assert int(other_step) == 7
    for ours, theirs in zip(model.variables, other_model.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs, ours.name)
    pairs = zip(optimizer.get_weights(), other_optimizer.get_weights(), strict=True)
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours, theirs)
    assert any(np.any(weights) for weights in other_optimizer.get_weights()[1:])
    read = checkpointing.read_weights(checkpoint)
    expected = stage_model.weights_of(model)
    assert read.keys() == expected.keys()
    for layer, values in expected.items():
        assert read[layer].keys() == values.keys()
        for name, value in values.items():
            np.testing.assert_array_equal(read[layer][name], value)


def test_a_checkpoint_of_another_depth_cannot_be_restored(tmp_path):
    save(tmp_path, make_state(stage=1)[0], 1)
    checkpoint, _ = newest(tmp_path)
    with pytest.raises(AssertionError):
        checkpointing.restore(checkpoint, make_state(stage=0)[0])


def test_the_newest_ones_are_kept(tmp_path):
    state = make_state()[0]
    for step in (9, 10, 100, 101):
        save(tmp_path, state, step, num_kept=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000100", "step-00000101"]
    assert newest(tmp_path)[0].step == 101


@pytest.mark.parametrize("damage", ["no state", "half a state", "file gone", "file cut short"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_and_said(tmp_path, damage):
    state = make_state()[0]
    save(tmp_path, state, 1)
    path = tmp_path / "step-00000002"
    save(tmp_path, state, 2)
    data = path / "variables.data-00000-of-00001"
    if damage == "no state":
        (path / "state.json").unlink()
    elif damage == "half a state":
        (path / "state.json").write_text((path / "state.json").read_text()[:50])
    elif damage == "file gone":
        data.unlink()
    else:
        data.write_bytes(data.read_bytes()[:-1])
    checkpoint, lines = newest(tmp_path)
    assert checkpoint.step == 1
    assert len(lines) == 1
    assert "step-00000002" in lines[0]


def test_a_run_without_one_good_checkpoint_does_not_begin_anew_unasked(tmp_path):
    save(tmp_path, make_state()[0], 1)
    (tmp_path / "step-00000001" / "state.json").unlink()
    with pytest.raises(UserError, match=r"every checkpoint in .* is damaged"):
        newest(tmp_path)


def test_a_damaged_later_checkpoint_does_not_push_out_good_ones(tmp_path):
    state = make_state()[0]
    save(tmp_path, state, 5)
    (tmp_path / "step-00000005" / "state.json").unlink()
    save(tmp_path, state, 2, num_kept=1)
    assert newest(tmp_path)[0].step == 2


def test_what_was_being_written_when_the_power_went_is_not_seen_and_is_replaced(tmp_path):
    leftover = tmp_path / "tmp-00000003"
    leftover.mkdir()
    (leftover / "variables.index").write_text("half")
    assert newest(tmp_path) == (None, [])
    save(tmp_path, make_state()[0], 4)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000004"]


def checkpoint_of(identity, step=4):
    return checkpointing.Checkpoint("p", step, identity, {})


def check(old, new, *, step=4, lengthen=False):
    checkpointing.check_same_run(
        checkpoint_of(old, step), new, lengthen=lengthen, output_dir="runs/x"
    )


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["seed"], 9, "seed: 12345 there, 9 now"),
        (["model", "hidden_size"], 16, "model.hidden_size: 8 there, 16 now"),
        (["data"], "e", "data: d there, e now"),
        (["stages", 1, "batch_size"], 4, r"stages\.1\.batch_size: 8 there, 4 now"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_by_name(path, value, message):
    other = copy.deepcopy(IDENTITY)
    part = other
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    stored = checkpointing.json.loads(checkpointing.json.dumps(IDENTITY))
    check(stored, IDENTITY)
    with pytest.raises(UserError, match=message):
        check(stored, other)


def test_a_run_may_be_lengthened_where_it_has_not_been_yet(tmp_path):
    stored = checkpointing.json.loads(checkpointing.json.dumps(IDENTITY))  # stages of 2 steps

    def with_steps(*steps):
        longer = copy.deepcopy(stored)
        for stage, num_steps in zip(longer["stages"], steps, strict=True):
            stage["num_steps"] = num_steps
        return longer

    check(stored, with_steps(2, 2, 5, 2, 9), step=4, lengthen=True)
    with pytest.raises(UserError, match="num_steps"):
        check(stored, with_steps(2, 2, 5, 2, 9), step=4)
    check(stored, with_steps(2, 3, 2, 2, 2), step=4, lengthen=True)  # at its end: it may go on
    with pytest.raises(UserError, match=r"stages\.0\.num_steps"):
        check(stored, with_steps(3, 2, 2, 2, 2), step=4, lengthen=True)  # already left
    with pytest.raises(UserError, match=r"stages\.2\.num_steps"):
        check(stored, with_steps(2, 2, 1, 2, 2), step=4, lengthen=True)  # shorter
