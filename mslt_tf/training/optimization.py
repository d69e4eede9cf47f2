"""LAMB, its learning rate over the whole run, and which variables decay."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from mslt_tf.config import OptimizerConfig, Precision
from mslt_tf.modeling.forms import Forms
from mslt_tf.training.lamb import Lamb

# LayerNorm's gain and every bias: neither decayed nor layer-adapted, as in BERT and in LAMB's
# reference implementation. A golden list in the tests says which variables this catches.
NO_DECAY_PATTERNS = ("layer_norm", "bias")
CLIP_NORM = 1.0  # BERT: global norm of the gradient
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-6  # BERT's


def make_optimizer(
    config: OptimizerConfig,
    *,
    global_step: tf.Variable,
    optimizer_start: int,
    variables: Sequence[tf.Variable],
    precision: Precision,
    forms: Forms = Forms.COMPILED,
) -> tf.keras.optimizers.legacy.Optimizer:
    """Returns a fresh LAMB with slots for `variables`; its learning rate follows `global_step`.

    Args:
        config: peak, warm-up and decay.
        global_step: int64 scalar, updates done since the run began.
        optimizer_start: the global step at which it began; its stage warm-up counts from
            there.
        variables: what it will train; it keeps m and v for these only.
        precision: "float16" adds dynamic loss scaling.
        forms: those of the model; whether XLA makes one pass of the update depends on them.
    """
    lamb = Lamb(
        forms=forms,
        # A function, not a Keras schedule: that would count this optimizer's own updates, which
        # begin anew in every stage.
        learning_rate=lambda: learning_rate(global_step, config, optimizer_start=optimizer_start),
        beta_1=BETA_1,
        beta_2=BETA_2,
        epsilon=EPSILON,
        # A function too: as a value it would be restored from a checkpoint, whatever the flag says.
        weight_decay=lambda: tf.constant(config.weight_decay_rate),
        exclude_from_weight_decay=list(NO_DECAY_PATTERNS),
        exclude_from_layer_adaptation=list(NO_DECAY_PATTERNS),
    )
    if precision == "float16":
        lamb = tf.keras.mixed_precision.LossScaleOptimizer(lamb)
    # Keras would make the slots in the first step; a checkpoint is restored before that.
    lamb._create_all_weights(list(variables))
    return lamb


def apply_clipped(
    optimizer: tf.keras.optimizers.legacy.Optimizer,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[tf.Variable],
    *,
    norm: tf.Tensor,
) -> None:
    """Updates the variables by gradients that are scaled down to a global norm of `CLIP_NORM`.

    Args:
        optimizer: of `make_optimizer`.
        gradients: float32, summed over replicas, each of which must call this.
        variables: as many.
        norm: the global norm of the gradients, float32 scalar.
    """
    lamb = optimizer.inner_optimizer if _scales_loss(optimizer) else optimizer
    with lamb.scaling_gradients(CLIP_NORM / tf.maximum(norm, CLIP_NORM)):
        optimizer.apply_gradients(
            zip(gradients, variables, strict=True),
            experimental_aggregate_gradients=False,  # they are summed already
        )


def get_state(optimizer: tf.keras.optimizers.legacy.Optimizer) -> list[np.ndarray]:
    """Returns all that an optimizer remembers: its count, its slots, in float16 the loss scale."""
    return [variable.numpy() for variable in _state_variables(optimizer)]


def set_state(
    optimizer: tf.keras.optimizers.legacy.Optimizer, values: Sequence[np.ndarray]
) -> None:
    """Gives an optimizer of the same variables what `get_state` returned."""
    for variable, value in zip(_state_variables(optimizer), values, strict=True):
        variable.assign(value)


def _state_variables(optimizer: tf.keras.optimizers.legacy.Optimizer) -> list[tf.Variable]:
    if not _scales_loss(optimizer):
        return list(optimizer.weights)
    scale = optimizer._loss_scale  # Keras shows its value only, not the variable
    return [*optimizer.weights, scale.current_loss_scale, scale.counter]


def learning_rate(
    global_step: tf.Tensor | tf.Variable, config: OptimizerConfig, *, optimizer_start: int = 0
) -> tf.Tensor:
    """Returns BERT's learning rate for the update after `global_step` updates: float32 scalar.

    Linear warm-up from 0, then linear decay to 0 at the run's end, not offset by the warm-up. With
    `stage_warmup_steps`, an optimizer that begins after step 0 warms up again from its start.
    """
    step = tf.cast(global_step, tf.float32)
    warming_up = step / max(config.num_warmup_steps, 1)
    decaying = 1.0 - step / config.num_train_steps
    rate = tf.where(step < config.num_warmup_steps, warming_up, decaying)
    if config.stage_warmup_steps and optimizer_start:
        rate *= tf.minimum((step - optimizer_start + 1) / config.stage_warmup_steps, 1.0)
    return config.learning_rate * rate


def scale_loss(optimizer: tf.keras.optimizers.legacy.Optimizer, loss: tf.Tensor) -> tf.Tensor:
    """Returns the loss to differentiate: scaled up in float16, as it is otherwise."""
    return optimizer.get_scaled_loss(loss) if _scales_loss(optimizer) else loss


def unscale_gradients(
    optimizer: tf.keras.optimizers.legacy.Optimizer, gradients: Sequence[tf.Tensor]
) -> list[tf.Tensor]:
    """Takes the factor of `scale_loss` out of the gradients again."""
    if _scales_loss(optimizer):
        return list(optimizer.get_unscaled_gradients(gradients))
    return list(gradients)


def can_recover(optimizer: tf.keras.optimizers.legacy.Optimizer) -> tf.Tensor:
    """Returns whether a gradient that is not finite may be an overflow that a lower scale mends.

    Such an update is skipped and the scale halved; at scale 1 the loss itself is at fault.
    """
    return optimizer.loss_scale > 1.0 if _scales_loss(optimizer) else tf.constant(False)


def _scales_loss(optimizer: tf.keras.optimizers.legacy.Optimizer) -> bool:
    return isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer)
