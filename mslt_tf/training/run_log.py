"""What a run says: lines and progress on the terminal, metrics.jsonl, TensorBoard events."""

import math
import sys
import time
from collections.abc import Mapping
from typing import Any

from mslt_tf import terminal
from mslt_tf.files import folder_lock
from mslt_tf.training.metrics_log import EVALUATION, MetricsLog

SECONDS_BETWEEN_LINES = 10.0  # of progress, where it does not go to a terminal


class ProgressLine:
    """Lines on the terminal, and a last one that tells where the work stands."""

    def __init__(self) -> None:
        self._on_terminal = sys.stdout.isatty()
        self._width = 0
        self._latest = 0.0
        self._said: set[str] = set()

    def line(self, text: str) -> None:
        """Writes a line that stays."""
        terminal.say(text.ljust(self._width))
        self._width = 0

    def line_once(self, text: str) -> None:
        """Writes a line unless it was written so before, as by another process."""
        if text not in self._said:
            self._said.add(text)
            self.line(text)

    def progress(self, text: str) -> None:
        """Shows where the work stands: in place on a terminal, as a line elsewhere."""
        if self._on_terminal:
            terminal.write("\r" + text.ljust(self._width))
            self._width = len(text)
        elif time.monotonic() - self._latest > SECONDS_BETWEEN_LINES:
            self._latest = time.monotonic()
            terminal.say(text)


class RunLog:
    """All that a pretraining run says, to the terminal and to its files."""

    def __init__(
        self,
        output_dir: str,
        *,
        resumed_at: int,
        writes: bool = True,
        lock: folder_lock.Lock | None = None,
    ):
        """Opens the log, dropping entries of steps that a resumed run will do again.

        Args:
            output_dir: the run's folder.
            resumed_at: the step that the run goes on from.
            writes: False where another worker does: then nothing is written or said.
            lock: of the folder, if it is held; it is checked before each entry.

        Raises:
            UserError: the disk is full, or a file cannot be read or written for another reason.
        """
        self._writes, self._lock = writes, lock
        self._terminal = ProgressLine()
        if writes:
            self._metrics = MetricsLog(output_dir, resumed_at=resumed_at, report=terminal.say)

    def line(self, text: str) -> None:
        """Writes a line to the terminal."""
        if self._writes:
            self._terminal.line(text)

    def progress(self, text: str) -> None:
        """Shows where the run stands: in place on a terminal, as a line elsewhere."""
        if self._writes:
            self._terminal.progress(text)

    def has_evaluation(self, step: int) -> bool:
        """Returns whether the model of this step was evaluated."""
        return self._writes and step in self._metrics.evaluations

    def held_out_loss(self, step: int | None, *, unigram_entropy: float) -> float | None:
        """Returns the masked LM loss of an evaluation before, in nats.

        None where none is known, or where it was on other records, with another unigram entropy.
        """
        entry = self._metrics.evaluations.get(step, {}) if self._writes else {}
        loss, entropy = entry.get("masked_lm_loss"), entry.get("unigram_entropy")
        if not isinstance(loss, float) or not isinstance(entropy, float):
            return None
        return loss if math.isclose(entropy, unigram_entropy, rel_tol=1e-6) else None

    def metrics(self, kind: str, *, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Appends an entry to metrics.jsonl and to TensorBoard; `kind` is "train" or "eval".

        Raises:
            UserError: the disk is full, a file cannot be written for another reason, or another
                process has taken the folder over.
        """
        if self._writes:
            self._check_lock()
            self._metrics.add(kind, stage=stage, step=step, values=values)

    def change(self, setting: str, *, step: int, before: Any, now: Any) -> None:
        """Marks the step from which on a setting has another value, here and in TensorBoard.

        Raises:
            UserError: as `metrics`.
        """
        if self._writes:
            self._check_lock()
            self._metrics.add_change(setting, step=step, before=before, now=now)

    def _check_lock(self) -> None:
        if self._lock:
            self._lock.check()

    def evaluation(self, *, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Writes the results of an evaluation to the terminal and to the metrics."""
        self.metrics(EVALUATION, stage=stage, step=step, values=values)
        self.line(
            f"{stage}  step {step:,}  held out: masked LM loss {values['masked_lm_loss']:.3f} "
            f"(unigram entropy {values['unigram_entropy']:.3f}), accuracy "
            f"{values['masked_lm_accuracy']:.3f}; sentence accuracy "
            f"{values['sentence_pair_accuracy']:.3f}"
        )
