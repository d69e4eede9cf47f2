"""The cluster that the environment describes: by TF_CONFIG, or by Slurm's variables."""

import json
from collections.abc import Mapping
from typing import Any

from mslt_tf.distribution import slurm
from mslt_tf.distribution.cluster import Cluster, shown
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
            f"the task in TF_CONFIG is {job} {shown(index)}, but the cluster lists "
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
            f"{what} {shown(job)}, but this program has only worker and chief. Remove it: there "
            "are no parameter servers, and the chief evaluates."
        )


def _checked(what: str, value: Any, kind: type) -> Any:
    """Returns the value, which must be of this kind."""
    words = {dict: "an object", list: "a list", str: "a string", int: "a whole number"}
    if isinstance(value, kind) and not isinstance(value, bool):
        return value
    found = "missing" if value is None else shown(value)
    raise UserError(f"{what} is {found}; it must be {words[kind]}. {_ADVICE}")
