"""The compiled step of one stage: many updates in one call, gradients for what trains only."""

from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from mslt_tf.config import PretrainingConfig, Xla
from mslt_tf.distribution import strategies
from mslt_tf.distribution.gradient_sums import sum_over_replicas
from mslt_tf.modeling import one_pass
from mslt_tf.pretraining import losses
from mslt_tf.records.batch import Batch
from mslt_tf.training import optimization

METRICS = ("masked_lm_loss", "sentence_pair_loss", "gradient_norm", "skipped_updates")
ALL_FINITE = tf.int64.max

# Takes an iterator of per-replica batches and a number of steps (int64 scalar, a tensor, or each
# number would trace anew); returns METRICS summed over the steps, float32 [4], and the global step
# whose loss or gradient was first not finite, or ALL_FINITE. A skipped update (float16: overflow)
# has no gradient norm, and counts 0 to its sum.
TrainSteps = Callable[[Iterator[Batch], tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def make_train_steps(
    config: PretrainingConfig,
    *,
    strategy: tf.distribute.Strategy,
    model: tf.keras.Model,
    optimizer: tf.keras.optimizers.legacy.Optimizer,
    global_step: tf.Variable,
    micro_batch_size: int = 0,
) -> TrainSteps:
    """Returns the function that trains `model`'s trainable variables for a number of steps.

    A replica sends `micro_batch_size` sequences through at once, all by default.
    """
    compute_gradients = make_gradient_function(
        config, model=model, optimizer=optimizer, micro_batch_size=micro_batch_size
    )
    xla = choose_xla(config)
    update = _make_update(optimizer, model.trainable_variables, global_step, xla)
    if xla == "step" and strategies.can_compile_updates(strategy):
        # As a whole: a program for each variable takes minutes to compile for a GPU.
        update = tf.function(update, jit_compile=True, autograph=False)
    transport = tf.as_dtype(config.gradient_transport)

    def replica_step(batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
        context = tf.distribute.get_replica_context()
        counts = sum_over_replicas(context, losses.loss_counts(batch))
        seed = _dropout_seed(config.seed, global_step, context.replica_id_in_sync_group)
        shares = compute_gradients(batch, counts, seed)
        loss_sums = sum_over_replicas(context, shares[:2])
        gradients = sum_over_replicas(context, shares[2:], transport=transport)
        return update(loss_sums, gradients)

    @tf.function
    def train_steps(iterator: Iterator[Batch], num_steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        totals, first_bad_step = tf.zeros([len(METRICS)]), tf.constant(ALL_FINITE, tf.int64)
        for _ in tf.range(num_steps):
            metrics, bad_step = strategy.run(replica_step, args=(next(iterator),))
            # Sums over replicas already, so any replica's will do.
            totals += strategy.experimental_local_results(metrics)[0]
            first_bad_step = tf.minimum(
                first_bad_step, strategy.experimental_local_results(bad_step)[0]
            )
        return totals, first_bad_step

    return train_steps


def _make_update(
    optimizer: tf.keras.optimizers.legacy.Optimizer,
    variables: Sequence[tf.Variable],
    global_step: tf.Variable,
    xla: Xla,
) -> Callable[[list[tf.Tensor], list[tf.Tensor]], tuple[tf.Tensor, tf.Tensor]]:
    """Returns a function of (losses, gradients), summed over replicas, that takes the step.

    It returns METRICS of the step, and its number if something was not finite, else ALL_FINITE.
    """

    def update(
        loss_sums: list[tf.Tensor], gradients: list[tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        gradients = optimization.unscale_gradients(optimizer, gradients)
        with one_pass.compiling(xla == "chains"):
            norm = optimization.global_norm(gradients)
        is_finite = tf.math.is_finite(norm)
        is_good = is_finite | optimization.can_recover(optimizer)
        is_good &= tf.math.is_finite(loss_sums[0] + loss_sums[1])
        bad_step = tf.where(is_good, ALL_FINITE, tf.identity(global_step))
        optimization.apply_clipped(optimizer, gradients, variables, norm=norm)
        global_step.assign_add(1)
        skipped = 1.0 - tf.cast(is_finite, tf.float32)
        return tf.stack([*loss_sums, tf.where(is_finite, norm, 0.0), skipped]), bad_step

    return update


def make_gradient_function(
    config: PretrainingConfig,
    *,
    model: tf.keras.Model,
    optimizer: tf.keras.optimizers.legacy.Optimizer,
    micro_batch_size: int = 0,
) -> Callable[[Batch, list[tf.Tensor], tf.Tensor], list[tf.Tensor]]:
    """Returns a function of (one replica's batch, counts over all replicas, dropout seed).

    It returns the replica's share of [masked LM loss, sentence loss, *gradients of
    `model.trainable_variables`]; shares add up over micro-batches and replicas. Frozen variables
    are not watched, so nothing of the trunk is recorded for the backward pass.

    All are float32, with one exception: where XLA compiles chains and the batch goes through at
    once, a matrix that a single product uses in bfloat16 has its gradient in bfloat16. The norm and
    LAMB widen it in passing. Gradients that are summed over several uses are float32.
    """
    variables = model.trainable_variables
    xla = choose_xla(config)

    @tf.function(jit_compile=True if xla == "step" else None)
    def micro_batch_gradients(
        batch: Batch, counts: list[tf.Tensor], seed: tf.Tensor
    ) -> list[tf.Tensor]:
        with one_pass.compiling(xla == "chains"):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(variables)
                masked_lm_loss, sentence_pair_loss = _mean_losses(model, batch, counts, seed)
                loss = optimization.scale_loss(optimizer, masked_lm_loss + sentence_pair_loss)
            gradients = tape.gradient(loss, variables)
        dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
        if xla == "chains":
            dense = [_before_widening(gradient) for gradient in dense]
        return [masked_lm_loss, sentence_pair_loss, *dense]

    def compute_gradients(
        batch: Batch, counts: list[tf.Tensor], seed: tf.Tensor
    ) -> list[tf.Tensor]:
        batch_size = batch["input_ids"].shape[0]
        part_size = min(micro_batch_size or batch_size, batch_size)
        if part_size == batch_size:
            return micro_batch_gradients(batch, counts, _fold(seed, 0))
        num_micro_batches = batch_size // part_size
        parts = {
            name: tf.reshape(values, [num_micro_batches, part_size, *values.shape[1:]])
            for name, values in batch.items()
        }
        totals = [tf.zeros([]), tf.zeros([]), *(tf.zeros(v.shape) for v in variables)]
        for index in tf.range(num_micro_batches):
            part = {name: values[index] for name, values in parts.items()}
            shares = micro_batch_gradients(part, counts, _fold(seed, index))
            totals = [
                total + tf.cast(share, tf.float32)
                for total, share in zip(totals, shares, strict=True)
            ]
        return totals

    return compute_gradients


def choose_xla(config: PretrainingConfig) -> Xla:
    """Returns what XLA compiles: as told, or what suits the machine; see benchmarks/README.md."""
    if config.xla != "auto":
        return config.xla
    if tf.config.list_physical_devices("TPU"):
        return "off"
    return "step" if tf.config.list_physical_devices("GPU") else "chains"


def _mean_losses(
    model: tf.keras.Model, batch: Batch, counts: list[tf.Tensor], seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns a batch's shares of the two losses, each averaged over its count of `counts`."""
    num_masked, num_sequences = counts
    outputs = model(_model_inputs(batch, seed), training=True)
    masked_lm_losses = losses.masked_lm_losses(outputs["masked_lm_logits"], batch)
    pair_losses = losses.sentence_pair_losses(outputs["sentence_pair_logits"], batch)
    return (
        tf.math.divide_no_nan(tf.reduce_sum(masked_lm_losses), num_masked),
        tf.reduce_sum(pair_losses) / num_sequences,
    )


def _before_widening(gradient: tf.Tensor) -> tf.Tensor:
    """Returns the bfloat16 matrix that a gradient was cast from, if it was: the same numbers.

    Keras casts a variable where a layer reads it; the gradient of that is the cast back.
    """
    op = gradient.op
    was_cast = op.type == "Cast" and op.inputs[0].dtype == tf.bfloat16
    # Vectors are so small that a compiled call for their norm would cost more than a cast.
    return op.inputs[0] if was_cast and gradient.shape.rank == 2 else gradient


def _model_inputs(batch: Batch, dropout_seed: tf.Tensor) -> Batch:
    names = ("input_ids", "input_mask", "segment_ids", "masked_lm_positions")
    return {**{name: batch[name] for name in names}, "dropout_seed": dropout_seed}


def _dropout_seed(seed: int, global_step: tf.Variable, replica_id: tf.Tensor | int) -> tf.Tensor:
    """Returns the int64 [2] seed of one replica's dropout in one step."""
    step_seed = tf.stack([tf.constant(seed, tf.int64), tf.cast(global_step, tf.int64)])
    return _fold(step_seed, replica_id)


def _fold(seed: tf.Tensor, data: tf.Tensor | int) -> tf.Tensor:
    # 64 bits: with 32, some steps of a million would meet in the same folded seed.
    data = tf.cast(data, tf.int64)
    return tf.random.experimental.stateless_fold_in(seed, data, alg="philox")
