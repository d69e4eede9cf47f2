"""Which devices do a step together, and a TPU that is not there."""

import os
import signal
import subprocess
import sys
import time
from unittest import mock

import pytest
import tensorflow as tf

from mslt_tf.distribution import gradient_sums, strategies
from mslt_tf.errors import UserError
from tests import process_groups
from tests.distribution import worker_processes


@pytest.mark.multi_device
def test_one_machine_gives_the_first_device_or_all_of_them():
    assert strategies.one_machine(all_devices=False).num_replicas_in_sync == 1
    assert strategies.one_machine(all_devices=True).num_replicas_in_sync == 2
    assert strategies.one_machine(all_devices=True) is strategies.one_machine(all_devices=True)


@pytest.mark.parametrize(("gpus", "hint"), [([], "AUTO"), (["GPU:0"], "NCCL")])
@pytest.mark.multi_device
def test_machines_add_up_what_lies_on_gpus_by_nccl(monkeypatch, gpus, hint):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    strategy = tf.distribute.MultiWorkerMirroredStrategy._from_local_devices(
        ("/device:CPU:0", "/device:CPU:1"), strategies.communication_options()
    )

    @tf.function(autograph=False)
    def summed():
        def replica():
            context = tf.distribute.get_replica_context()
            return gradient_sums.sum_over_replicas(context, [tf.ones(3), tf.ones(4)])

        return [strategy.experimental_local_results(each) for each in strategy.run(replica)]

    graph = summed.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    hints = [node.attr["communication_hint"].s.decode() for node in nodes if "Reduce" in node.op]
    assert hints == [hint.lower()] * 2  # a collective of each replica


def test_one_device_leaves_the_other_gpus_to_other_programs(monkeypatch):
    seen = []
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["GPU:0", "GPU:1"])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *shown: seen.append(shown))
    strategies.one_machine(all_devices=False)
    strategies.one_machine(all_devices=True)
    assert seen == [(["GPU:0"], "GPU")]


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
