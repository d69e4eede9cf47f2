"""The metrics of a run as files: metrics.jsonl, and TensorBoard events beside it."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mslt_tf.files import file_errors
from mslt_tf.training import event_file, json_lines

METRICS_FILE = "metrics.jsonl"
TRAINING = "train"  # the kind of an entry on the steps since the last such entry
EVALUATION = "eval"  # the kind of an entry on held-out records
CHECKPOINT = "checkpoint"  # the kind of an entry on a checkpoint that was written
CHANGE = "change"  # the kind of an entry on a setting that is another one from its step on


class MetricsLog:
    """Writes the metrics of a run; holds its open files."""

    def __init__(self, output_dir: str, *, resumed_at: int, report: Callable[[str], None]):
        """Opens the log, dropping entries of steps that a resumed run will do again.

        Args:
            output_dir: the run's folder.
            resumed_at: the step that the run goes on from.
            report: takes a line about entries that cannot be used.

        Raises:
            UserError: the disk is full, or a file cannot be read or written for another reason.
        """
        self._output_dir = output_dir
        self._path = os.path.join(output_dir, METRICS_FILE)
        with naming_full_disk(output_dir):
            self._events = event_file.EventFile(
                os.path.join(output_dir, "tensorboard"), first_step=resumed_at + 1
            )
            lines = json_lines.read(self._path, is_entry, report=report)
            lines = [line for line in lines if line.entry["step"] <= resumed_at]
            entries = [line.entry for line in lines]
            # Of settings that change here this start tells itself: they may be others this time.
            kept = [line for line in lines if not _is_change_at(line.entry, resumed_at)]
            json_lines.write(self._path, kept)
        self.evaluations: dict[int, Mapping[str, Any]] = {  # their entries by step
            entry["step"]: entry for entry in entries if entry["kind"] == EVALUATION
        }
        # By an earlier start at this step, which came to nothing.
        self._said_before = [entry for entry in entries if entry["step"] == resumed_at]

    def add(self, kind: str, *, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Appends an entry to metrics.jsonl and to TensorBoard; `kind` is e.g. "train".

        Raises:
            UserError: the disk is full, or a file cannot be written for another reason.
        """
        entry = {"kind": kind, "stage": stage, "step": step, **values}
        if entry in self._said_before:
            return
        with naming_full_disk(self._output_dir):
            json_lines.append(self._path, entry)
            points = {f"{kind}/{name}": value for name, value in values.items()}
            self._events.scalars(points, step=step)
        if kind == EVALUATION:
            self.evaluations[step] = entry

    def add_change(self, setting: str, *, step: int, before: Any, now: Any) -> None:
        """Marks the step from which on a setting has another value, here and in TensorBoard.

        Raises:
            UserError: as `add`.
        """
        entry = {"kind": CHANGE, "step": step, "setting": setting, "before": before, "now": now}
        with naming_full_disk(self._output_dir):
            json_lines.append(self._path, entry)
            if entry not in self._said_before:
                text = f"{setting}: {before} before, {now} from here on"
                self._events.text(f"{CHANGE}/{setting}", text, step=step)


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
