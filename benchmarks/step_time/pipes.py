"""Processes that do tasks when asked, by JSON lines over pipes.

The parent writes `{"task": "step", "steps": 2}`, the child answers `{"seconds": 0.51}`, or whatever
the task returns. Whatever else the child prints goes to its standard error. A child says "ready"
once it can be asked, waits without using a processor, and ends when its standard input does.
Standard library only: children may run under another Python.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

from mslt_tf.errors import UserError

Tasks = Mapping[str, Callable[[int], Any]]  # by name: number of steps -> answer, fit for JSON
ANSWERS = "STEP_TIME_ANSWERS"  # the environment's name for the number of the answers' pipe
READY = {"ready": True}
SECONDS_TO_END = 20.0


class Child:
    """A process that answers; `ask` waits for it."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ):
        """Starts the process; `ready` waits until it can be asked."""
        self.name = name
        # Apart from standard output, to which libraries print when they are imported.
        answers, answers_end = os.pipe()
        self._answers = os.fdopen(answers)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=sys.stderr.fileno(),
            text=True,
            pass_fds=[answers_end],
            env={**os.environ, **(environment or {}), ANSWERS: str(answers_end)},
        )
        os.close(answers_end)

    def ready(self) -> None:
        """Waits until the child has built what it needs."""
        self.answer()

    def ask(self, task: str, steps: int = 1) -> Any:
        """Returns the answer to a task.

        Raises:
            UserError: the process has ended.
        """
        self.request(task, steps)
        return self.answer()

    def request(self, task: str, steps: int = 1) -> None:
        """Sets the process to a task, and does not wait for it."""
        with contextlib.suppress(BrokenPipeError):  # `answer` says more
            _write_line(self._process.stdin, {"task": task, "steps": steps})

    def answer(self) -> Any:
        """Waits for the answer to the oldest request that has none yet.

        Raises:
            UserError: as `ask`.
        """
        line = self._answers.readline()
        if not line:
            raise UserError(f"the process of {self.name} {_reason(self._process.wait())}")
        answer = json.loads(line)
        if "error" in answer:
            raise UserError(f"{self.name}: {answer['error']}")
        return answer

    def hang_up(self, *, at_once: bool = False) -> None:
        """Tells the process that nothing more will be asked, or kills it at once."""
        if at_once:
            self._process.kill()
        for pipe in (self._process.stdin, self._answers):
            with contextlib.suppress(BrokenPipeError):
                assert pipe is not None
                pipe.close()

    def end(self) -> None:
        """Waits until the process has ended after `hang_up`, and uses force if it takes long."""
        try:
            self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def children(started: Sequence[Child]) -> Iterator[None]:
    """Waits until all are ready, and ends all of them when the context does."""
    done = False
    try:
        for child in started:
            child.ready()
        yield
        done = True
    finally:
        for child in started:  # all before the first is waited for
            child.hang_up(at_once=not done)
        for child in started:
            child.end()


def serve(make_tasks: Callable[[], Tasks]) -> None:
    """Is a child: makes its tasks, then does what it is asked, until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's matter
    answers = os.fdopen(int(os.environ[ANSWERS]), "w")
    try:
        tasks = make_tasks()
        _write_line(answers, READY)
        for line in sys.stdin:
            request = json.loads(line)
            _write_line(answers, tasks[request["task"]](request["steps"]))
        sys.stdout.flush()
        # TensorFlow's own end was seen to hang after steps that were fed from memory.
        os._exit(0)
    except UserError as error:
        _write_line(answers, {"error": str(error)})


def _write_line(pipe: IO[str] | None, content: Any) -> None:
    assert pipe is not None
    pipe.write(json.dumps(content) + "\n")
    pipe.flush()


def _reason(status: int) -> str:
    """Returns how a process ended, and what to do about it."""
    if status == -signal.SIGKILL:
        return (
            "was killed, probably as memory is short. Lower --train_batch_size, or measure "
            "fewer --stages at a time, or with --one_at_a_time."
        )
    return f"ended with status {status}; above it says why."
