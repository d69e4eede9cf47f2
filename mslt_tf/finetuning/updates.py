"""The updates of a trial, one after the other: by which examples, at which rate."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import tensorflow as tf

from mslt_tf.finetuning import length_batches, train_step
from mslt_tf.finetuning.objectives import Objective
from mslt_tf.finetuning.sequences import Sequences
from mslt_tf.finetuning.trial import Trial
from mslt_tf.finetuning.trial_parts import TrialParts
from mslt_tf.finetuning_settings import TrainingSettings


class Update(NamedTuple):
    """One update that was done."""

    step: int  # updates done, this one included
    num_examples: int
    loss: float
    gradient_norm: float
    learning_rate: float


def updates(
    parts: TrialParts,
    objective: Objective,
    sequences: Sequences,
    trial: Trial,
    settings: TrainingSettings,
    *,
    num_steps: int,
) -> Iterator[Update]:
    """Does the updates from where `parts` stand up to `num_steps`, and tells of each.

    Args:
        parts: what is trained.
        objective: of the task.
        sequences: the examples, with targets.
        trial: whose learning rate and seed they are.
        settings: of the training.
        num_steps: of the whole training, over which the learning rate rises and falls.
    """
    assert sequences.targets is not None
    update = train_step.make_train_step(parts.model, objective, parts.optimizer)
    first = int(parts.step.numpy())
    per_epoch = steps_per_epoch(sequences, settings)
    for step in range(first, num_steps):
        if step == first or step % per_epoch == 0:
            batches = epoch_batches(sequences, settings, trial.seed, step // per_epoch)
        examples = batches[step % per_epoch]
        batch = sequences.padded(examples, multiple=length_batches.LENGTH_MULTIPLE)
        rate = train_step.learning_rate(
            step,
            peak=trial.learning_rate,
            num_steps=num_steps,
            warmup_fraction=settings.warmup_fraction,
        )
        loss, norm = update(
            {name: tf.constant(values) for name, values in batch.items()},
            tf.constant(sequences.targets[examples], objective.targets.dtype),
            tf.constant(rate),
            tf.constant([trial.seed, step], tf.int64),
        )
        parts.step.assign_add(1)
        yield Update(step + 1, len(examples), float(loss), float(norm), rate)


def steps_per_epoch(sequences: Sequences, settings: TrainingSettings) -> int:
    """Returns how many updates go through all examples once."""
    return math.ceil(len(sequences) / settings.train_batch_size)


def epoch_batches(
    sequences: Sequences, settings: TrainingSettings, seed: int, epoch: int
) -> list[length_batches.Integers]:
    """Returns the numbers of the examples of each update of an epoch."""
    return length_batches.epoch_batches(
        sequences.lengths, batch_size=settings.train_batch_size, seed=seed, epoch=epoch
    )
