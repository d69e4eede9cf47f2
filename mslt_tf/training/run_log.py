"""What a run says: lines and progress on the terminal, metrics.jsonl, TensorBoard events."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from mslt_tf import terminal
from mslt_tf.files import file_errors
from mslt_tf.training import event_file, json_lines

METRICS_FILE = "metrics.jsonl"
EVALUATION = "eval"  # the kind of an entry on held-out records
CHECKPOINT = "checkpoint"  # the kind of an entry on a checkpoint that was written
CHANGE = "change"  # the kind of an entry on a setting that is another one from its step on
SECONDS_BETWEEN_LINES = 10.0  # of progress, where it does not go to a terminal


class RunLog:
    """Writes the metrics of a run; holds its open files."""

    def __init__(self, output_dir: str, *, resumed_at: int, writes: bool = True):
        """Opens the log, dropping entries of steps that a resumed run will do again.

        Args:
            output_dir: the run's folder.
            resumed_at: the step that the run goes on from.
            writes: False where another worker does: then nothing is written or said.

        Raises:
            UserError: the disk is full, or a file cannot be read or written for another reason.
        """
        self._writes = writes
        self._evaluated_steps: set[int] = set()
        self._output_dir = output_dir
        if writes:
            with naming_full_disk(output_dir):
                self._open(output_dir, resumed_at)

    def _open(self, output_dir: str, resumed_at: int) -> None:
        self._path = os.path.join(output_dir, METRICS_FILE)
        self._events = event_file.EventFile(
            os.path.join(output_dir, "tensorboard"), first_step=resumed_at + 1
        )
        self._on_terminal = sys.stdout.isatty()
        self._progress_width = 0
        self._last_progress = 0.0
        lines = json_lines.read(self._path, is_entry, report=terminal.say)
        lines = [line for line in lines if line.entry["step"] <= resumed_at]
        entries = [line.entry for line in lines]
        self._evaluated_steps = {entry["step"] for entry in entries if entry["kind"] == EVALUATION}
        # By an earlier start at this step, which came to nothing.
        self._said_before = [entry for entry in entries if entry["step"] == resumed_at]
        # Of settings that change here this start tells itself: they may be others this time.
        kept = [line for line in lines if not _is_change_at(line.entry, resumed_at)]
        json_lines.write(self._path, kept)

    def line(self, text: str) -> None:
        """Writes a line to the terminal."""
        if not self._writes:
            return
        terminal.say(text.ljust(self._progress_width))
        self._progress_width = 0

    def progress(self, text: str) -> None:
        """Shows where the run stands: in place on a terminal, as a line elsewhere."""
        if not self._writes:
            return
        if self._on_terminal:
            terminal.write("\r" + text.ljust(self._progress_width))
            self._progress_width = len(text)
        elif time.monotonic() - self._last_progress > SECONDS_BETWEEN_LINES:
            self._last_progress = time.monotonic()
            terminal.say(text)

    def has_evaluation(self, step: int) -> bool:
        """Returns whether the model of this step was evaluated."""
        return step in self._evaluated_steps

    def metrics(self, kind: str, *, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Appends an entry to metrics.jsonl and to TensorBoard; `kind` is "train" or "eval".

        Raises:
            UserError: the disk is full, or a file cannot be written for another reason.
        """
        if not self._writes:
            return
        entry = {"kind": kind, "stage": stage, "step": step, **values}
        if entry in self._said_before:
            return
        with naming_full_disk(self._output_dir):
            json_lines.append(self._path, entry)
            points = {f"{kind}/{name}": value for name, value in values.items()}
            self._events.scalars(points, step=step)
        if kind == EVALUATION:
            self._evaluated_steps.add(step)

    def change(self, setting: str, *, step: int, before: Any, now: Any) -> None:
        """Marks the step from which on a setting has another value, here and in TensorBoard.

        Raises:
            UserError: as `metrics`.
        """
        if not self._writes:
            return
        entry = {"kind": CHANGE, "step": step, "setting": setting, "before": before, "now": now}
        with naming_full_disk(self._output_dir):
            json_lines.append(self._path, entry)
            if entry not in self._said_before:
                text = f"{setting}: {before} before, {now} from here on"
                self._events.text(f"{CHANGE}/{setting}", text, step=step)

    def evaluation(self, *, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Writes the results of an evaluation to the terminal and to the metrics."""
        self.metrics(EVALUATION, stage=stage, step=step, values=values)
        self.line(
            f"{stage}  step {step:,}  held out: masked LM loss {values['masked_lm_loss']:.3f} "
            f"(unigram entropy {values['unigram_entropy']:.3f}), accuracy "
            f"{values['masked_lm_accuracy']:.3f}; sentence accuracy "
            f"{values['sentence_pair_accuracy']:.3f}"
        )


@contextlib.contextmanager
def naming_full_disk(folder: str) -> Iterator[None]:
    """Turns an error of writing to `folder` into one that says so.

    Raises:
        UserError: the disk is full, or the folder or a file of it cannot be written.
    """
    advice = "Start again when that is mended; the run goes on from its newest checkpoint."
    with file_errors.naming(f"{folder} cannot be written to", advice):
        yield


def is_entry(value: Any) -> bool:
    """Returns whether a JSON value is an entry of metrics.jsonl."""
    if not isinstance(value, dict):
        return False
    return isinstance(value.get("kind"), str) and type(value.get("step")) is int


def _is_change_at(entry: Mapping[str, Any], step: int) -> bool:
    return entry["kind"] == CHANGE and entry["step"] == step
