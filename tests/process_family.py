"""Runs of programs in processes forked from one that has TensorFlow loaded.

Loading it takes longer than most runs of the tests' tiny model; nothing else is shared.
"""

import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_FAMILY = multiprocessing.get_context("forkserver")
_FAMILY.set_forkserver_preload(["mslt_tf.pretraining.training"])


def start(
    arguments: list[str],
    output: Path,
    *,
    program: str = "mslt_tf.run_pretraining",
    errors: Path | None = None,
    environment: Mapping[str, str] | None = None,
    prepare: Callable[[], None] | None = None,
) -> ForkServerProcess:
    """Starts a run; what it writes is added to the file `output`, errors to `errors` if given.

    `prepare`, a function of a module, is called in the process before the program begins.
    """
    given = (program, arguments, output, errors or output, dict(environment or {}), prepare)
    process = _FAMILY.Process(target=_run, args=given)
    process.start()
    return process


def finish(
    arguments: list[str], output: Path, *, prepare: Callable[[], None] | None = None
) -> None:
    """Runs to the end, which must be a good one."""
    process = start(arguments, output, prepare=prepare)
    process.join(timeout=240)
    assert process.exitcode == 0, output.read_text()


def _run(
    program: str,
    arguments: list[str],
    output: Path,
    errors: Path,
    environment: dict[str, str],
    prepare: Callable[[], None] | None,
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the fork server ignores it
    for stream, path in ((1, output), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    os.environ.update(environment)
    if prepare:
        prepare()
    sys.argv = [program, *arguments]
    runpy.run_module(program, run_name="__main__")
