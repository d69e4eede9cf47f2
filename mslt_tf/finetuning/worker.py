"""A process that trains trials for `worker_pool`: one JSON value a line, in and out.

The first line in holds a `Start`, each later one a trial. The lines out are objects,
each with its "kind". When its input ends it stops, also in the middle of a trial, whose state it
saves: nobody is left to take the result.
"""

import dataclasses
import json
import os
import queue
import signal
import sys
import threading
from typing import Any

from mslt_tf import json_values, startup, terminal
from mslt_tf.errors import UserError
from mslt_tf.finetuning_settings import FineTuningSettings

# The kinds of messages; each is an object with its "kind".
LINE, PROGRESS, RESULT, ERROR = "line", "progress", "result", "error"


@dataclasses.dataclass(frozen=True)
class Start:
    """What a worker is told first."""

    settings: FineTuningSettings
    encoder_fingerprint: str  # see `Setup`; what the worker reads at that path must have it


def main() -> int:
    """Trains the trials that come in; returns the exit status."""
    lines = _read_lines()  # from the start, so that their end is heard while libraries load
    startup.prepare_tensorflow()
    # TensorFlow reads the environment when it is imported.
    import tensorflow as tf

    from mslt_tf.distribution.workers import Workers
    from mslt_tf.finetuning import trial_training
    from mslt_tf.finetuning.setup import Setup
    from mslt_tf.finetuning.trial import Trial
    from mslt_tf.training.interruption import Interruption

    start = json_values.parse(Start, json.loads(lines.get() or ""))
    reports = Reports()
    with Interruption(Workers(tf.distribute.get_strategy())) as interruption:
        try:
            setup = Setup(start.settings, report=reports.line)
            _check_encoder(setup.encoder_fingerprint, start)
            # A signal in a trial's last step does not keep it from its end, but from the next one.
            while not interruption.agree() and (line := lines.get()) is not None:
                this = json_values.parse(Trial, json.loads(line))
                result = trial_training.train(
                    setup, this, interruption=interruption, watcher=reports
                )
                if result is not None:
                    reports.send(RESULT, **dataclasses.asdict(result))
        except UserError as error:
            reports.send(ERROR, text=str(error))
            return startup.USAGE_STATUS
    return interruption.stop


def _check_encoder(fingerprint: str, start: Start) -> None:
    """Checks that all trials begin from the same weights, whatever became of the path meanwhile."""
    if fingerprint != start.encoder_fingerprint:
        raise UserError(
            f"--encoder {start.settings.encoder} was changed while the trials were started. Give "
            "one that stays as it is, such as RUN@STEP for one checkpoint of a run, and start "
            "again."
        )


class Reports:
    """Writes messages to standard output; a `trial_training.Watcher`.

    Where nobody reads them any more it goes on, for what was trained is still to be saved.
    """

    def send(self, kind: str, **content: Any) -> None:
        """Writes a message."""
        terminal.write(json.dumps({"kind": kind, **content}) + "\n")

    def line(self, text: str) -> None:
        """Sends what the user should read."""
        self.send(LINE, text=text)

    def progress(self, this: Any, share: float, text: str) -> None:
        """Sends which share of a trial is done."""
        self.send(PROGRESS, trial=dataclasses.asdict(this), share=share, text=text)


def _read_lines() -> "queue.SimpleQueue[str | None]":
    """Returns a queue of the lines that come in, with None after the last."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        lines.put(None)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=read, daemon=True).start()
    return lines


if __name__ == "__main__":
    sys.exit(main())
