"""Micro-batches without padding: the same update from fewer tokens."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.pretraining import losses, padding, train_step
from tests import tiny
from tests.pretraining.trained_stage import NO_DROPOUT, Trained, first_batch

TWO_LAYERS = {"num_hidden_layers": 2, "num_stages": 2}  # the third stage is the joint one
TWO_GROUPS = {**TWO_LAYERS, "embedding_size": 6, "num_hidden_layers": 4, "num_hidden_groups": 2}
TWO_AT_ONCE = {"micro_batch_size": 2}
LENGTH = tiny.SEQ_LENGTH


@pytest.fixture(autouse=True)
def _short_unit(monkeypatch):
    monkeypatch.setattr(padding, "LENGTH_UNIT", 4)  # of 16 tokens


def batch_of_lengths(lengths, *, position=0):
    """Returns sequences whose tokens are their own numbers, with their masked token at 0."""
    mask = np.arange(LENGTH) < np.reshape(lengths, [-1, 1])
    numbers = np.arange(len(lengths)) + 1
    columns = {
        "input_ids": mask * numbers[:, None],
        "input_mask": mask,
        "segment_ids": mask * 0,
        "masked_lm_positions": np.full([len(lengths), 1], position),
        "next_sentence_labels": numbers,
    }
    return {name: tf.constant(values, tf.int32) for name, values in columns.items()}


def test_sequences_are_sorted_with_all_that_belongs_to_them():
    batch = padding.sorted_by_length(batch_of_lengths([9, 3, 16, 3, 1]))
    assert batch["next_sentence_labels"].numpy().tolist() == [5, 2, 4, 1, 3]
    assert batch["input_ids"][:, 0].numpy().tolist() == [5, 2, 4, 1, 3]
    assert tf.reduce_sum(batch["input_mask"], axis=1).numpy().tolist() == [1, 3, 3, 9, 16]


@pytest.mark.parametrize(
    ("lengths", "position", "left"),
    [
        ([1, 2], 0, 4),
        ([4, 4], 3, 4),
        ([4, 5], 0, 8),
        ([3, 12, 1], 0, 12),
        ([13], 0, 16),
        ([16, 1], 0, 16),
        ([2], 9, 12),  # what is looked up stays, even in padding
    ],
)
@pytest.mark.parametrize("in_graph", [False, True])
def test_a_batch_is_cut_to_the_next_multiple_of_the_unit(lengths, position, left, in_graph):
    def seen(batch):
        columns = [batch[name] for name in ("input_ids", "input_mask", "segment_ids")]
        assert {column.shape[1] for column in columns} == {columns[0].shape[1]}
        return tf.constant(columns[0].shape[1]), tf.reduce_sum(batch["input_ids"])

    batch = batch_of_lengths(lengths, position=position)
    find = tf.function(padding.without_padding) if in_graph else padding.without_padding
    found, tokens = find(seen, batch)
    assert found == left
    assert tokens == tf.reduce_sum(batch["input_ids"])  # none is lost


def test_padding_between_tokens_stays():
    batch = batch_of_lengths([2])
    batch["input_mask"] += tf.one_hot([9], LENGTH, dtype=tf.int32)
    assert padding.without_padding(lambda cut: tf.constant(cut["input_ids"].shape[1]), batch) == 12


def test_a_length_that_is_no_multiple_ends_in_itself(monkeypatch):
    monkeypatch.setattr(padding, "LENGTH_UNIT", 6)
    for lengths, left in (([6], 6), ([7], 12), ([13], 16), ([16], 16)):
        batch = batch_of_lengths(lengths)
        found = padding.without_padding(lambda cut: tf.constant(cut["input_ids"].shape[1]), batch)
        assert found == left


def test_many_tokens_are_cut_to_greater_multiples(monkeypatch):
    monkeypatch.setattr(padding, "LENGTH_UNIT", 1)  # so that eight lengths are multiples of 2
    for length, left in ((1, 2), (2, 2), (3, 4), (15, 16), (16, 16)):
        batch = batch_of_lengths([length])
        found = padding.without_padding(lambda cut: tf.constant(cut["input_ids"].shape[1]), batch)
        assert found == left


@pytest.mark.parametrize(
    ("sizes", "stage", "xla"),
    [
        ({}, 0, "off"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                (TWO_LAYERS, 1, "step"),
                (TWO_LAYERS, 2, "chains"),
                (TWO_GROUPS, 1, "chains"),
                (TWO_GROUPS, 2, "step"),
                ({**TWO_LAYERS, "precision": "bfloat16"}, 2, "chains"),
            )
        ),
    ],
)
def test_losses_and_gradients_are_those_of_whole_micro_batches(records, sizes, stage, xla):
    trained = Trained(tiny.config(**NO_DROPOUT, **sizes, xla=xla), records, stage=stage)
    batch = first_batch(records)
    assert len(set(np.sum(batch["input_mask"], axis=1) // 4)) > 1
    counts, seed = losses.loss_counts(batch), tf.constant([0, 0])
    trimmed, whole = (
        tf.function(
            train_step.make_gradient_function(
                trained.model, trained.optimizer, micro_batch_size=2, xla=xla, trim_padding=trims
            )
        )(batch, counts, seed)
        for trims in (True, False)
    )
    is_exact = "precision" not in sizes
    np.testing.assert_allclose(trimmed.losses, whole.losses, rtol=1e-6 if is_exact else 1e-3)
    for variable, ours, theirs in zip(
        trained.model.trainable_variables, trimmed.gradients, whole.gradients, strict=True
    ):
        largest = np.max(np.abs(theirs))
        tolerance = 1e-5 if is_exact else 0.02
        np.testing.assert_allclose(
            ours, theirs, atol=tolerance * largest + 1e-8, err_msg=variable.name
        )


def tokens_seen(monkeypatch, config, records):
    """Returns the lengths of the micro-batches that one update of a model is computed from."""
    seen, inputs = [], train_step._model_inputs

    def see(batch, seed):
        length = batch["input_ids"].shape[1]
        with tf.control_dependencies([tf.py_function(lambda: seen.append(length), [], [])]):
            return {n: tf.identity(v) for n, v in inputs(batch, seed).items()}

    monkeypatch.setattr(train_step, "_model_inputs", see)
    Trained(config, records).train(1)
    return sorted(seen)


def test_an_update_computes_each_micro_batch_at_its_own_length(records, monkeypatch):
    found = tokens_seen(monkeypatch, tiny.config(**TWO_AT_ONCE), records)
    lengths = np.sort(np.sum(first_batch(records)["input_mask"], axis=1))[1::2]
    assert found == (-(-lengths // 4) * 4).tolist()
    assert found[0] < LENGTH


@pytest.mark.parametrize(
    "flags", [{"micro_batch_size": 8}, {**TWO_AT_ONCE, "trim_padding": False}], ids=["one", "off"]
)
def test_nothing_is_cut_from_one_micro_batch_or_where_it_is_turned_off(records, monkeypatch, flags):
    found = tokens_seen(monkeypatch, tiny.config(**flags), records)
    assert set(found) == {LENGTH}


def test_at_the_unit_nothing_is_cut(records, monkeypatch):
    monkeypatch.setattr(padding, "LENGTH_UNIT", LENGTH)
    assert set(tokens_seen(monkeypatch, tiny.config(**TWO_AT_ONCE), records)) == {LENGTH}


@pytest.mark.slow
def test_how_steps_are_cut_into_calls_changes_nothing(records):
    config = tiny.config(**TWO_AT_ONCE, hidden_dropout_prob=0.3)
    at_once, in_parts = (Trained(config, records) for _ in range(2))
    at_once.train(6)
    for num_steps in (1, 3, 2):
        in_parts.train(num_steps)
    for name, value in at_once.weights().items():
        np.testing.assert_array_equal(in_parts.weights()[name], value, name)


@pytest.mark.slow
@pytest.mark.multi_device
def test_two_replicas_train_as_one(records):
    config = tiny.config(**NO_DROPOUT, **TWO_AT_ONCE)
    one = Trained(config, records)
    two = Trained(config, records, strategy=tf.distribute.MirroredStrategy(["cpu:0", "cpu:1"]))
    np.testing.assert_allclose(two.train(3)[0], one.train(3)[0], rtol=1e-5)
    for name, value in one.weights().items():
        np.testing.assert_allclose(two.weights()[name], value, atol=2e-6, err_msg=name)
