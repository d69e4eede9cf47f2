"""Which devices do a step together, and a TPU that is not there."""

import os
import signal
import subprocess
import sys
import time
from unittest import mock

import pytest
import tensorflow as tf

from mslt_tf.distribution import strategies
from mslt_tf.errors import UserError
from tests import process_groups
from tests.distribution import worker_processes


@pytest.mark.multi_device
def test_one_machine_gives_the_first_device_or_all_of_them():
    assert strategies.one_machine(all_devices=False).num_replicas_in_sync == 1
    assert strategies.one_machine(all_devices=True).num_replicas_in_sync == 2
    assert strategies.one_machine(all_devices=True) is strategies.one_machine(all_devices=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "--tpu is '', but .* must be local"),
        ("my-tpu", "only TPUs of the machine that the program runs on can be fed"),
        ("grpc://10.0.0.1:8470", "with --tpu=local"),
        ("local", "TensorFlow sees no TPU on this machine"),
    ],
)
def test_a_tpu_that_is_not_there_or_elsewhere_is_refused_at_once(name, message):
    began = time.monotonic()
    with pytest.raises(UserError, match=message):
        strategies.tpu(name)
    assert time.monotonic() - began < 2


def test_a_tpu_of_several_machines_is_refused(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["TPU"])
    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", mock.Mock())
    monkeypatch.setattr(tf.tpu.experimental, "initialize_tpu_system", mock.Mock())
    strategy = mock.Mock()
    monkeypatch.setattr(tf.distribute, "TPUStrategy", lambda resolver: strategy)
    strategy.extended.num_hosts = 4
    with pytest.raises(UserError, match="this TPU has 4 machines"):
        strategies.tpu("local")
    strategy.extended.num_hosts = 1
    assert strategies.tpu("local") is strategy


STARTED_WORKER = """
import os, time
from mslt_tf.distribution import cluster_environment, strategies
strategies.multi_worker(cluster_environment.find_cluster(os.environ))
print("started", flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_sigterm_ends_a_worker_that_has_only_just_been_started():
    workers = [
        process_groups.start(
            [sys.executable, "-c", STARTED_WORKER],
            cwd=worker_processes.PROJECT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for environment in worker_processes.cluster_environments(2)
    ]
    assert [worker.stdout.readline() for worker in workers] == ["started\n"] * 2
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    ended = worker_processes.wait(workers, timeout=5)
    assert [worker.status for worker in ended] == [-signal.SIGTERM] * 2
