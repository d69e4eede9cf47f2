"""The cluster of a Slurm job step, from the variables that srun sets for each task.

TensorFlow has a reader of these too, but it fails where nvidia-smi is missing.
"""

import dataclasses
import itertools
import re
from collections.abc import Mapping

from mslt_tf.distribution.cluster import Cluster
from mslt_tf.errors import UserError

FIRST_PORT = 20000
# Ports stay below 32768, where Linux takes those for outgoing connections.
NUM_JOBS, PORTS_PER_JOB = 625, 16  # jobs with ports of their own; tasks of a job on one node

_MAX_TASKS = 65536  # so that a wrong list such as n[1-999999999] cannot fill the memory
_HOST_ENTRY = re.compile(r"(?:[^\[\],\s]|\[[^\[\]\s]*\])+")  # commas only inside brackets
_HOST_PARTS = re.compile(r"\[([^\]]*)\]|([^\[]+)")  # a bracket group, or text
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_TASK_COUNT = re.compile(r"([0-9]{1,9})(?:\(x([0-9]{1,9})\))?")
_SRUN_ADVICE = "Start the workers with srun, which sets it."


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where a task runs."""

    host: str
    node: int  # place of the host in the list of nodes
    local: int  # which of the tasks on its node


def cluster_from_slurm(environ: Mapping[str, str]) -> Cluster:
    """Returns the cluster of the tasks of this job step, one worker each.

    Tasks are taken to be numbered node by node, first all of the first node. That is Slurm's
    default; where it is set up otherwise, srun needs --distribution=block. Worker ports come from
    the job's number, so that jobs on one node seldom meet: 20000 + job % 625 * 16 + the task's
    index on its node.

    Args:
        environ: `os.environ`, or what stands for it.

    Raises:
        UserError: a variable is missing, cannot be read or contradicts another one, or the tasks
            are distributed otherwise.
    """
    _check_distribution(environ)
    index = _number(environ, "SLURM_PROCID")
    num_tasks = _number(environ, "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
    places = _find_places(environ)
    if len(places) != num_tasks or index >= num_tasks:
        raise UserError(
            f"Slurm's variables contradict each other: task {index} of {num_tasks} tasks, but "
            f"{len(places)} in the tasks per node. Start the workers with srun, directly."
        )
    _check_place(environ, index, places[index])
    port = FIRST_PORT + _number(environ, "SLURM_JOB_ID", "SLURM_JOBID") % NUM_JOBS * PORTS_PER_JOB
    return Cluster(tuple(f"{place.host}:{port + place.local}" for place in places), index)


def count_tasks(environ: Mapping[str, str]) -> int:
    """Returns how many tasks a job step has; 1 outside of one, or where nothing says it."""
    names = ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
    found = [environ[name] for name in names if environ.get(name, "").isdecimal()]
    return int(found[0]) if found and "SLURM_PROCID" in environ else 1


def expand_hosts(text: str) -> list[str]:
    """Returns the hosts that a Slurm host list names, in order.

    >>> expand_hosts("gpu[01-02,07],login,rack[1-2]n[1-2]")
    ['gpu01', 'gpu02', 'gpu07', 'login', 'rack1n1', 'rack1n2', 'rack2n1', 'rack2n2']

    Raises:
        UserError: the text is no host list, or names more than 65536 hosts.
    """
    if not re.fullmatch(f"{_HOST_ENTRY.pattern}(,{_HOST_ENTRY.pattern})*", text):
        raise _unreadable("list of nodes", text, "gpu[01-04],login")
    hosts: list[str] = []
    for entry in _HOST_ENTRY.findall(text):
        parts = [
            [literal] if literal else _expand_ranges(ranges, text)
            for ranges, literal in _HOST_PARTS.findall(entry)
        ]
        num_hosts = 1
        for part in parts:
            num_hosts *= len(part)
        if len(hosts) + num_hosts > _MAX_TASKS:
            raise _unreadable("list of nodes", text, "gpu[01-04],login")
        hosts += ["".join(pieces) for pieces in itertools.product(*parts)]
    return hosts


def expand_task_counts(text: str) -> list[int]:
    """Returns the number of tasks on each node.

    >>> expand_task_counts("2(x3),1")
    [2, 2, 2, 1]

    Raises:
        UserError: the text is not of this form, or counts more than 65536 nodes or tasks.
    """
    counts: list[int] = []
    for entry in text.split(","):
        match = _TASK_COUNT.fullmatch(entry)
        num_nodes = int(match[2] or 1) if match else 0
        if not match or len(counts) + num_nodes > _MAX_TASKS:
            raise _unreadable("list of tasks per node", text, "2(x3),1")
        counts += [int(match[1])] * num_nodes
    if sum(counts) > _MAX_TASKS:
        raise _unreadable("list of tasks per node", text, "2(x3),1")
    return counts


def _find_places(environ: Mapping[str, str]) -> list[_Place]:
    """Returns where each task runs, by its number."""
    nodes = ("SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST")
    hosts = expand_hosts(_text(environ, *nodes))
    counts = expand_task_counts(_text(environ, "SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE"))
    if len(hosts) != len(counts):
        raise UserError(
            f"Slurm's variables contradict each other: {len(hosts)} nodes in the list of nodes, "
            f"{len(counts)} in the tasks per node. Start the workers with srun, directly."
        )
    return [
        _Place(host, node, local)
        for node, (host, count) in enumerate(zip(hosts, counts, strict=True))
        for local in range(count)
    ]


def _check_distribution(environ: Mapping[str, str]) -> None:
    distribution = environ.get("SLURM_DISTRIBUTION") or "block"
    if not distribution.startswith("block"):
        raise UserError(
            f"SLURM_DISTRIBUTION is {distribution[:100]!r}, but the tasks must be numbered node by "
            "node. Start the workers with srun --distribution=block."
        )


def _check_place(environ: Mapping[str, str], index: int, place: _Place) -> None:
    """Refuses a task that runs elsewhere than block-wise numbers say."""
    expected = {"SLURM_NODEID": place.node, "SLURM_LOCALID": place.local}
    for name, value in expected.items():
        if environ.get(name) and _number(environ, name) != value:
            raise UserError(
                f"{name} is {_number(environ, name)}, but task {index} should have {value} if "
                "tasks are numbered node by node. Start the workers with srun "
                "--distribution=block."
            )


def _expand_ranges(ranges: str, text: str) -> list[str]:
    """Returns the numbers in a bracket group of the host list `text`, padded as its first ones."""
    numbers: list[str] = []
    for entry in ranges.split(","):
        match = _RANGE.fullmatch(entry)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not match or not 0 <= last - first < _MAX_TASKS - len(numbers):
            raise _unreadable("list of nodes", text, "gpu[01-04],login")
        numbers += [str(number).zfill(len(match[1])) for number in range(first, last + 1)]
    return numbers


def _number(environ: Mapping[str, str], *names: str) -> int:
    text = _text(environ, *names)
    if not re.fullmatch("[0-9]{1,18}", text):
        raise UserError(
            f"{' or '.join(names)} is {text[:100]!r}; it must be a whole number. {_SRUN_ADVICE}"
        )
    return int(text)


def _text(environ: Mapping[str, str], *names: str) -> str:
    """Returns the value of the first of these variables that is set."""
    for name in names:
        if environ.get(name):
            return environ[name]
    raise UserError(f"{' or '.join(names)} is not set. {_SRUN_ADVICE}")


def _unreadable(what: str, text: str, example: str) -> UserError:
    return UserError(
        f"Slurm's {what} is {text[:200]!r}, which cannot be read; it must be like {example}, for "
        f"at most {_MAX_TASKS} tasks. Start the workers with srun, or set TF_CONFIG instead."
    )
