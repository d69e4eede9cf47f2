"""A run as a value: what its folder says of its plan, its losses and its time."""

import contextlib
import dataclasses
import math
import os
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from mslt_tf import cost_model
from mslt_tf.bounds import Bounds, check_number
from mslt_tf.config import OptimizerConfig
from mslt_tf.conversion import own_runs
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from mslt_tf.model_config import ModelConfig
from mslt_tf.report_settings import NamedFolder
from mslt_tf.stage_plan import StagePlan, StageSpan
from mslt_tf.training import checkpoint_folder, checkpointing, json_lines, metrics_log

Entry = Mapping[str, Any]
P = TypeVar("P", "TrainPoint", "Evaluation")

_KINDS = (metrics_log.TRAINING, metrics_log.EVALUATION)
_LARGEST = 1e30  # no loss, time or speed is larger


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """What a report needs of a run's settings; seeds of the same thing have all but one alike."""

    model: ModelConfig
    plan: StagePlan
    optimizer: OptimizerConfig
    method: str = ""
    precision: str = ""
    trunk_precision: str = ""
    trunk_dropout: bool = True
    dynamic_masking: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        # A damaged file may have numbers that no arithmetic below could hold.
        check_number("plan.num_steps", self.plan.num_steps, Bounds(at_most=10**12))
        check_number("the FLOPs of the plan", sum(self.flops_of_stages), Bounds(at_most=10**36))

    @property
    def flops_of_stages(self) -> list[int]:
        """The FLOPs of each stage, by `cost_model`: matrix products only."""
        return [cost_model.stage_flops(self.model, stage) for stage in self.plan.stages]


@dataclasses.dataclass(frozen=True)
class TrainPoint:
    """A line on training: averages over the steps since the line before."""

    step: int
    loss: float  # masked LM, nats per masked token, with dropout where the run has some
    seconds: float  # wall-clock of these steps
    sequences_per_second: float | None  # without compilation; None where all steps compiled


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A line on held-out records."""

    step: int
    loss: float  # masked LM, nats per masked token
    unigram_entropy: float  # of the held-out records: it tells them apart
    seq_length: int  # of these records, in tokens

    def has_records_of(self, other: "Evaluation") -> bool:
        """Returns whether both were evaluated on the same held-out records, by their entropy."""
        return math.isclose(self.unigram_entropy, other.unigram_entropy, rel_tol=1e-5)


@dataclasses.dataclass(frozen=True)
class Run:
    """A run, finished or not."""

    name: str  # runs of one name are seeds of the same thing
    folder: str
    settings: RunSettings
    training: tuple[TrainPoint, ...]  # at least one, by step
    evaluations: tuple[Evaluation, ...]  # by step; perhaps none
    vocabulary: str = ""  # its hash; "" where no checkpoint tells
    notes: tuple[str, ...] = ()  # what of the files was left out

    @property
    def plan(self) -> StagePlan:
        """The run's stage plan."""
        return self.settings.plan

    @property
    def step(self) -> int:
        """The last step that is known to be done."""
        return max(points[-1].step for points in (self.training, self.evaluations) if points)

    @property
    def timed_step(self) -> int:
        """The last step whose time is known; a run that goes on may have done some more."""
        return self.training[-1].step

    @property
    def seconds(self) -> float:
        """The time that training took up to `timed_step`."""
        return sum(point.seconds for point in self.training)

    @property
    def flops(self) -> float:
        """The FLOPs of training so far."""
        return float(self.flops_at([self.step])[0])

    @property
    def has_dropout(self) -> bool:
        """Whether the losses in training are those of a model with units dropped."""
        model = self.settings.model
        return max(model.hidden_dropout_prob, model.attention_probs_dropout_prob) > 0

    @property
    def is_finished(self) -> bool:
        """Whether all steps are done."""
        return self.step == self.plan.num_steps

    @property
    def spans_begun(self) -> Sequence[StageSpan]:
        """The stages of which a step is done."""
        return [span for span in self.plan.spans if span.first_step < self.step]

    def steps_per_second(self, span: StageSpan) -> float | None:
        """Returns the median speed of a stage without compilation; None where none is known."""
        speeds = [
            point.sequences_per_second / span.stage.batch_size
            for point in self.training
            if span.first_step < point.step <= span.end and point.sequences_per_second
        ]
        return statistics.median(speeds) if speeds else None

    def seconds_at(self, steps: Iterable[int]) -> np.ndarray:
        """Returns the time that training took up to each step; within a line's steps evenly."""
        ends = [0, *(point.step for point in self.training)]
        times = np.cumsum([0.0, *(point.seconds for point in self.training)])
        return np.interp(list(steps), ends, times)

    def flops_at(self, steps: Iterable[int]) -> np.ndarray:
        """Returns the FLOPs of training up to each step, those of `flops_of_stages`."""
        ends = [0, *(span.end for span in self.plan.spans)]
        totals = np.cumsum([0.0, *map(float, self.settings.flops_of_stages)])
        return np.interp(list(steps), ends, totals)


def read(folder: NamedFolder, *, report: Callable[[str], None]) -> Run:
    """Returns the run in a folder, which may go on meanwhile.

    Args:
        folder: `--output_dir` of run_pretraining.
        report: takes a note on lines that cannot be used.

    Raises:
        UserError: it is no folder of a run, or has no line on training yet.
    """
    notes: list[str] = []
    with file_errors.reading(f"the run {folder.path}"):
        settings = _read_settings(folder.path)
        points = _read_points(folder.path, settings.plan, report=notes.append)
        vocabulary = _vocabulary(folder.path)
    training = _by_step(point for point in points if isinstance(point, TrainPoint))
    if not training:
        raise UserError(
            f"the run {folder.path} has no line on training in its {metrics_log.METRICS_FILE} "
            f"that can be used, so nothing can be drawn{_said(notes)}. If it has just begun, wait "
            "until it has done --log_steps; else leave it out of --runs."
        )
    every = _by_step(point for point in points if isinstance(point, Evaluation))
    evaluations = _of_latest_records(every)
    if evaluations != every:
        last = max(set(every) - set(evaluations), key=_step)
        notes.append(
            f"note: {folder.path} was evaluated on other held-out records up to step "
            f"{last.step:,}; these losses are left out"
        )
    for note in notes:
        report(note)
    return Run(folder.name, folder.path, settings, training, evaluations, vocabulary, tuple(notes))


def _read_points(
    run: str, plan: StagePlan, *, report: Callable[[str], None]
) -> list[TrainPoint | Evaluation]:
    """Returns what the metrics of a run say of losses."""
    path = os.path.join(run, metrics_log.METRICS_FILE)
    lines = json_lines.read(path, metrics_log.is_entry, report=report)
    found = [_point(line.entry, plan) for line in lines if line.entry["kind"] in _KINDS]
    if None in found:
        report(
            f"note: {path} has {found.count(None)} line(s) whose step, loss or time cannot be; "
            "they are left out"
        )
    return [point for point in found if point]


def _vocabulary(run: str) -> str:
    """Returns the hash of a run's vocabulary, as its newest checkpoint tells it."""
    folder = os.path.join(run, own_runs.CHECKPOINTS)
    for step in reversed(checkpoint_folder.steps(folder)):
        with contextlib.suppress(UserError):  # a run that goes on has removed it meanwhile
            path = checkpoint_folder.path_of(folder, step)
            return own_runs.vocabulary_sha256(checkpointing.read(path, checks_files=False))
    return ""


def _read_settings(path: str) -> RunSettings:
    advice = "Start the run again, which writes it anew, or leave it out of --runs."
    settings = own_runs.read_settings(RunSettings, path, advice=advice)
    if settings is None:
        reason = "is not there"
        if tf.io.gfile.exists(path):
            is_folder = tf.io.gfile.isdir(path)
            reason = f"holds no {own_runs.CONFIG_FILE}" if is_folder else "is a file"
        raise UserError(
            f"{path} is no folder of a run: it {reason}. Give the --output_dir of run_pretraining "
            "in --runs, with NAME= before one that has a = in it."
        )
    return settings


def _said(notes: Sequence[str]) -> str:
    """Returns notes as they stand in a sentence."""
    return f" ({'; '.join(note.removeprefix('note: ') for note in notes)})" if notes else ""


def _point(entry: Entry, plan: StagePlan) -> TrainPoint | Evaluation | None:
    """Returns what a line on losses says; None where it cannot be true."""
    step, loss = entry["step"], _number(entry, "masked_lm_loss")
    if loss is None or not 1 <= step <= plan.num_steps:
        return None
    if entry["kind"] == metrics_log.TRAINING:
        seconds = _number(entry, "seconds")
        speed = _number(entry, "sequences_per_second")
        return None if seconds is None else TrainPoint(step, loss, seconds, speed)
    entropy = _number(entry, "unigram_entropy")
    length = plan.span_at(step - 1).stage.seq_length
    return None if entropy is None else Evaluation(step, loss, entropy, length)


def _number(entry: Entry, name: str) -> float | None:
    value = entry.get(name)
    is_number = type(value) in (int, float) and 0 <= value <= _LARGEST
    return float(value) if is_number else None


def _by_step(points: Iterable[P]) -> tuple[P, ...]:
    """Returns points in the order of their steps, of equal steps the last that was written."""
    return tuple(sorted({point.step: point for point in points}.values(), key=_step))


def _step(point: TrainPoint | Evaluation) -> int:
    return point.step


def _of_latest_records(evaluations: Sequence[Evaluation]) -> tuple[Evaluation, ...]:
    """Returns those on the held-out records that the run has now, for each sequence length."""
    latest = {e.seq_length: e for e in evaluations}
    return tuple(e for e in evaluations if e.has_records_of(latest[e.seq_length]))
