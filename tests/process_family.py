"""Runs of programs in processes forked from one that has TensorFlow loaded.

Loading it takes longer than most runs of the tests' tiny model; nothing else is shared.
"""

import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_FAMILY = multiprocessing.get_context("forkserver")
_FAMILY.set_forkserver_preload(["mslt_tf.pretraining.training"])


def start(
    arguments: list[str],
    output: Path,
    environment: Mapping[str, str] | None = None,
    *,
    program: str = "mslt_tf.run_pretraining",
) -> ForkServerProcess:
    """Starts a run; what it writes, errors too, is added to the file `output`."""
    given = (program, arguments, output, dict(environment or {}))
    process = _FAMILY.Process(target=_run, args=given)
    process.start()
    return process


def _run(program: str, arguments: list[str], output: Path, environment: dict[str, str]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the fork server ignores it
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.environ.update(environment)
    sys.argv = [program, *arguments]
    runpy.run_module(program, run_name="__main__")
