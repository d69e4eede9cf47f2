"""The scripts for Slurm and Kubernetes, run with stand-ins for the programs that they call."""

import os
import re
import signal
import subprocess
import textwrap
from pathlib import Path

import pytest

from tests import process_groups
from tests.documented_commands import ROOT

PAGE = (ROOT / "docs" / "clusters.md").read_text("utf-8")
SLURM = ROOT / "scripts" / "pretrain.sbatch"
KUBERNETES = textwrap.dedent(re.search(r"- \|\n(.*?)\n +resources:", PAGE, re.DOTALL)[1])

SRUN = """
for SLURM_PROCID in 0 1; do
    export SLURM_PROCID
    setsid "${@:2}" &
done
wait
"""
ENDS_AS_TOLD = """
set -- $STATUSES
shift $SLURM_PROCID
[ $1 = none ] && kill -9 $PPID  # with its shell, as on a node that fails
exit $1
"""
# Where it is told to stop, it takes a while to save.
WAITS = """
trap 'sleep 0.5; echo saved >>"$FOLDER/saved"; exit 143' TERM
echo $PPID $$ >>"$FOLDER/started"
while true; do sleep 0.05; done
"""


@pytest.fixture
def start(tmp_path):
    """A function that starts a command with these programs on its path."""

    def start(command, environment, **programs):
        for name, content in programs.items():
            path = tmp_path / name
            path.write_text(f"#!/bin/bash{content}")
            path.chmod(0o755)
        defaults = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "FOLDER": str(tmp_path)}
        return process_groups.start(command, env={**defaults, **environment})

    return start


def start_slurm(start, tmp_path, python, *, srun=SRUN, **variables):
    """Starts the job, of two tasks, in a project whose virtual environment does nothing."""
    activate = tmp_path / "project" / ".venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.touch()
    environment = {
        **{"SLURM_NTASKS": "2", "SLURM_JOB_ID": "7"},
        **{"PROJECT": str(tmp_path / "project"), "SHARED": str(tmp_path), **variables},
    }
    scontrol = '\necho "$@" >>"$FOLDER/queue"\n'
    programs = {"python": python, "srun": srun, "scontrol": scontrol}
    return start(["bash", str(SLURM)], environment, **programs)


def run_slurm(start, tmp_path, statuses, *, restarts=""):
    """Returns the job's exit status, and whether it was put back into the queue."""
    variables = {"SLURM_RESTART_COUNT": restarts} if restarts else {}
    job = start_slurm(start, tmp_path, ENDS_AS_TOLD, STATUSES=statuses, **variables)
    status = job.wait(timeout=20)
    assert not list(tmp_path.glob("statuses.*"))
    queue = tmp_path / "queue"
    return status, queue.exists() and queue.read_text() == "requeue 7\n"


@pytest.mark.parametrize(
    ("statuses", "restarts", "expected"),
    [
        ("0 0", "", (0, False)),
        ("143 143", "", (75, True)),
        ("75 137", "3", (75, True)),  # out of memory
        ("75 none", "", (75, True)),
        ("0 none", "", (75, True)),
        ("2 75", "", (2, False)),
        ("143 143", "20", (75, False)),
    ],
)
def test_a_slurm_job_is_queued_again_where_that_can_help(
    start, tmp_path, statuses, restarts, expected
):
    assert run_slurm(start, tmp_path, statuses, restarts=restarts) == expected


def test_a_slurm_job_lets_its_workers_save_when_all_processes_of_a_task_are_told_to_stop(
    start, tmp_path, capfd
):
    job = start_slurm(start, tmp_path, WAITS)
    started = tmp_path / "started"
    assert process_groups.wait_until(
        lambda: started.exists() and started.read_text().count("\n") == 2, timeout=20
    )
    for process_id in started.read_text().split():
        os.kill(int(process_id), signal.SIGTERM)
    assert job.wait(timeout=20) == 75
    assert (tmp_path / "saved").read_text() == "saved\n" * 2
    assert "exit statuses of the workers: 143 143\n" in capfd.readouterr().out


def test_a_slurm_job_without_its_project_says_so_and_is_not_queued_again(start, tmp_path):
    folders = {"PROJECT": str(tmp_path / "nowhere"), "SHARED": str(tmp_path)}
    job = start(["bash", str(SLURM)], folders, srun='\ntouch "$FOLDER/started"\n')
    assert job.wait(timeout=20) == 2
    assert not list(tmp_path.glob("st*"))  # neither a folder for statuses nor a worker


def test_a_slurm_job_without_its_shared_folder_starts_no_worker(start, tmp_path):
    shared = str(tmp_path / "nowhere")
    srun = '\ntouch "$FOLDER/started"\n'
    job = start_slurm(start, tmp_path, ENDS_AS_TOLD, srun=srun, SHARED=shared)
    assert job.wait(timeout=20) == 2
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(("status", "expected"), [(0, 0), (2, 2), (75, 143), (137, 137)])
def test_a_container_ends_with_the_status_that_the_operator_understands(start, status, expected):
    container = start(["sh", "-c", KUBERNETES], {}, python=f"\nexit {status}\n")
    assert container.wait(timeout=20) == expected


def test_a_container_hands_sigterm_on_and_waits_for_its_worker(start, tmp_path):
    # As the first process of a namespace where that is allowed: it drops what it has no trap for.
    first = ["unshare", "--fork", "--pid", "--kill-child"]
    if (
        os.geteuid()
        or subprocess.run([*first, "true"], capture_output=True, check=False).returncode
    ):
        first = []
    container = start([*first, "sh", "-c", KUBERNETES], {}, python=WAITS)
    started = tmp_path / "started"
    assert process_groups.wait_until(started.exists, timeout=20)
    (shell,) = [
        process
        for process in process_groups.members(container.pid)
        if _arguments(process)[:2] == ["sh", "-c"]
    ]
    assert process_groups.wait_until(lambda: _has_trap(shell), timeout=20)
    os.kill(shell, signal.SIGTERM)
    assert container.wait(timeout=20) == 143
    assert (tmp_path / "saved").read_text() == "saved\n"


def _arguments(process):
    return Path(f"/proc/{process}/cmdline").read_text().split("\0")


def _has_trap(process):
    caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{process}/status").read_text())[1]
    return int(caught, 16) >> (signal.SIGTERM - 1) & 1
