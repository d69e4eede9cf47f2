"""Brings the workers of a run together, and checks that they see the same files."""

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mslt_tf.config import PretrainingConfig
from mslt_tf.distribution import cluster_environment, peer_check, slurm, strategies
from mslt_tf.distribution.workers import Workers
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, removal
from mslt_tf.terminal import say

PATH_FLAGS = (  # machines may have other names for the same files
    "output_dir",
    "train_records",
    "eval_records",
    "long_train_records",
    "long_eval_records",
    "vocab_file",
    "init_checkpoint",
)


def start_workers(config: PretrainingConfig) -> Workers:
    """Finds the devices, and with several workers reaches all of them first.

    Raises:
        UserError: the environment names no cluster, a worker is missing or has other settings, or
            there is no such TPU.
    """
    workers = _find_workers(config)
    _silence_first_note_of_xla()
    return workers


def _find_workers(config: PretrainingConfig) -> Workers:
    if config.distribution_strategy == "multi_worker_mirrored":
        found = cluster_environment.find_cluster(os.environ)
        if found.num_workers > 1:
            peer_check.check_peers(
                found, facts=_facts(config), time_limit=config.peer_timeout, report=say
            )
        return Workers(strategies.multi_worker(found), found)
    _note_ignored_cluster(config)
    if config.distribution_strategy == "tpu":
        return Workers(strategies.tpu(config.tpu))
    all_devices = config.distribution_strategy == "mirrored"
    return Workers(strategies.one_machine(all_devices=all_devices))


def _note_ignored_cluster(config: PretrainingConfig) -> None:
    """Says so if the environment names several workers, and this process trains by itself."""
    try:
        found = cluster_environment.find_cluster(os.environ)
        count, name = found.num_workers, found.name
    except UserError:  # no cluster, or not one that this run would have to understand
        count, name = slurm.count_tasks(os.environ), "one"
    if count > 1:
        say(
            f"note: the environment names {count} workers, of which this is {name}, but with "
            f"--distribution_strategy={config.distribution_strategy} it trains the whole run by "
            "itself. To train together, give --distribution_strategy=multi_worker_mirrored, behind "
            "every flag that says otherwise."
        )


def _silence_first_note_of_xla() -> None:
    """Compiles something trivial while standard error leads nowhere.

    XLA writes a note to it when it compiles for the first time in a process, and no setting of
    TensorFlow keeps that off the terminal.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "3":  # somebody wants to see such notes
        return
    stderr = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        tf.function(lambda x: x + 1.0, jit_compile=True)(0.0)
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _facts(config: PretrainingConfig) -> dict[str, str]:
    """Returns what must be equal on all workers, beside the files."""
    settings = dataclasses.asdict(config)
    facts = {name: json.dumps(v) for name, v in settings.items() if name not in PATH_FLAGS}
    facts["TensorFlow"] = tf.__version__
    facts["mslt_tf"] = importlib.metadata.version("mslt_tf")
    facts["GPUs"] = str(len(tf.config.list_physical_devices("GPU")))
    return facts


def check_shared_folder(workers: Workers, folder: str) -> None:
    """Checks that all workers see one and the same folder; all must call it.

    Raises:
        UserError: names those that do not.
    """
    if workers.count == 1:
        return
    # In the name as well: another run that starts here at the same time writes its own.
    token = int(workers.of_chief(float(random.getrandbits(48))))
    path = os.path.join(folder, f".shared_by_mslt_tf_{token:012x}")
    try:
        if workers.is_chief:
            with file_errors.writing(path), tf.io.gfile.GFile(path, "w") as file:
                file.write(str(token))
        workers.gather([0.0])  # all go on when it is written
        answers = workers.gather([_has_content(path, str(token))])[:, 0]
    finally:
        if workers.is_chief and tf.io.gfile.exists(path):
            removal.remove_file(path)
    blind = [index for index, answer in enumerate(answers) if not answer]
    if blind:
        raise UserError(
            f"{workers.names_of(blind)} cannot see what worker 0 writes to --output_dir {folder}. "
            "Give a folder on a file system that all workers share: they go on from the same "
            "checkpoint."
        )


def _has_content(path: str, content: str) -> bool:
    if not tf.io.gfile.exists(path):
        return False
    with tf.io.gfile.GFile(path) as file:
        return file.read() == content


def check_same(workers: Workers, facts: Mapping[str, Any]) -> None:
    """Checks that all workers have the same facts, under the same names; all must call it.

    Raises:
        UserError: names the workers that differ from the chief, and in what.
    """
    numbers = workers.gather([_number_of(value) for value in facts.values()])
    differs = numbers != numbers[0]
    others = np.flatnonzero(differs.any(axis=1)).tolist()
    if others:
        names = [
            name for name, is_other in zip(facts, differs.any(axis=0), strict=True) if is_other
        ]
        raise UserError(
            f"{workers.names_of(others)} found other {' and '.join(names)} than worker 0. All "
            "workers need the same files, which must sort alike: compare what --train_records, "
            "--eval_records, --vocab_file and --init_checkpoint name on these machines."
        )


def _number_of(value: Any) -> float:
    """Returns a number that stands for a JSON value, exact in a float64."""
    text = json.dumps(value, sort_keys=True)
    return float(int(hashlib.sha256(text.encode()).hexdigest()[:12], 16))
