"""One update of a fine-tuning: AdamW, its learning rate, the compiled step.

Sources: Devlin et al. 2018, appendix A.3, and Loshchilov and Hutter 2017 (AdamW).
"""

from collections.abc import Callable, Mapping

import tensorflow as tf

from mslt_tf.finetuning import task_model
from mslt_tf.finetuning.objectives import Objective
from mslt_tf.training import optimization
from mslt_tf.training.adamw import AdamW

# Takes a batch (`input_ids`, `input_mask`, `segment_ids`), targets, the learning rate and the
# dropout's seed, int64 [2]; returns the mean loss and the gradient's norm before it is clipped.
TrainStep = Callable[
    [Mapping[str, tf.Tensor], tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]
]


def learning_rate(step: int, *, peak: float, num_steps: int, warmup_fraction: float) -> float:
    """Returns the rate of the update after `step` updates: linear from 0 to peak, then to 0.

    >>> learning_rate(5, peak=1.0, num_steps=100, warmup_fraction=0.1)
    0.5
    >>> learning_rate(55, peak=1.0, num_steps=100, warmup_fraction=0.1)
    0.5
    """
    num_warmup_steps = int(warmup_fraction * num_steps)
    if step < num_warmup_steps:
        return peak * step / num_warmup_steps
    return peak * (num_steps - step) / (num_steps - num_warmup_steps)


def make_optimizer(
    variables: list[tf.Variable], *, weight_decay: float
) -> tf.keras.optimizers.Optimizer:
    """Returns AdamW with slots for `variables`; LayerNorm and biases do not decay."""
    adamw = AdamW(
        learning_rate=0.0,  # each step is told its own
        decay_rate=weight_decay,
        no_decay_patterns=optimization.NO_DECAY_PATTERNS,
        beta_1=optimization.BETA_1,
        beta_2=optimization.BETA_2,
        epsilon=optimization.EPSILON,
    )
    adamw.build(variables)
    return adamw


def make_train_step(
    model: tf.keras.Model, objective: Objective, optimizer: tf.keras.optimizers.Optimizer
) -> TrainStep:
    """Returns the function that trains all of a model's variables by one batch, of any length."""
    variables = model.trainable_variables
    signature = [
        task_model.batch_specs(),
        objective.targets,
        tf.TensorSpec([], tf.float32),
        tf.TensorSpec([2], tf.int64),
    ]

    @tf.function(autograph=False, input_signature=signature)
    def train_step(
        batch: Mapping[str, tf.Tensor], targets: tf.Tensor, rate: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            outputs = model({**batch, "dropout_seed": seed}, training=True)
            losses = objective.losses(outputs, targets, batch["input_mask"])
            loss = tf.reduce_mean(losses)
        # The rows of tables that were looked up are summed first: a word that comes twice has one
        # gradient, of which the norm is taken.
        gradients = [tf.convert_to_tensor(g) for g in tape.gradient(loss, variables)]
        gradients, norm = tf.clip_by_global_norm(gradients, optimization.CLIP_NORM)
        optimizer.learning_rate.assign(rate)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss, norm

    return train_step
