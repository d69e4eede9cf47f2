"""What a run says: lines and progress on the terminal, metrics.jsonl, TensorBoard events."""

import contextlib
import datetime
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping

import tensorflow as tf

from mslt_tf.errors import UserError

METRICS_FILE = "metrics.jsonl"
SECONDS_BETWEEN_LINES = 10.0  # of progress, where it does not go to a terminal


class RunLog:
    """Writes the metrics of a run; holds its open files."""

    def __init__(self, output_dir: str, *, resumed_at: int, writes: bool = True):
        """Opens the log, dropping entries of steps that a resumed run will do again.

        Args:
            output_dir: the run's folder.
            resumed_at: the step that the run goes on from.
            writes: False where another worker does: then nothing is written or said.
        """
        self._writes = writes
        self._evaluated_steps: set[int] = set()
        self._output_dir = output_dir
        if writes:
            with naming_full_disk(output_dir):
                self._open(output_dir, resumed_at)

    def _open(self, output_dir: str, resumed_at: int) -> None:
        self._path = os.path.join(output_dir, METRICS_FILE)
        self._events = tf.summary.create_file_writer(os.path.join(output_dir, "tensorboard"))
        self._on_terminal = sys.stdout.isatty()
        self._progress_width = 0
        self._last_progress = 0.0
        entries = [json.loads(line) for line in _read_lines(self._path)]
        entries = [entry for entry in entries if entry["step"] <= resumed_at]
        self._evaluated_steps = {entry["step"] for entry in entries if entry["kind"] == "eval"}
        with tf.io.gfile.GFile(self._path + ".tmp", "w") as file:
            file.write("".join(json.dumps(entry) + "\n" for entry in entries))
        tf.io.gfile.rename(self._path + ".tmp", self._path, overwrite=True)

    def line(self, text: str) -> None:
        """Writes a line to the terminal."""
        if not self._writes:
            return
        say(text.ljust(self._progress_width))
        self._progress_width = 0

    def progress(self, text: str) -> None:
        """Shows where the run stands: in place on a terminal, as a line elsewhere."""
        if not self._writes:
            return
        if self._on_terminal:
            sys.stdout.write("\r" + text.ljust(self._progress_width))
            sys.stdout.flush()
            self._progress_width = len(text)
        elif time.monotonic() - self._last_progress > SECONDS_BETWEEN_LINES:
            self._last_progress = time.monotonic()
            say(text)

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
        with naming_full_disk(self._output_dir):
            with tf.io.gfile.GFile(self._path, "a") as file:
                file.write(json.dumps(entry) + "\n")
            with self._events.as_default(step=step):
                for name, value in values.items():
                    tf.summary.scalar(f"{kind}/{name}", value)
            self._events.flush()
        if kind == "eval":
            self._evaluated_steps.add(step)

    def evaluation(self, *, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Writes the results of an evaluation to the terminal and to the metrics."""
        self.metrics("eval", stage=stage, step=step, values=values)
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
    try:
        yield
    except tf.errors.OpError as error:
        reason = error.message.splitlines()[0].rpartition("}} ")[2]  # without the op's name
        raise UserError(
            f"{folder} cannot be written to ({reason}). Make room or mend the folder and start "
            "again; the run goes on from its newest checkpoint."
        ) from error


def say(text: str) -> None:
    """Writes a line to standard output at once."""
    start = "\r" if sys.stdout.isatty() else ""
    sys.stdout.write(f"{start}{text}\n")
    sys.stdout.flush()


def format_duration(seconds: float) -> str:
    """Returns hours, minutes and seconds, e.g. "1:02:03"."""
    return str(datetime.timedelta(seconds=round(seconds)))


def _read_lines(path: str) -> list[str]:
    if not tf.io.gfile.exists(path):
        return []
    with tf.io.gfile.GFile(path) as file:
        # A line cut short by a crash has no end; its step is done again.
        return [line for line in file if line.endswith("\n")]
