"""Starts real workers of `mslt_tf.run_pretraining` on loopback.

They are not of `process_family`: in a process forked from one that has loaded TensorFlow, workers
never found each other.
"""

import dataclasses
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests import process_groups, tiny

PROJECT = Path(__file__).parents[2]
SECONDS = 240.0  # no run here takes longer
# Runs the program with what stands for an export; a real one takes seconds.
PROGRAM = """
import runpy
from tests.pretraining import quick_runs
quick_runs.replace_export()
runpy.run_module("mslt_tf.run_pretraining", run_name="__main__")
"""


@dataclasses.dataclass
class Ended:
    """How a worker ended."""

    status: int
    output: str
    errors: str


def free_addresses(count: int) -> list[str]:
    """Returns addresses on loopback that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses


def cluster_environments(count: int) -> list[dict[str, str]]:
    """Returns what tells each of `count` workers who the workers are."""
    cluster = {"worker": free_addresses(count)}
    return [
        {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})}
        for index in range(count)
    ]


def arguments(output_dir: Path, settings: Mapping[str, object]) -> list[str]:
    """Returns the flags of a run of the tiny model."""
    flags = {**tiny.FLAGS, **settings, "output_dir": output_dir}
    return [f"--{name}={value}" for name, value in flags.items()]


def command(output_dir: Path, settings: Mapping[str, object], *, program: str) -> list[str]:
    """Returns the command line of a run of the tiny model."""
    return [sys.executable, "-c", program, *arguments(output_dir, settings)]


def start(
    output_dir: Path,
    settings: Mapping[str, object],
    *,
    count: int = 0,
    environments: list[dict[str, str]] | None = None,
    program: str = PROGRAM,
) -> list[subprocess.Popen[str]]:
    """Starts `count` workers of one run, or one for each of the environments."""
    environments = environments or cluster_environments(count)
    settings = {"distribution_strategy": "multi_worker_mirrored", **settings}
    words = command(output_dir, settings, program=program)
    return [
        process_groups.start(
            words,
            cwd=PROJECT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for environment in environments
    ]


def wait(processes: list[subprocess.Popen[str]], *, timeout: float = SECONDS) -> list[Ended]:
    """Waits for all workers; kills all of them if one takes too long."""
    ended = []
    try:
        for process in processes:
            output, errors = process.communicate(timeout=timeout)
            ended.append(Ended(process.returncode, output, errors))
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.communicate()  # and closes its pipes
    return ended


def run(
    output_dir: Path, settings: Mapping[str, object], *, count: int, program: str = PROGRAM
) -> list[Ended]:
    """Runs `count` workers to their end, all of which must be good."""
    ended = wait(start(output_dir, settings, count=count, program=program))
    for worker in ended:
        assert worker.status == 0, worker.output + worker.errors
    return ended
