"""What the collectives of a compiled step carry, on two logical devices."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf import cost_model
from mslt_tf.distribution import gradient_sums, strategies
from mslt_tf.errors import UserError
from tests import tiny
from tests.pretraining.trained_stage import Trained

pytestmark = pytest.mark.multi_device


def summed(tensors, **options):
    """Returns sums over two replicas, the second of which has twice the values of the first."""

    @tf.function
    def run():
        def replica(context):
            factor = tf.cast(context.replica_id_in_sync_group + 1, tf.float32)
            return gradient_sums.sum_over_replicas(
                context, [tf.cast(factor, t.dtype) * t for t in tensors], **options
            )

        strategy = strategies.one_machine(all_devices=True)
        sums = strategy.run(lambda: replica(tf.distribute.get_replica_context()))
        return [strategy.experimental_local_results(each) for each in sums]

    concrete = run.get_concrete_function()
    return run(), gradient_sums.measure(concrete, num_local_replicas=2)


@pytest.mark.parametrize(("bytes_per_collective", "num_collectives"), [(10**6, 1), (40, 5)])
def test_sums_are_right_and_cut_where_a_tensor_is_too_large(
    monkeypatch, bytes_per_collective, num_collectives
):
    monkeypatch.setattr(gradient_sums, "BYTES_PER_COLLECTIVE", bytes_per_collective)
    tensors = [tf.range(n, dtype=tf.float32) + n for n in (25, 3, 1, 12)]
    tensors[3] = tf.reshape(tensors[3], [3, 4])
    sums, communication = summed(tensors)
    for (ours, other), tensor in zip(sums, tensors, strict=True):
        np.testing.assert_array_equal(ours, 3 * tensor)
        np.testing.assert_array_equal(other, 3 * tensor)
    assert communication.num_bytes == 4 * (25 + 3 + 1 + 12)
    assert communication.num_collectives == num_collectives


def test_tensors_in_bfloat16_are_added_up_in_float32():
    values = tf.range(256, dtype=tf.float32)  # thrice as much takes more than 8 bits
    [(ours, other)], communication = summed([tf.cast(values, tf.bfloat16)])
    assert ours.dtype == tf.float32
    np.testing.assert_array_equal(ours, 3 * values)
    np.testing.assert_array_equal(other, 3 * values)
    assert communication.num_bytes == 4 * 256


@pytest.mark.parametrize(("transport", "digits"), [(tf.bfloat16, 8), (tf.float16, 11)])
def test_a_short_transport_halves_the_bytes_and_rounds(transport, digits):
    values = tf.random.stateless_normal([1000], [1, 2])
    [(ours, _)], communication = summed([values], transport=transport)
    assert ours.dtype == tf.float32
    np.testing.assert_allclose(ours, 3 * values, rtol=2.0 ** (1 - digits))
    assert np.any(ours.numpy() != 3 * values.numpy())
    assert communication.num_bytes == 2 * 1000


FOUR_GROUPS = {"embedding_size": 6, "num_hidden_groups": 4}


@pytest.mark.parametrize(
    ("stage", "sizes", "transport"),
    [
        (1, {}, "float32"),
        (1, FOUR_GROUPS, "bfloat16"),
        *(pytest.param(stage, {}, "float32", marks=pytest.mark.slow) for stage in (0, 2, 3, 4)),
        pytest.param(0, FOUR_GROUPS, "float32", marks=pytest.mark.slow),
    ],
)
def test_a_step_carries_what_the_cost_model_says_and_no_more(records, sizes, stage, transport):
    config = tiny.config(gradient_transport=transport, **sizes)
    trained = Trained(
        config, records, stage=stage, strategy=strategies.one_machine(all_devices=True)
    )
    concrete = trained.concrete_function()
    found = gradient_sums.measure(concrete, num_local_replicas=2)
    expected = cost_model.stage_cost(config.model, config.plan.stages[stage])
    assert found.num_bytes == expected.all_reduce_bytes(transport)


def test_a_sum_over_the_cores_of_a_tpu_counts_once():
    @tf.function
    def run(values):
        return tf.raw_ops.CrossReplicaSum(input=values, group_assignment=[[0, 1]])

    concrete = run.get_concrete_function(tf.TensorSpec([25]))
    found = gradient_sums.measure(concrete, num_local_replicas=2)
    assert found == gradient_sums.Communication(num_collectives=1, num_bytes=4 * 25)


def test_one_device_communicates_nothing(records):
    concrete = Trained(tiny.config(), records).concrete_function()
    found = gradient_sums.measure(concrete, num_local_replicas=1)
    assert found == gradient_sums.Communication(num_collectives=0, num_bytes=0)


@pytest.mark.slow
def test_training_with_a_short_transport_stays_close(records):
    strategy = strategies.one_machine(all_devices=True)
    losses = {}
    for transport in ("float32", "bfloat16", "float16"):
        config = tiny.config(gradient_transport=transport, hidden_dropout_prob=0)
        losses[transport] = Trained(config, records, strategy=strategy).train(5)[0][0]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=1e-2)
    assert losses["float16"] == pytest.approx(losses["float32"], rel=1e-2)


def test_gpus_are_not_asked_for_what_nccl_cannot_add_up(monkeypatch):
    gradient_sums.check_transport("bfloat16", num_replicas=2)  # CPUs can
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0", "GPU:1"])
    for transport, num_replicas in (("float16", 2), ("float32", 2), ("bfloat16", 1)):
        gradient_sums.check_transport(transport, num_replicas=num_replicas)
    with pytest.raises(UserError, match=r"bfloat16, which .* NCCL, .* Use float32, or float16"):
        gradient_sums.check_transport("bfloat16", num_replicas=2)
