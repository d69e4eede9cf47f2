"""The compiled step of one stage: many updates in one call, gradients for what trains only."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Self

import tensorflow as tf

from mslt_tf.config import PretrainingConfig, Xla
from mslt_tf.distribution import strategies
from mslt_tf.distribution.gradient_sums import sum_over_replicas
from mslt_tf.modeling.forms import Forms
from mslt_tf.pretraining import losses, padding
from mslt_tf.pretraining.losses import LossCounts, Losses
from mslt_tf.records.batch import Batch
from mslt_tf.training import optimization

ALL_FINITE = tf.int64.max


class StepMetrics(NamedTuple):
    """What steps report, each a float32 scalar: of one step, or summed over several."""

    masked_lm_loss: tf.Tensor
    sentence_pair_loss: tf.Tensor
    gradient_norm: tf.Tensor  # 0 of a skipped update
    skipped_updates: tf.Tensor  # in float16: the gradient overflowed

    @classmethod
    def zeros(cls) -> Self:
        """Returns the sums of no step."""
        return cls(*(tf.zeros([]) for _ in cls._fields))

    def add(self, other: Self) -> Self:
        """Returns the sums of both."""
        return type(self)(*(a + b for a, b in zip(self, other, strict=True)))


class Shares(NamedTuple):
    """A replica's part of losses and gradients; parts add up over micro-batches and replicas."""

    losses: Losses
    gradients: list[tf.Tensor]  # of the model's trainable variables, float32


# Takes an iterator of per-replica batches and a number of steps (int64 scalar, a tensor, or each
# number would trace anew); returns the sums over the steps, and the global step whose loss or
# gradient was first not finite, or ALL_FINITE.
TrainSteps = Callable[[Iterator[Batch], tf.Tensor], tuple[StepMetrics, tf.Tensor]]


def make_train_steps(
    config: PretrainingConfig,
    *,
    strategy: tf.distribute.Strategy,
    model: tf.keras.Model,
    optimizer: tf.keras.optimizers.legacy.Optimizer,
    global_step: tf.Variable,
    micro_batch_size: int,
    xla: Xla,
) -> TrainSteps:
    """Returns the function that trains `model`'s trainable variables for a number of steps.

    Args:
        config: of the run.
        strategy: under which all variables were made.
        model: of the stage.
        optimizer: of its trainable variables.
        global_step: counts the steps.
        micro_batch_size: sequences that a replica sends through at once; divides its share.
        xla: what `choose_xla` chose.
    """
    compute_gradients = make_gradient_function(
        model,
        optimizer,
        micro_batch_size=micro_batch_size,
        xla=xla,
        trim_padding=padding.is_wanted(config),
    )
    update = _make_update(optimizer, model.trainable_variables, global_step)
    if xla == "step" and strategies.can_compile_updates(strategy):
        # As a whole: a program for each variable takes minutes to compile for a GPU.
        update = tf.function(update, jit_compile=True, autograph=False)
    transport = tf.as_dtype(config.gradient_transport)

    def replica_step(batch: Batch) -> tuple[StepMetrics, tf.Tensor]:
        context = tf.distribute.get_replica_context()
        counts = LossCounts(*sum_over_replicas(context, losses.loss_counts(batch)))
        seed = _dropout_seed(config.seed, global_step, context.replica_id_in_sync_group)
        shares = compute_gradients(batch, counts, seed)
        loss_sums = Losses(*sum_over_replicas(context, shares.losses))
        gradients = sum_over_replicas(context, shares.gradients, transport=transport)
        return update(loss_sums, gradients)

    @tf.function
    def train_steps(
        iterator: Iterator[Batch], num_steps: tf.Tensor
    ) -> tuple[StepMetrics, tf.Tensor]:
        totals, first_bad_step = StepMetrics.zeros(), tf.constant(ALL_FINITE, tf.int64)
        for _ in tf.range(num_steps):
            # Sums over replicas already, so any replica's will do.
            metrics, bad_step = tf.nest.map_structure(
                lambda values: strategy.experimental_local_results(values)[0],
                strategy.run(replica_step, args=(next(iterator),)),
            )
            totals = totals.add(metrics)
            first_bad_step = tf.minimum(first_bad_step, bad_step)
        return totals, first_bad_step

    return train_steps


def _make_update(
    optimizer: tf.keras.optimizers.legacy.Optimizer,
    variables: Sequence[tf.Variable],
    global_step: tf.Variable,
) -> Callable[[Losses, list[tf.Tensor]], tuple[StepMetrics, tf.Tensor]]:
    """Returns a function of (losses, gradients), summed over replicas, that takes the step.

    It returns the step's metrics, and its number if something was not finite, else ALL_FINITE.
    """

    @tf.autograph.experimental.do_not_convert
    def update(loss_sums: Losses, gradients: list[tf.Tensor]) -> tuple[StepMetrics, tf.Tensor]:
        gradients = optimization.unscale_gradients(optimizer, gradients)
        norm = tf.linalg.global_norm(gradients)
        is_finite = tf.math.is_finite(norm)
        is_good = is_finite | optimization.can_recover(optimizer)
        is_good &= tf.math.is_finite(loss_sums.masked_lm + loss_sums.sentence_pair)
        bad_step = tf.where(is_good, ALL_FINITE, tf.identity(global_step))
        optimization.apply_clipped(optimizer, gradients, variables, norm=norm)
        global_step.assign_add(1)
        metrics = StepMetrics(
            loss_sums.masked_lm,
            loss_sums.sentence_pair,
            gradient_norm=tf.where(is_finite, norm, 0.0),
            skipped_updates=1.0 - tf.cast(is_finite, tf.float32),
        )
        return metrics, bad_step

    return update


def make_gradient_function(
    model: tf.keras.Model,
    optimizer: tf.keras.optimizers.legacy.Optimizer,
    *,
    micro_batch_size: int,
    xla: Xla,
    trim_padding: bool = False,
) -> Callable[[Batch, LossCounts, tf.Tensor], Shares]:
    """Returns a function of (one replica's batch, counts over all replicas, dropout seed).

    Frozen variables are not watched, so nothing of the trunk is recorded for the backward pass.
    With `trim_padding`, micro-batches are cut by `padding` where there may be less to compute.
    """
    variables = model.trainable_variables
    forms = forms_for(xla)  # of the loss; the model was built with its own

    @tf.function(jit_compile=True if xla == "step" else None)
    @tf.autograph.experimental.do_not_convert  # no loop over tensors; converting takes seconds
    def micro_batch_shares(batch: Batch, counts: LossCounts, seed: tf.Tensor) -> Shares:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            mean_losses = _mean_losses(model, batch, counts, seed, forms)
            loss = optimization.scale_loss(
                optimizer, mean_losses.masked_lm + mean_losses.sentence_pair
            )
        gradients = tape.gradient(loss, variables)
        return Shares(mean_losses, [tf.convert_to_tensor(g) for g in gradients])

    def compute_gradients(batch: Batch, counts: LossCounts, seed: tf.Tensor) -> Shares:
        batch_size = batch["input_ids"].shape[0]
        if micro_batch_size == batch_size:
            return micro_batch_shares(batch, counts, _fold(seed, 0))
        num_micro_batches = batch_size // micro_batch_size
        seq_length = batch["input_ids"].shape[1]
        trims = trim_padding and padding.can_be_trimmed(
            seq_length=seq_length, num_micro_batches=num_micro_batches
        )
        if trims:
            batch = padding.sorted_by_length(batch)
        parts = {
            name: tf.reshape(values, [num_micro_batches, micro_batch_size, *values.shape[1:]])
            for name, values in batch.items()
        }
        totals = Shares(Losses(tf.zeros([]), tf.zeros([])), [tf.zeros(v.shape) for v in variables])
        for index in tf.range(num_micro_batches):
            part = {name: values[index] for name, values in parts.items()}
            compute = functools.partial(micro_batch_shares, counts=counts, seed=_fold(seed, index))
            shares = padding.without_padding(compute, part) if trims else compute(part)
            totals = tf.nest.map_structure(tf.add, totals, shares)
        return totals

    return compute_gradients


def choose_xla(config: PretrainingConfig) -> Xla:
    """Returns what XLA compiles: as told, or what suits the machine; see benchmarks/results."""
    if config.xla != "auto":
        return config.xla
    if tf.config.list_physical_devices("TPU"):
        return "off"
    return "step" if tf.config.list_physical_devices("GPU") else "chains"


def forms_for(xla: Xla) -> Forms:
    """Returns how a model and its loss are best computed in training, by what `choose_xla` chose.

    By fast forms always; of the cross entropy only where XLA compiles chains. Where XLA compiles
    the whole step, it joins the chains by itself.
    """
    return Forms.COMPILED if xla == "chains" else Forms.FAST


def _mean_losses(
    model: tf.keras.Model,
    batch: Batch,
    counts: LossCounts,
    seed: tf.Tensor,
    forms: Forms,
) -> Losses:
    """Returns a batch's shares of the two losses, each averaged over its count of `counts`."""
    outputs = model(_model_inputs(batch, seed), training=True)
    masked_lm_losses = losses.masked_lm_losses(outputs["masked_lm_logits"], batch, forms)
    pair_losses = losses.sentence_pair_losses(outputs["sentence_pair_logits"], batch)
    return Losses(
        tf.math.divide_no_nan(tf.reduce_sum(masked_lm_losses), counts.masked_tokens),
        tf.reduce_sum(pair_losses) / counts.sequences,
    )


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
