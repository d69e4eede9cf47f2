"""The training of one trial: from the encoder's weights, or a checkpoint, to its result."""

import dataclasses
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from mslt_tf.errors import UserError
from mslt_tf.finetuning import (
    length_batches,
    prediction,
    short_memory,
    trial,
    trial_parts,
    updates,
)
from mslt_tf.finetuning.setup import Setup
from mslt_tf.finetuning.trial import Trial, TrialResult
from mslt_tf.finetuning.trial_parts import TrialParts
from mslt_tf.finetuning.updates import Update
from mslt_tf.training import graph_memory
from mslt_tf.training.interruption import Interruption
from mslt_tf.training.metrics_log import EVALUATION, MetricsLog, naming_full_disk

_SCORING = 0.1  # share of a trial's time that is reckoned for its scoring
_LESS_MEMORY = (
    "Give a smaller --train_batch_size or --max_seq_length, or --num_parallel_runs where trials "
    "share a GPU or the machine's memory."
)


class Watcher(Protocol):
    """Who hears how trials go."""

    def line(self, text: str) -> None:
        """Takes what the user should read."""

    def progress(self, this: Trial, share: float, text: str) -> None:
        """Takes which share of a trial is done, and what to say of it."""


@dataclasses.dataclass
class _Clock:
    """What a trial has done, over all its starts."""

    seconds: float = 0.0
    timed_examples: int = 0  # without the first step of each start, which compiles
    timed_seconds: float = 0.0
    losses: Sequence[float] = ()  # of the steps that are not logged yet

    @property
    def examples_per_second(self) -> float:
        """Of training; 0 before it is known."""
        return self.timed_examples / self.timed_seconds if self.timed_seconds else 0.0


def train(
    setup: Setup, this: Trial, *, interruption: Interruption, watcher: Watcher
) -> TrialResult | None:
    """Trains a trial from its newest checkpoint, scores it, and writes its result.

    Args:
        setup: encoder and tasks.
        this: the trial.
        interruption: tells when to save and stop.
        watcher: hears how it goes.

    Returns:
        The result, also where it was there already; None if interrupted, and saved.

    Raises:
        UserError: the trial's folder is not its own, the disk is full, memory is short, or training
            went astray.
    """
    folder = this.folder(setup.settings.output_dir)
    trial.claim(folder, setup.identity(this))
    done = trial.read_result(folder)
    if done:
        return done
    # A grid has many trials, and memory is for one.
    with short_memory.naming(_LESS_MEMORY), graph_memory.released():
        # No name for the run: it must be gone where its memory is freed.
        return _train(_Run(setup, this, watcher), setup.settings.checkpoint_steps, interruption)


def _train(run: "_Run", checkpoint_steps: int, interruption: Interruption) -> TrialResult | None:
    """Trains from where it stands, and scores; returns None if interrupted."""
    interruption.rest_at(run.step)
    for step in run.train():
        interruption.start_steps()
        is_stopped = bool(interruption.agree()) and step < run.num_steps
        if is_stopped or step == run.num_steps or step % checkpoint_steps == 0:
            run.save()
            interruption.note_saved(step)
        if is_stopped:
            return None
    interruption.rest_at(run.num_steps)
    return run.finish()


class _Run:
    """A trial under way."""

    def __init__(self, setup: Setup, this: Trial, watcher: Watcher) -> None:
        settings, task = setup.settings, setup.task(this.task)
        self._this, self._task, self._settings = this, task, settings
        self._identity, self._watcher = setup.identity(this), watcher
        self._folder = this.folder(settings.output_dir)
        self._sequences = task.training_sequences()
        num_epochs = settings.training.num_epochs or task.num_epochs
        self.num_steps = num_epochs * updates.steps_per_epoch(self._sequences, settings.training)
        self._parts = TrialParts.build(
            setup.encoder, task.objective, settings.training, seed=this.seed
        )
        self._clock = self._restore()
        self._log = MetricsLog(self._folder, resumed_at=self.step, report=watcher.line)

    @property
    def step(self) -> int:
        """Updates done."""
        return int(self._parts.step.numpy())

    def train(self) -> Iterator[int]:
        """Trains to the end, yielding the step after each update."""
        first, began = self.step, time.monotonic()
        for update in self._updates():
            self._clock.losses = [*self._clock.losses, self._checked(update)]
            is_first = update.step == first + 1
            self._count(time.monotonic() - began, update.num_examples, is_first=is_first)
            self._tell(update)
            yield update.step
            began = time.monotonic()

    def save(self) -> None:
        """Writes a checkpoint.

        Raises:
            UserError: the disk is full, or the folder cannot be written to.
        """
        with naming_full_disk(self._folder):
            self._parts.save(
                self._folder,
                num_steps=self.num_steps,
                identity=self._identity,
                settings=dataclasses.asdict(self._clock),
                report=self._watcher.line,
            )

    def finish(self) -> TrialResult:
        """Scores the trained model and writes the result."""
        began = time.monotonic()
        predict = prediction.make_predict(
            self._parts.model,
            self._task.objective,
            batch_size=self._settings.eval_batch_size,
            progress=self._tell_scoring,
        )
        scores = self._task.evaluate(predict, self._folder)
        for split, values in scores.items():
            points = {f"{split}/{name}": value for name, value in values.items()}
            self._log.add(EVALUATION, stage=self._this.name, step=self.num_steps, values=points)
        self._clock.seconds += time.monotonic() - began
        result = TrialResult(
            **dataclasses.asdict(self._this),
            scores=scores,
            selection_score=self._task.selection_score(scores),
            num_steps=self.num_steps,
            num_examples=len(self._sequences),
            padding_share=self._padding_share(),
            seconds=self._clock.seconds,
            examples_per_second=self._clock.examples_per_second,
        )
        trial.write_result(self._folder, result)
        return result

    def _restore(self) -> _Clock:
        newest = trial_parts.newest_checkpoint(self._folder, report=self._watcher.line)
        if newest is None:
            return _Clock()
        self._parts.restore(newest, num_steps=self.num_steps)
        return _Clock(**newest.settings)

    def _updates(self) -> Iterator[Update]:
        return updates.updates(
            self._parts,
            self._task.objective,
            self._sequences,
            self._this,
            self._settings.training,
            num_steps=self.num_steps,
        )

    def _padding_share(self) -> float:
        """Returns that of the first epoch."""
        training = self._settings.training
        batches = updates.epoch_batches(self._sequences, training, self._this.seed, epoch=0)
        return length_batches.padding_share(self._sequences, batches)

    def _checked(self, update: Update) -> float:
        if math.isfinite(update.loss) and math.isfinite(update.gradient_norm):
            return update.loss
        raise UserError(
            f"the loss or its gradient is not finite at step {update.step - 1} of "
            f"{self._this.task} with the learning rate {self._this.learning_rate:g}. Give smaller "
            "--learning_rates."
        )

    def _count(self, seconds: float, num_examples: int, *, is_first: bool) -> None:
        self._clock.seconds += seconds
        if not is_first:
            self._clock.timed_examples += num_examples
            self._clock.timed_seconds += seconds

    def _tell(self, update: Update) -> None:
        """Shows where the trial stands, and logs it now and then."""
        step, mean = update.step, statistics.fmean(self._clock.losses)
        rate = self._clock.examples_per_second
        speed = f"  {rate:,.0f} examples/s" if rate else ""
        text = f"step {step:,} of {self.num_steps:,}  loss {mean:.3f}{speed}"
        self._watcher.progress(self._this, (1 - _SCORING) * step / self.num_steps, text)
        if step % self._settings.log_steps and step < self.num_steps:
            return
        values = {
            "loss": mean,
            "gradient_norm": update.gradient_norm,
            "learning_rate": update.learning_rate,
            "examples_per_second": rate,
        }
        self._log.add("train", stage=self._this.name, step=step, values=values)
        self._clock.losses = ()

    def _tell_scoring(self, done: int, total: int) -> None:
        text = f"scoring {done:,} of {total:,}"
        self._watcher.progress(self._this, 1 - _SCORING + _SCORING * done / total, text)
