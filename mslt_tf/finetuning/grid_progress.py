"""Where a grid of trials stands, on one line, with the time that is left."""

import time
from collections.abc import Mapping, Sequence

from mslt_tf.finetuning import results
from mslt_tf.finetuning.trial import Trial, TrialResult
from mslt_tf.terminal import format_duration
from mslt_tf.training.run_log import ProgressLine


class GridProgress:
    """Hears how all trials go, see `trial_training.Watcher`, and tells the user."""

    def __init__(
        self, trials: Sequence[Trial], work: Mapping[str, float], terminal: ProgressLine
    ) -> None:
        """Takes the trials that are to be trained, and how much work one of each task is."""
        self._trials, self._work, self._terminal = trials, work, terminal
        self._shares: dict[Trial, float] = {}
        self._first_shares: dict[Trial, float] = {}  # what an earlier start had done
        self._began = time.monotonic()

    def line(self, text: str) -> None:
        """Writes a line that stays; what all trials have to say is said once."""
        self._terminal.line_once(text)

    def progress(self, this: Trial, share: float, text: str) -> None:
        """Takes which share of a trial is done, and what to say of it."""
        self._first_shares.setdefault(this, share)
        self._shares[this] = share
        num_done = sum(share == 1 for share in self._shares.values())
        self._terminal.progress(
            f"{this.task} {this.name}  {text}  {num_done} of {len(self._trials)} trials done"
            f"{self._time_left()}"
        )

    def finished(self, result: TrialResult) -> None:
        """Takes the result of a trial."""
        self._shares[result.trial] = 1.0
        scores = ", ".join(
            f"{split} {name} {results.show(value)}"
            for split, values in result.scores.items()
            for name, value in values.items()
            if name in results.SHOWN
        )
        self.line(
            f"{result.task} {result.trial.name}: {scores}  "
            f"({format_duration(result.seconds)}, "
            f"{results.show_speed(result.examples_per_second)} examples/s)"
        )

    def _time_left(self) -> str:
        done = sum(
            self._work[trial.task] * (share - self._first_shares.get(trial, 0.0))
            for trial, share in self._shares.items()
        )
        left = sum(
            self._work[trial.task] * (1.0 - self._shares.get(trial, 0.0)) for trial in self._trials
        )
        if not done:
            return ""
        seconds = (time.monotonic() - self._began) * left / done
        return f"  ETA {format_duration(seconds)}"
