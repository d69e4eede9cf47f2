"""Trouble with the files of one of two workers: it says which, and the other that it is gone."""

import os
import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from mslt_tf.distribution.cluster import Cluster
from mslt_tf.distribution.workers import Workers
from mslt_tf.files import file_errors
from tests import tiny
from tests.distribution import worker_processes
from tests.distribution.short_runs import SETTINGS, wait_for_checkpoint


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return {"train_records": tiny.write_random_shards(folder / "train", sizes=(30,) * 12)}


def start_each(folder, settings, *changes):
    """Starts a worker for each of `changes` to the settings."""
    environments = worker_processes.cluster_environments(len(changes))
    return [
        worker
        for environment, change in zip(environments, changes, strict=True)
        for worker in worker_processes.start(
            folder, {**settings, **change}, environments=[environment]
        )
    ]


def assert_lost(ended, lost):
    assert ended.status == 75, ended.errors
    assert f"error: worker {lost} (127.0.0.1:" in ended.errors or "another worker" in ended.errors
    assert "Start all workers again with the same command" in ended.errors
    assert "Traceback" not in ended.errors


@pytest.mark.parametrize(
    ("kind", "message", "is_lost"),
    [
        (tf.errors.UnavailableError, "Socket closed", True),
        (tf.errors.NotFoundError, "Collective ops is aborted by: part-0; No such file", True),
        (tf.errors.InternalError, "NCCL: unhandled system error", True),
        (tf.errors.InternalError, "Error invoking NCCL: remote process exited", True),
        (tf.errors.InternalError, "expected data types compatible with NCCL but instead", False),
        (tf.errors.InternalError, "Blas GEMM launch failed", False),
        (tf.errors.ResourceExhaustedError, "OOM when allocating tensor", False),
    ],
)
def test_an_error_that_a_collective_brought_is_of_another_worker_if_there_is_one(
    kind, message, is_lost
):
    error, strategy = kind(None, None, message), tf.distribute.get_strategy()
    two = Cluster(("host-a:2222", "host-b:2222"), 0)
    assert Workers(strategy, two).has_lost_peer(error) == is_lost
    assert not Workers(strategy).has_lost_peer(error)


def test_a_storage_that_one_worker_does_not_reach_is_not_taken_for_a_lost_worker():
    text = (
        "All 10 retry attempts failed. The last failure: libcurl code 6 meaning 'no host', gs://b"
    )
    error = tf.errors.AbortedError(None, None, text)
    workers = Workers(tf.distribute.get_strategy(), Cluster(("host-a:2222", "host-b:2222"), 0))
    assert file_errors.remedy(error).startswith("See to the network")
    assert workers.has_lost_peer(error)
    assert not workers.has_lost_peer(error, is_explained=True)
    aborted = tf.errors.AbortedError(None, None, f"Collective ops is aborted by: {text}")
    assert workers.has_lost_peer(aborted, is_explained=True)


RESET = (
    "Collective ops is aborted by: Connection reset by peer\nAdditional GRPC error information "
    "from remote target /job:worker/replica:0/task:2 while calling "
    "/tensorflow.WorkerService/RecvBuf"
)
TIMEOUT = (
    "Collective ops is aborted by: Error reported from /job:worker/task:2: Task "
    "/job:worker/replica:0/task:2 heartbeat timeout."
)
PASSED_ON = (  # by worker 0, to worker 1
    "\nAdditional GRPC error information from remote target /job:worker/replica:0/task:0 while "
    "calling /tensorflow.WorkerService/RecvBuf"
)


@pytest.mark.parametrize("message", [RESET, TIMEOUT, RESET + PASSED_ON, TIMEOUT + PASSED_ON])
def test_the_worker_that_is_lost_is_named_and_not_the_one_that_passed_it_on(message):
    error = tf.errors.UnavailableError(None, None, message)
    three = Cluster(("host-a:2222", "host-b:2222", "host-c:2222"), 1)
    described = Workers(tf.distribute.get_strategy(), three).describe_loss(error)
    assert described.startswith("worker 2 (host-c:2222) has ended")
    assert "worker 0" not in described


@pytest.mark.slow
@pytest.mark.parametrize(("failing", "only_checks"), [(0, True), (1, False)])
def test_trouble_of_one_worker_before_the_first_step_is_a_lost_peer_for_the_other(
    data, tmp_path, failing, only_checks
):
    changes = [{}, {}]
    changes[failing] = {"train_records": "/nowhere/*"}
    settings = {**SETTINGS, **data, "check_cluster": only_checks}
    ended = worker_processes.wait(start_each(tmp_path, settings, *changes))
    assert ended[failing].status == 2
    assert "folder /nowhere does not exist" in ended[failing].errors
    assert_lost(ended[1 - failing], failing)


@pytest.mark.slow
def test_a_shard_of_one_worker_that_is_cut_in_mid_run_is_named_there_and_a_lost_peer_elsewhere(
    data, tmp_path
):
    copies = [tmp_path / str(index) for index in range(2)]
    for copy in copies:
        shutil.copytree(Path(data["train_records"]).parent, copy)
    settings = {**SETTINGS, "num_train_steps": 100_000, "num_checkpoints_kept": 3}
    changes = [{"train_records": copy / "part-*"} for copy in copies]
    workers = start_each(tmp_path / "run", settings, *changes)
    wait_for_checkpoint(workers, tmp_path / "run", 40)
    for shard in copies[1].iterdir():  # whichever comes next
        os.truncate(shard, shard.stat().st_size // 2)
    chief, other = worker_processes.wait(workers, timeout=60)
    assert other.status == 2, other.errors
    assert str(copies[1]) in other.errors
    assert "truncated" in other.errors
    assert_lost(chief, 1)
