"""Which workers train together and which of them this process is: from TF_CONFIG or Slurm."""

import dataclasses
import ipaddress
import json
import re
from collections.abc import Mapping
from typing import Any

from mslt_tf.errors import UserError

EXAMPLE = (
    'TF_CONFIG=\'{"cluster": {"worker": ["host-a:2222", "host-b:2222"]}, '
    '"task": {"type": "worker", "index": 0}}\''
)
_ADVICE = (
    f"Write it like {EXAMPLE}, with the same list on every worker; index is the worker's own "
    "place in that list, from 0."
)
_JOBS = ("chief", "worker")  # in TensorFlow's order: a chief comes before the workers
_ADDRESS = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?)\]|(?P<host>[A-Za-z0-9._-]+))"
    r":(?P<port>[0-9]{1,5})"
)
_MAX_SHOWN = 200  # characters of a wrong value in a message


@dataclasses.dataclass(frozen=True)
class Cluster:
    """All workers of a run, in order, and which of them this process is.

    Raises:
        UserError: no worker, an address that is none, one address twice, or an index that no
            worker has.
    """

    workers: tuple[str, ...]  # "host:port"; entry 0 is the chief
    index: int  # ours

    def __post_init__(self) -> None:
        if not self.workers:
            raise UserError("the list of workers is empty. Give at least one as host:port.")
        seen: dict[str, int] = {}
        for index, address in enumerate(self.workers):
            split_address(address)
            first = seen.setdefault(address.lower(), index)
            if first != index:
                raise UserError(
                    f"workers {first} and {index} have the same address {address}. Give every "
                    "worker its own; two on one host need different ports."
                )
        if not 0 <= self.index < self.num_workers:
            raise UserError(
                f"this worker has index {self.index}, but there are {self.num_workers} workers. "
                f"The index must be 0 to {self.num_workers - 1}."
            )

    @property
    def num_workers(self) -> int:
        """How many workers there are, with this one."""
        return len(self.workers)

    @property
    def is_chief(self) -> bool:
        """Whether this worker does what only one may do, such as writing checkpoints."""
        return self.index == 0

    @property
    def address(self) -> str:
        """This worker's own "host:port"."""
        return self.workers[self.index]

    @property
    def name(self) -> str:
        """What messages call this worker."""
        return self.name_of(self.index)

    def name_of(self, index: int) -> str:
        """Returns what messages call worker `index`.

        >>> Cluster(("host-a:2222", "host-b:2222"), 0).name_of(1)
        'worker 1 (host-b:2222)'
        """
        return f"worker {index} ({self.workers[index]})"

    def tf_config(self) -> str:
        """Returns the TF_CONFIG that says the same, with all workers, the chief too, as "worker".

        >>> Cluster(("host-a:2222", "host-b:2222"), 1).tf_config()
        '{"cluster": {"worker": ["host-a:2222", "host-b:2222"]}, "task": {"type": "worker", \
"index": 1}}'
        """
        task = {"type": "worker", "index": self.index}
        return json.dumps({"cluster": {"worker": list(self.workers)}, "task": task})


def split_address(address: str) -> tuple[str, int]:
    """Returns host and port of "host:port"; an IPv6 host without its brackets.

    >>> split_address("[::1]:2222")
    ('::1', 2222)

    Raises:
        UserError: the address is not of this form, or its port is not 1 to 65535.
    """
    match = _ADDRESS.fullmatch(address)
    ipv6 = match and match["ipv6"]
    if not match or (ipv6 and not _is_ipv6(ipv6)):
        raise UserError(
            f"{_shown(address)} is not the address of a worker. Write host:port, such as "
            "host-a:2222, 10.0.0.1:2222 or [fd00::1]:2222."
        )
    port = int(match["port"])
    if not 1 <= port <= 65535:
        raise UserError(f"the port of worker {address} is {port}. It must be 1 to 65535.")
    return ipv6 or match["host"], port


def find_cluster(environ: Mapping[str, str]) -> Cluster:
    """Returns the cluster that the environment describes: TF_CONFIG if set, else Slurm's variables.

    Args:
        environ: `os.environ`, or what stands for it.

    Raises:
        UserError: neither is there, or what is there is wrong.
    """
    if environ.get("TF_CONFIG"):
        return _cluster_from_tf_config(environ["TF_CONFIG"])
    if "SLURM_PROCID" in environ and {"SLURM_NTASKS", "SLURM_STEP_NUM_TASKS"} & environ.keys():
        from mslt_tf.distribution import slurm  # it needs Cluster, from this module

        return slurm.cluster_from_slurm(environ)
    raise UserError(
        "nothing says which workers there are: neither TF_CONFIG is set nor Slurm's SLURM_PROCID "
        "and SLURM_NTASKS. Under Slurm, start the workers with srun. Elsewhere, set on every "
        f"worker {EXAMPLE}, where index is the worker's own place in the list, from 0."
    )


def _cluster_from_tf_config(text: str) -> Cluster:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"TF_CONFIG is not valid JSON ({error}). {_ADVICE}") from error
    config = _checked("TF_CONFIG", config, dict)
    jobs = _checked("cluster in TF_CONFIG", config.get("cluster"), dict)
    task = _checked("task in TF_CONFIG", config.get("task"), dict)
    for job in jobs:
        _check_job("the cluster in TF_CONFIG has a job", job)
    job = _checked("type of the task in TF_CONFIG", task.get("type"), str)
    _check_job("the task in TF_CONFIG is of type", job)
    index = _checked("index of the task in TF_CONFIG", task.get("index"), int)
    addresses = {job: _addresses_of(job, jobs.get(job, [])) for job in _JOBS}
    if not 0 <= index < len(addresses[job]):
        raise UserError(
            f"the task in TF_CONFIG is {job} {_shown(index)}, but the cluster lists "
            f"{len(addresses[job])} of type {job}. The index must be below that, from 0."
        )
    chiefs, workers = (addresses[job] for job in _JOBS)
    return Cluster((*chiefs, *workers), index if job == "chief" else len(chiefs) + index)


def _addresses_of(job: str, value: object) -> list[str]:
    where = f"job {job} of the cluster in TF_CONFIG"
    addresses = [
        _checked(f"an entry of {where}", entry, str) for entry in _checked(where, value, list)
    ]
    if job == "chief" and len(addresses) > 1:
        raise UserError(
            f"TF_CONFIG lists {len(addresses)} chiefs. There must be at most one; list the others "
            "as worker."
        )
    return addresses


def _check_job(what: str, job: str) -> None:
    if job not in _JOBS:
        raise UserError(
            f"{what} {_shown(job)}, but this program has only worker and chief. Remove it: there "
            "are no parameter servers, and the chief evaluates."
        )


def _checked(what: str, value: Any, kind: type) -> Any:
    """Returns the value, which must be of this kind."""
    words = {dict: "an object", list: "a list", str: "a string", int: "a whole number"}
    if isinstance(value, kind) and not isinstance(value, bool):
        return value
    found = "missing" if value is None else _shown(value)
    raise UserError(f"{what} is {found}; it must be {words[kind]}. {_ADVICE}")


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "..."
