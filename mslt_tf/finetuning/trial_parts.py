"""The variables of a trial, and the values that they start from."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any, Self

import tensorflow as tf

from mslt_tf.files import file_errors
from mslt_tf.finetuning import task_model, train_step, trial
from mslt_tf.finetuning.objectives import Objective
from mslt_tf.finetuning_settings import TrainingSettings
from mslt_tf.modeling import bert
from mslt_tf.modeling.trained_model import TrainedModel
from mslt_tf.training import checkpointing
from mslt_tf.training.checkpointing import Checkpoint


def newest_checkpoint(folder: str, *, report: Callable[[str], None]) -> Checkpoint | None:
    """Returns the checkpoint of a trial, None where it has none.

    Args:
        folder: of the trial.
        report: takes a line about what is passed over.

    Raises:
        UserError: it is damaged, or cannot be read.
    """
    checkpoints = os.path.join(folder, trial.CHECKPOINTS)
    with file_errors.reading(checkpoints):
        return checkpointing.newest(
            checkpoints,
            report=report,
            advice=f"Restore one from elsewhere, or move {folder} away and start again: this "
            "trial alone is trained anew.",
        )


@dataclasses.dataclass(frozen=True)
class TrialParts:
    """The variables of a trial."""

    model: tf.keras.Model
    optimizer: tf.keras.optimizers.Optimizer
    step: tf.Variable  # updates done, int64

    @classmethod
    def build(
        cls,
        encoder: TrainedModel,
        objective: Objective,
        settings: TrainingSettings,
        *,
        seed: int,
    ) -> Self:
        """Returns them before the first step."""
        model = task_model.build(
            encoder.config,
            objective,
            seed=seed,
            compute_dtype=bert.COMPUTE_DTYPES[settings.precision],
        )
        if not settings.from_scratch:
            task_model.start_from(model, encoder)
        optimizer = train_step.make_optimizer(
            model.trainable_variables, weight_decay=settings.weight_decay_rate
        )
        return cls(model, optimizer, tf.Variable(0, dtype=tf.int64))

    def save(
        self,
        folder: str,
        *,
        num_steps: int,
        identity: Mapping[str, Any],
        settings: Mapping[str, Any],
        report: Callable[[str], None],
    ) -> None:
        """Writes a checkpoint in place of the one before; after the last step of the model alone.

        Raises:
            tensorflow.errors.OpError, OSError: it cannot be written.
        """
        step = int(self.step.numpy())
        checkpointing.save(
            os.path.join(folder, trial.CHECKPOINTS),
            self._trackable(of_end=step == num_steps),
            step=step,
            identity=identity,
            settings=settings,
            num_kept=1,
            report=report,
        )

    def restore(self, checkpoint: Checkpoint, *, num_steps: int) -> None:
        """Takes the values of a checkpoint.

        Raises:
            UserError: its files are damaged.
        """
        checkpointing.restore(checkpoint, self._trackable(of_end=checkpoint.step == num_steps))

    def _trackable(self, *, of_end: bool) -> tf.train.Checkpoint:
        optimizer = tf.train.Checkpoint() if of_end else self.optimizer
        return checkpointing.trackable(self.model, optimizer, self.step)
