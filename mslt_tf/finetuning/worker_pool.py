"""Trials that train at the same time, each in a process of its own."""

import collections
import contextlib
import dataclasses
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mslt_tf import json_values
from mslt_tf.errors import UserError
from mslt_tf.finetuning import worker
from mslt_tf.finetuning.grid_progress import GridProgress
from mslt_tf.finetuning.setup import Setup
from mslt_tf.finetuning.trial import Trial, TrialResult
from mslt_tf.finetuning.worker import Start
from mslt_tf.training.interruption import Interruption

_SECONDS_BETWEEN_LOOKS = 0.2


class WorkerPool:
    """A fixed number of workers."""

    def __init__(
        self,
        setup: Setup,
        environments: Sequence[Mapping[str, str]],
        *,
        interruption: Interruption,
        progress: GridProgress,
    ) -> None:
        """Starts nothing yet.

        Args:
            setup: encoder and tasks; workers read their own from the same places.
            environments: variables of each worker's environment that are its own.
            interruption: tells when all are to save and stop.
            progress: hears how it goes.
        """
        self._start = Start(setup.settings, setup.encoder_fingerprint)
        self._environments = environments
        self._interruption, self._progress = interruption, progress
        # A worker and its message; None when it has ended.
        self._messages: queue.SimpleQueue[tuple[_Worker, Any]] = queue.SimpleQueue()

    def run(self, trials: Sequence[Trial], finished: Callable[[TrialResult], None]) -> bool:
        """Trains trials, and tells of each that is finished; returns whether all are.

        Raises:
            UserError: a trial failed, or its worker ended without a word. The others have saved.
        """
        waiting = collections.deque(trials)
        workers = [
            _Worker(self._start, environment, self._messages)
            for environment in self._environments[: len(waiting)]
        ]
        for each in workers:
            each.give(waiting.popleft())
        self._interruption.start_steps()
        try:
            while any(each.trial for each in workers) and not self._interruption.agree():
                self._take_message(waiting, finished)
        finally:
            for each in workers:
                each.stop()
            for each in workers:
                each.end()
            self._interruption.rest_at(0)  # each worker has saved its own
        return not waiting and not any(each.trial for each in workers)

    def _take_message(
        self, waiting: "collections.deque[Trial]", finished: Callable[[TrialResult], None]
    ) -> None:
        try:
            sender, message = self._messages.get(timeout=_SECONDS_BETWEEN_LOOKS)
        except queue.Empty:
            return
        if message is None:
            self._check_ended(sender)
        elif message["kind"] == worker.LINE:
            self._progress.line(message["text"])
        elif message["kind"] == worker.PROGRESS:
            this = json_values.parse(Trial, message["trial"])
            self._progress.progress(this, message["share"], message["text"])
        elif message["kind"] == worker.ERROR:
            raise UserError(message["text"])
        elif message["kind"] == worker.RESULT:
            del message["kind"]
            finished(json_values.parse(TrialResult, message))
            sender.trial = None
            if waiting:
                sender.give(waiting.popleft())

    def _check_ended(self, sender: "_Worker") -> None:
        status = sender.process.wait()
        if sender.trial and not self._interruption.status:
            cause, advice = f"ended with {status}", "See what it wrote above, mend that"
            if status == -signal.SIGKILL:
                cause = "was killed, as when memory is short"
                advice = "Give a smaller --num_parallel_runs"
            raise UserError(
                f"the process that trained {sender.trial.task} {sender.trial.name} {cause}. "
                f"{advice} and start again: finished trials are kept, and the others go on from "
                "their checkpoints."
            )


class _Worker:
    """A process, and what it is at."""

    def __init__(
        self,
        start: Start,
        environment: Mapping[str, str],
        messages: "queue.SimpleQueue[tuple[_Worker, Any]]",
    ) -> None:
        self.trial: Trial | None = None
        # In a session of its own: a terminal's signals reach the parent alone, which passes them
        # on. Should the parent be killed, the worker's input ends.
        self.process = subprocess.Popen(
            [sys.executable, "-m", worker.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        self._messages = messages
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._send(dataclasses.asdict(start))

    def give(self, this: Trial) -> None:
        """Tells the worker what to train next."""
        self.trial = this
        self._send(dataclasses.asdict(this))

    def stop(self) -> None:
        """Lets the worker save and end, whatever it is at: its input ends."""
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # it has ended
            self.process.stdin.close()

    def end(self) -> None:
        """Waits for the end of the worker, which was told to stop."""
        self.process.wait()
        self._reader.join()

    def _send(self, content: Any) -> None:
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # the end of its output tells that it has ended
            self.process.stdin.write(json.dumps(content) + "\n")
            self.process.stdin.flush()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                self._messages.put((self, _message(line)))
        self._messages.put((self, None))


def _message(line: str) -> Any:
    """Returns a worker's message; what else it writes is for the user."""
    try:
        return json_values.parse(Mapping[str, Any], json.loads(line))
    except (ValueError, json_values.JsonValueError):
        return {"kind": worker.LINE, "text": line.rstrip("\n")}
