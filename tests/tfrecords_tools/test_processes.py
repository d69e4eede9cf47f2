"""Tasks in worker processes: order, progress, mistakes, and workers that are killed."""

import io
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from tests.process_groups import wait_until
from tests.tfrecords_tools import worker_tasks
from tfrecords_tools.processes import Workers, default_num_processes
from tfrecords_tools.progress import Progress

PROJECT = Path(__file__).parents[2]
KILLED = r"a worker process was killed, perhaps because memory ran out. .*finished work is kept"


def progress(stream: io.StringIO | None = None) -> Progress:
    return Progress("test", unit="units", stream=stream or io.StringIO())


@pytest.mark.parametrize("num_processes", [1, 2])
def test_results_come_in_the_order_of_the_tasks_and_progress_counts_all(num_processes: int):
    tasks = list(range(12))
    with Workers(num_processes) as workers:
        for _ in range(2):  # the second phase counts from zero again
            stream = io.StringIO()
            results = workers.run(worker_tasks.square, tasks, progress=progress(stream))
            assert [found for found, _ in results] == [task * task for task in tasks]
            assert stream.getvalue().startswith(f"test: {sum(tasks)} units")
    at_work = {process_id for _, process_id in results}
    assert len(at_work) == num_processes
    assert (os.getpid() in at_work) == (num_processes == 1)


@pytest.mark.parametrize("num_processes", [1, 2])
def test_no_tasks_have_no_results(num_processes: int):
    with Workers(num_processes) as workers:
        assert workers.run(worker_tasks.square, [], progress=progress()) == []


@pytest.mark.parametrize("num_processes", [1, 2])
def test_what_a_task_refuses_is_told_and_ends_the_work_of_the_others(num_processes: int):
    tasks = [*range(4), *range(100, 104)]
    with (
        pytest.raises(UserError, match=r"^the third task is not as it must be$"),
        Workers(num_processes) as workers,
    ):
        workers.run(worker_tasks.refuse, tasks, progress=progress())


def test_a_killed_worker_is_told():
    with pytest.raises(UserError, match=KILLED), Workers(2) as workers:
        workers.run(worker_tasks.be_killed, range(50), progress=progress())


def test_a_worker_that_is_killed_between_two_phases_is_told(tmp_path: Path):
    with Workers(2) as workers:
        workers.run(worker_tasks.write_process_id, [str(tmp_path)] * 6, progress=progress())
        process_id = int(next(tmp_path.iterdir()).name)
        os.kill(process_id, signal.SIGKILL)
        assert wait_until(lambda: workers._pool._broken, timeout=10)
        with pytest.raises(UserError, match=KILLED):
            workers.run(worker_tasks.square, range(4), progress=progress())


def test_a_worker_that_is_killed_while_it_counts_stops_nobody_for_ever():
    """In a process of its own, which can be given up."""
    program = """
from mslt_tf.errors import UserError
from tests.tfrecords_tools import test_processes, worker_tasks
from tfrecords_tools.processes import Workers
if __name__ == "__main__":
    try:
        with Workers(2) as workers:
            work = worker_tasks.be_killed_while_counting
            workers.run(work, range(50), progress=test_processes.progress())
    except UserError as error:
        print(error)
"""
    path = PROJECT / "tests"
    result = run_program(program, path)
    assert "a worker process was killed" in result.stdout, result.stderr


def test_an_interruption_while_workers_start_leaves_no_traceback(tmp_path: Path):
    (tmp_path / "slow_import.py").write_text("import time\ntime.sleep(2)\n")
    program = """
import os, signal, threading
from tests.tfrecords_tools import test_processes, worker_tasks
from tfrecords_tools import processes

processes._PRELOADED = ["slow_import"]
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    with processes.Workers(2) as workers:
        workers.run(worker_tasks.square, [1, 2], progress=test_processes.progress())
except KeyboardInterrupt:
    print("interrupted")
"""
    result = run_program(program, tmp_path)
    assert (result.stdout, result.stderr) == ("interrupted\n", "")


def run_program(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, errors = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            pytest.fail("it waits for ever")
    return subprocess.CompletedProcess(command, process.returncode, out, errors)


def test_workers_end_with_their_context(tmp_path: Path):
    with Workers(2) as workers:
        workers.run(worker_tasks.write_process_id, [str(tmp_path)] * 6, progress=progress())
    ids = [int(path.name) for path in tmp_path.iterdir()]
    assert len(ids) == 2
    assert not any(map(is_alive, ids))


def is_alive(process_id: int) -> bool:
    path = Path(f"/proc/{process_id}/stat")
    return path.exists() and path.read_text().rpartition(")")[2].split()[0] != "Z"


def test_the_default_is_as_many_as_this_process_may_use():
    allowed = os.sched_getaffinity(0)
    try:
        for count in range(1, len(allowed) + 1):
            os.sched_setaffinity(0, set(itertools.islice(allowed, count)))
            assert default_num_processes() == count
    finally:
        os.sched_setaffinity(0, allowed)
