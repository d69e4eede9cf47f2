"""A run as a value: what its stages need, and how its checkpoints are saved."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from mslt_tf.config import PretrainingConfig, Xla
from mslt_tf.distribution.workers import Workers
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, folder_lock
from mslt_tf.modeling import weights
from mslt_tf.modeling.weights import Weights
from mslt_tf.pretraining import run_folder
from mslt_tf.records.record_sets import RecordSets
from mslt_tf.stage_plan import Stage, StagePlan, StageSpan
from mslt_tf.terminal import say
from mslt_tf.training import checkpoint_folder, checkpointing, metrics_log
from mslt_tf.training.run_log import RunLog


@dataclasses.dataclass(frozen=True)
class Run:
    """A run that is ready to train."""

    config: PretrainingConfig
    workers: Workers
    records: RecordSets
    identity: Mapping[str, Any]  # what must be equal for a run to go on from a checkpoint of it
    checkpoint: checkpointing.Checkpoint | None  # where it goes on
    initial_weights: Weights | None  # of --init_checkpoint; heads that it lacks are not in it
    log: RunLog
    xla: Xla  # what it compiles; "auto" is decided
    lock: folder_lock.Lock | None = None  # of the folder; None on all workers but the chief

    @property
    def plan(self) -> StagePlan:
        """The run's stage plan."""
        return self.config.plan

    @property
    def step(self) -> int:
        """How many steps were done when it was opened."""
        return self.checkpoint.step if self.checkpoint else 0

    @property
    def spans_left(self) -> Sequence[StageSpan]:
        """The stages that are to be trained; the first is the one that the checkpoint holds."""
        return self.plan.spans[self.plan.span_at(max(self.step - 1, 0)).index :]

    @property
    def strategy(self) -> tf.distribute.Strategy:
        """What each step is run under."""
        return self.workers.strategy

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that change results but may be changed on purpose."""
        return {
            **dataclasses.asdict(self.config.optimizer),
            "precision": self.config.precision,
            "trunk_precision": self.config.trunk_precision,
            "trunk_dropout": self.config.trunk_dropout,
            **self.records.settings(),
        }

    @property
    def export(self) -> str:
        """Where the SavedModel goes."""
        return run_folder.export_of(self.config)

    def save(
        self, model: tf.keras.Model, state: tf.train.Checkpoint, step: int, *, stage: Stage
    ) -> None:
        """Writes a checkpoint, if this worker is the chief.

        Raises:
            UserError: the model is of no use, the folder cannot be written to, the disk is full, or
                another process has taken the folder over.
        """
        if not self.workers.is_chief:
            return
        try:
            weights.check_usable(model)
        except UserError as error:
            advice = run_folder.describe_way_back(self.config)
            raise UserError(f"after step {step} {error} It is not saved. {advice}") from error
        if self.lock:
            self.lock.check()
        folder = run_folder.checkpoints_of(self.config)
        what = f"the checkpoint of step {step} could not be written to {folder}"
        with file_errors.naming(what, self._how_to_go_on(step)):
            checkpointing.save(
                folder,
                state,
                step=step,
                identity=self.identity,
                settings=self.settings,
                num_kept=self.config.num_checkpoints_kept,
                kept_steps=self._kept_steps(),
                report=_say_once,
            )
        self.log.metrics(metrics_log.CHECKPOINT, stage=stage.name, step=step, values={})

    def _kept_steps(self) -> list[int]:
        return [span.end for span in self.plan.spans if self.config.keep_stage_ends]

    def _how_to_go_on(self, step: int) -> str:
        found = checkpoint_folder.steps(run_folder.checkpoints_of(self.config))
        saved = [other for other in found if other < step]
        where = f"step {saved[-1]}" if saved else "its newest checkpoint, if it has one"
        return f"Start again when that is mended; the run goes on from {where}."


_say_once = functools.cache(say)
