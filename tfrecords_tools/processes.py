"""Runs tasks in worker processes, with progress; what comes out does not depend on their number.

Workers are forked from a server that has imported TensorFlow once, so that they share its memory.
They end when their parent does, however it ends.
"""

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from typing import Any, TypeVar

from mslt_tf import terminal
from mslt_tf.errors import UserError
from tfrecords_tools.progress import Progress

Task = TypeVar("Task")
Result = TypeVar("Result")
# Takes a task and a function that counts finished units of work; both must be picklable.
Work = Callable[[Task, Callable[[int], None]], Result]

# They reach all processes of a terminal or a job; what becomes of them the parent decides.
PARENTS_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
_PRELOADED = ["tfrecords_tools.worker_imports"]
_SECONDS_BETWEEN_LOOKS = 0.2
_SLOTS = 1 << 16

# In a worker: units of work finished, a slot for each worker. Each writes its own, so there is no
# lock that a killed worker could keep.
_finished: Any = None


class WorkerKilledError(UserError):
    """A worker process ended without a word."""


class Workers:
    """A fixed number of processes that work on tasks; use it as a context."""

    def __init__(self, num_processes: int):
        """Starts nothing yet.

        Args:
            num_processes: 1 works in this process itself.
        """
        self._num_processes = num_processes
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Workers":
        if self._num_processes > 1:
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(_PRELOADED)
            with _ignoring(PARENTS_SIGNALS):  # the server and its workers inherit that
                forkserver.ensure_running()
            _wait_until_ready(context)
            self._finished = context.RawArray("q", _SLOTS)
            self._pool = ProcessPoolExecutor(
                self._num_processes,
                mp_context=context,
                initializer=_begin_worker,
                initargs=(self._finished,),
            )
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            for process in list((self._pool._processes or {}).values()) if error[0] else []:
                process.terminate()  # finished tasks are on disk; the others are done again
            self._pool.shutdown(cancel_futures=True)

    def run(
        self, work: Work[Task, Result], tasks: Iterable[Task], *, progress: Progress
    ) -> list[Result]:
        """Returns the results in the order of the tasks, whichever process they come from.

        Raises:
            UserError: a task raised it, or a worker was killed.
        """
        if self._pool is None:
            results = [work(task, progress.advance) for task in tasks]
        else:
            results = list(self._run_in_pool(self._pool, work, tasks, progress))
        progress.finish()
        return results

    def _run_in_pool(
        self,
        pool: ProcessPoolExecutor,
        work: Work[Task, Result],
        tasks: Iterable[Task],
        progress: Progress,
    ) -> Iterator[Result]:
        shown = sum(self._finished)
        try:
            futures: list[Future[Result]] = [pool.submit(_work, work, task) for task in tasks]
            pending = set(futures)
            while pending:
                done, pending = concurrent.futures.wait(
                    pending,
                    timeout=_SECONDS_BETWEEN_LOOKS,
                    return_when=concurrent.futures.FIRST_EXCEPTION,
                )
                finished = sum(self._finished)
                progress.advance(finished - shown)
                shown = finished
                for future in done:
                    future.result()  # raises what the task raised
            yield from (future.result() for future in futures)
        except BrokenProcessPool as error:
            raise WorkerKilledError(
                "a worker process was killed, perhaps because memory ran out. Give a smaller "
                "--num_processes and run again: finished work is kept."
            ) from error


def default_num_processes() -> int:
    """Returns how many processors this process may use."""
    return len(os.sched_getaffinity(0))


@contextlib.contextmanager
def _ignoring(signals: Iterable[signal.Signals]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # Python lets only the main thread set signals
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_until_ready(context: Any) -> None:
    """Waits until the server has imported what workers share, which takes seconds.

    A worker asked for meanwhile would begin after an interruption, without a parent, and say so by
    a traceback.
    """
    process = context.Process(target=_do_nothing)
    process.start()
    process.join()


def _do_nothing() -> None:
    pass


def _begin_worker(finished: Any) -> None:
    global _finished
    _finished = finished
    terminal.escape_unprintable()
    for number in PARENTS_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        with contextlib.suppress(OSError):
            parent.join()
    os._exit(1)


def _work(work: Work[Task, Result], task: Task) -> Result:
    return work(task, _advance)


def _advance(count: int) -> None:
    _finished[os.getpid() % _SLOTS] += count
