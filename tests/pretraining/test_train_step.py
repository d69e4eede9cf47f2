"""The compiled step: right gradients, nothing of the trunk, sums over everything."""

import collections

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.distribute import mirrored_strategy

from mslt_tf.distribution import strategies
from mslt_tf.pretraining import losses, stage_model, train_step
from mslt_tf.training import optimization
from tests import tiny
from tests.pretraining.trained_stage import NO_DROPOUT, Trained, first_batch

NUM_STAGES = 5
FOUR_GROUPS = {"embedding_size": 6, "num_hidden_layers": 8, "num_hidden_groups": 4}


def num_slot_elements(optimizer):
    slots = [variable for variable in optimizer.variables() if variable.shape.rank]
    return sum(slot.shape.num_elements() for slot in slots)


@pytest.mark.parametrize(
    ("sizes", "stage"),
    [
        *(({}, stage) for stage in (0, 1, 3, 4)),
        *((FOUR_GROUPS, stage) for stage in (0, 4)),
        pytest.param({}, 2, marks=pytest.mark.slow),
        *(pytest.param(FOUR_GROUPS, stage, marks=pytest.mark.slow) for stage in (1, 2, 3)),
    ],
)
def test_gradients_equal_those_of_the_averaged_loss_over_the_whole_model(records, sizes, stage):
    xla = "off" if 0 < stage < NUM_STAGES - 1 else "chains"  # which compiles for seconds
    config = tiny.config(**NO_DROPOUT, **sizes, xla=xla)
    trained = Trained(config, records, stage=stage)
    model, batch = trained.model, first_batch(records)
    compute = train_step.make_gradient_function(
        model, trained.optimizer, micro_batch_size=8, xla=xla
    )
    found = compute(batch, losses.loss_counts(batch), tf.constant([0, 0])).gradients
    with tf.GradientTape() as tape:  # Keras' own way, and means where ours has sums and counts
        inputs = {name: batch[name] for name in model.input if name in batch}
        outputs = model({**inputs, "dropout_seed": tf.zeros([2], tf.int32)}, training=False)
        log_probs = tf.nn.log_softmax(outputs["masked_lm_logits"])
        right = tf.gather(log_probs, batch["masked_lm_ids"], batch_dims=2)
        is_masked = batch["masked_lm_weights"] > 0
        loss = -tf.reduce_mean(tf.boolean_mask(right, is_masked))
        log_probs = tf.nn.log_softmax(outputs["sentence_pair_logits"])
        loss -= tf.reduce_mean(tf.gather(log_probs, batch["next_sentence_labels"], batch_dims=1))
    expected = tape.gradient(loss, model.trainable_variables)
    assert len(found) == len(expected)
    for variable, ours, theirs in zip(model.trainable_variables, found, expected, strict=True):
        np.testing.assert_allclose(
            ours, tf.convert_to_tensor(theirs), rtol=1e-4, atol=1e-6, err_msg=variable.name
        )


@pytest.mark.parametrize(
    ("sizes", "stage"),
    [
        ({}, 3),
        (FOUR_GROUPS, 3),
        *(pytest.param({}, stage, marks=pytest.mark.slow) for stage in (0, 1, 4)),
        *(pytest.param(FOUR_GROUPS, stage, marks=pytest.mark.slow) for stage in (0, 1, 4)),
    ],
)
def test_frozen_weights_stay_bit_identical_without_slots_and_all_others_move(records, sizes, stage):
    trained = Trained(tiny.config(**sizes), records, stage=stage)
    before = trained.weights()
    trained.train(3)
    after = trained.weights()
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    # A key's bias shifts all scores of a query alike, which softmax takes out: no gradient.
    immovable = {name for name in before if name.endswith("attention/key/bias:0")}
    trainable = {variable.name for variable in trained.model.trainable_variables}
    assert moved - immovable == trainable - immovable
    num_elements = sum(v.shape.num_elements() for v in trained.model.trainable_variables)
    assert num_slot_elements(trained.optimizer) == 2 * num_elements
    frozen_layers = stage_model.frozen_layers(trained.stage)
    assert not [name for name in moved if name.split("/")[0] in frozen_layers]


def count_products(config, records, stage):
    """Returns how many matrix products the gradient of one micro-batch takes."""
    trained = Trained(config, records, stage=stage)
    compute = train_step.make_gradient_function(
        trained.model, trained.optimizer, micro_batch_size=8, xla="chains"
    )
    batch = first_batch(records)
    graph = (
        tf.function(compute)
        .get_concrete_function(batch, losses.loss_counts(batch), tf.constant([0, 0]))
        .graph.as_graph_def()
    )
    nodes = [node for function in graph.library.function for node in function.node_def]
    return collections.Counter(node.op for node in nodes)


def test_the_trunk_costs_its_forward_products_and_nothing_else(records):
    config = tiny.config(xla="chains")
    products = {}
    for stage in range(1, NUM_STAGES):
        counts = count_products(config, records, stage)
        products[stage] = counts["MatMul"] + counts["BatchMatMulV2"]
    one_layer_forward = 6 + 2  # four of attention, two of feed-forward; scores and mixing
    # Each stage of mslt adds one frozen layer to the one before it, with its forward pass only.
    assert products[2] - products[1] == one_layer_forward
    assert products[3] - products[2] == one_layer_forward
    # Three layers more that train: forward, and a gradient to input and weights of each product;
    # and the input gradients of query, key and value, the embeddings and the tied output matrix.
    assert products[4] - products[3] > 3 * 2 * one_layer_forward


@pytest.mark.slow
@pytest.mark.parametrize("stage", [1, 2])  # one frozen layer below one, and both together
def test_whatever_xla_compiles_the_update_is_the_same(records, stage):
    weights = []
    settings = {"num_hidden_layers": 2, "num_stages": 2, "hidden_dropout_prob": 0.3}
    for xla in ("off", "chains", "step"):
        trained = Trained(tiny.config(**settings, xla=xla), records, stage=stage)
        trained.train(2)
        weights.append(trained.weights())
    for others in weights[1:]:
        for name, expected in weights[0].items():
            np.testing.assert_allclose(others[name], expected, atol=2e-5, err_msg=name)


@pytest.mark.parametrize(
    ("sizes", "stage", "xla"),
    [
        ({}, 2, "off"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (({}, 0, "chains"), (FOUR_GROUPS, 0, "off"), (FOUR_GROUPS, 2, "chains"))
        ),
    ],
)
def test_accumulated_micro_batches_give_the_update_of_the_whole_batch(records, sizes, stage, xla):
    settings = {**NO_DROPOUT, **sizes, "xla": xla}
    whole = Trained(tiny.config(**settings), records, stage=stage)
    parts = Trained(tiny.config(**settings, micro_batch_size=2), records, stage=stage)
    losses_whole, losses_parts = whole.train(3)[0], parts.train(3)[0]
    np.testing.assert_allclose(losses_parts, losses_whole, rtol=1e-5)
    for name, value in whole.weights().items():
        np.testing.assert_allclose(parts.weights()[name], value, atol=2e-6, err_msg=name)


def moments(trained):
    """Returns LAMB's two moments of each variable that trains."""
    variables = trained.model.trainable_variables
    lamb = getattr(trained.optimizer, "inner_optimizer", trained.optimizer)
    return [lamb.get_slot(variable, name) for variable in variables for name in ("m", "v")]


def assert_two_replicas_train_as_one(config, records, stage):
    one = Trained(config, records, stage=stage)
    two_replicas = strategies.one_machine(all_devices=True)
    assert two_replicas.num_replicas_in_sync == 2
    two = Trained(config, records, stage=stage, strategy=two_replicas)
    np.testing.assert_allclose(two.train(3)[0], one.train(3)[0], rtol=1e-5)
    for name, value in one.weights().items():
        np.testing.assert_allclose(two.weights()[name], value, atol=2e-6, err_msg=name)
    for ours, of_two in zip(moments(one), moments(two), strict=True):
        for on_replica in of_two.values:
            np.testing.assert_allclose(on_replica, ours, atol=2e-6, err_msg=ours.name)


@pytest.mark.slow
@pytest.mark.multi_device
def test_two_gpus_may_compile_the_update(records, monkeypatch):
    # Two processors in their place: what TensorFlow does differently for GPUs is told by this.
    monkeypatch.setattr(mirrored_strategy, "_is_gpu_device", lambda _: True)
    monkeypatch.setattr(strategies, "can_compile_updates", lambda _: True)
    assert_two_replicas_train_as_one(tiny.config(**NO_DROPOUT, xla="step"), records, stage=1)


@pytest.mark.slow  # test_training.py has a run on two devices
@pytest.mark.multi_device
@pytest.mark.parametrize(("stage", "xla"), [(1, "off"), (0, "step"), (4, "auto")])
def test_two_replicas_with_unequal_numbers_of_masked_tokens_give_the_same_update(
    records, stage, xla
):
    halves = tf.split(first_batch(records)["masked_lm_weights"], 2)
    assert tf.reduce_sum(halves[0]) != tf.reduce_sum(halves[1])
    assert_two_replicas_train_as_one(tiny.config(**NO_DROPOUT, xla=xla), records, stage)


def test_dropout_of_each_step_replica_and_micro_batch_has_a_seed_of_its_own():
    seeds = [
        train_step._fold(train_step._dropout_seed(seed, tf.constant(step), replica), part)
        for seed in (0, 1)
        for step in (0, 1, 2**31 - 1)
        for replica in (0, 1)
        for part in (0, 1)
    ]
    assert len({tuple(seed.numpy()) for seed in seeds}) == len(seeds) == 2 * 3 * 2 * 2


def test_training_uses_the_seed_of_its_step(records):
    # Weights stand still, and every batch is the same: only dropout tells the steps apart.
    settings = {"learning_rate": 1e-30, "train_batch_size": 8, "hidden_dropout_prob": 0.5}
    config = tiny.config(**settings)
    trained, again = (Trained(config, records, num_batches=1) for _ in range(2))
    found = [trained.train(1)[0][0] for _ in range(3)]
    assert len(set(found)) == 3
    assert [again.train(1)[0][0] for _ in range(3)] == found


def test_how_steps_are_cut_into_calls_changes_nothing(records):
    at_once, in_parts = (Trained(tiny.config(), records) for _ in range(2))
    at_once.train(6)
    for num_steps in (1, 3, 2):
        in_parts.train(num_steps)
    for name, value in at_once.weights().items():
        np.testing.assert_array_equal(in_parts.weights()[name], value, name)


@pytest.mark.parametrize(
    "sizes",
    [{"xla": "auto"}, pytest.param(FOUR_GROUPS, marks=pytest.mark.slow)],
    ids=["bert", "albert"],
)
@pytest.mark.parametrize(
    "precision",
    ["float32", *(pytest.param(name, marks=pytest.mark.slow) for name in ("bfloat16", "float16"))],
)
def test_the_loss_falls_in_every_precision(records, sizes, precision):
    settings = {"num_train_steps": 60, "learning_rate": 0.05, "method": "original"}
    config = tiny.config(precision=precision, **settings, **NO_DROPOUT, **sizes)
    trained = Trained(config, records)
    first = trained.train(5)[0][0]
    trained.train(40)
    last = trained.train(5)[0][0]
    assert last < first - 0.1
    assert np.isfinite(last)


@pytest.mark.parametrize("xla", ["chains", pytest.param("step", marks=pytest.mark.slow)])
def test_an_overflow_in_float16_is_skipped_and_counted(records, xla):
    trained = Trained(tiny.config(precision="float16", xla=xla, **NO_DROPOUT), records)
    trained.train(1)
    before, moments_before = trained.weights(), [m.numpy() for m in moments(trained)]
    trained.optimizer._loss_scale._current_loss_scale.assign(1e38)
    metrics, bad_step = trained.train(1)
    assert bad_step == train_step.ALL_FINITE
    assert metrics.skipped_updates == 1
    assert np.isfinite(metrics).all()
    for name, value in trained.weights().items():
        np.testing.assert_array_equal(value, before[name], name)
    np.testing.assert_equal([m.numpy() for m in moments(trained)], moments_before)


def test_a_gradient_that_is_not_finite_is_told_though_the_loss_is(records, monkeypatch):
    monkeypatch.setattr(
        optimization, "unscale_gradients", lambda _, gradients: [g * np.inf for g in gradients]
    )
    assert Trained(tiny.config(), records).train(1)[1] == 2


def test_the_first_step_with_a_loss_that_is_not_finite_is_told(records):
    trained = Trained(tiny.config(), records)
    assert trained.train(2)[1] == train_step.ALL_FINITE
    trained.model.get_layer("masked_lm").output_bias.assign(
        tf.fill([tiny.VOCAB_SIZE], float("nan"))
    )
    assert trained.train(3)[1] == 4  # the steps began at 2, two were good
