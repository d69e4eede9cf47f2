"""Clusters, and how TF_CONFIG describes them."""

import json

import pytest

from mslt_tf.distribution.cluster import Cluster, split_address
from mslt_tf.distribution.cluster_environment import find_cluster
from mslt_tf.errors import UserError


def environment(cluster: object, task: object, **more: object) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task, **more})}


def test_a_cluster_knows_its_workers():
    cluster = Cluster(("a:1", "b:2", "c:3"), 1)
    assert (cluster.num_workers, cluster.is_chief, cluster.address) == (3, False, "b:2")
    assert cluster.name == "worker 1 (b:2)"
    assert cluster.name_of(2) == "worker 2 (c:3)"
    assert Cluster(("a:1", "b:2"), 0).is_chief


@pytest.mark.parametrize(
    ("workers", "index", "message"),
    [
        ((), 0, "list of workers is empty"),
        (("a:1", "b:1"), 2, "index 2, but there are 2 workers.*must be 0 to 1"),
        (("a:1", "b:1"), -1, "index -1"),
        (("a:1", "b:1", "A:1"), 0, "workers 0 and 2 have the same address A:1"),
        (("a:0",), 0, "port of worker a:0 is 0. It must be 1 to 65535"),
        (("a:65536",), 0, "is 65536"),
        (("a",), 0, "'a' is not the address of a worker"),
        (("a:",), 0, "not the address"),
        ((":1",), 0, "not the address"),
        (("a:٣",), 0, "not the address"),
        (("a:+1",), 0, "not the address"),
        (("a b:1",), 0, "not the address"),
        (("a:1\n",), 0, "not the address"),
        (("grpc://a:1",), 0, "not the address"),
        (("fd00::1:2222",), 0, "not the address"),
        (("[host]:1",), 0, "not the address"),
        (("[fd00:1",), 0, "not the address"),
        (("x" * 10_000,), 0, "^.{,500}$"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused(workers, index, message):
    with pytest.raises(UserError, match=message):
        Cluster(workers, index)


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("host-a.example_1.org:2222", "host-a.example_1.org", 2222),
        ("10.0.0.1:65535", "10.0.0.1", 65535),
        ("[fd00::1]:1", "fd00::1", 1),
        ("[fe80::1%eth0]:22", "fe80::1%eth0", 22),
    ],
)
def test_an_address_has_a_host_and_a_port(address, host, port):
    assert split_address(address) == (host, port)


def test_tf_config_lists_workers():
    found = find_cluster(
        environment({"worker": ["a:1", "[::1]:2"]}, {"type": "worker", "index": 1})
    )
    assert found == Cluster(("a:1", "[::1]:2"), 1)


@pytest.mark.parametrize(("job", "index", "place"), [("chief", 0, 0), ("worker", 1, 2)])
def test_a_chief_comes_before_the_workers_wherever_it_stands(job, index, place):
    jobs = {"worker": ["b:1", "c:1"], "chief": ["a:1"]}
    found = find_cluster(environment(jobs, {"type": job, "index": index}, environment="cloud"))
    assert found == Cluster(("a:1", "b:1", "c:1"), place)


def test_a_chief_may_be_alone():
    found = find_cluster(environment({"chief": ["a:1"]}, {"type": "chief", "index": 0}))
    assert found == Cluster(("a:1",), 0)


def test_the_canonical_tf_config_has_workers_only_and_says_the_same():
    jobs = {"chief": ["a:1"], "worker": ["b:1"]}
    found = find_cluster(environment(jobs, {"type": "worker", "index": 0}))
    canonical = found.tf_config()
    assert json.loads(canonical) == {
        "cluster": {"worker": ["a:1", "b:1"]},
        "task": {"type": "worker", "index": 1},
    }
    assert find_cluster({"TF_CONFIG": canonical}) == found


ONE = {"worker": ["a:1", "b:1"]}
FIRST = {"type": "worker", "index": 0}


@pytest.mark.parametrize(
    ("cluster", "task", "message"),
    [
        (None, FIRST, "cluster in TF_CONFIG is missing; it must be an object"),
        ([], FIRST, r"cluster in TF_CONFIG is \[\]"),
        (ONE, None, "task in TF_CONFIG is missing"),
        (ONE, "worker", "task in TF_CONFIG is 'worker'"),
        (ONE, {"index": 0}, "type of the task in TF_CONFIG is missing; it must be a string"),
        (ONE, {"type": "worker"}, "index of the task in TF_CONFIG is missing"),
        (ONE, {"type": "worker", "index": "0"}, "is '0'; it must be a whole number"),
        (ONE, {"type": "worker", "index": True}, "is True; it must be a whole number"),
        (ONE, {"type": "worker", "index": 0.0}, "is 0.0; it must be a whole number"),
        (ONE, {"type": "worker", "index": 2}, "is worker 2, but the cluster lists 2"),
        (ONE, {"type": "worker", "index": -1}, "is worker -1"),
        (ONE, {"type": "chief", "index": 0}, "is chief 0, but the cluster lists 0"),
        (ONE, {"type": "evaluator", "index": 0}, "of type 'evaluator'"),
        (ONE, {"type": ["worker"], "index": 0}, "must be a string"),
        ({**ONE, "ps": ["p:1"]}, FIRST, "has a job 'ps'"),
        ({**ONE, "evaluator": ["p:1"]}, FIRST, "has a job 'evaluator'"),
        ({**ONE, "chief": ["p:1", "q:1"]}, FIRST, "lists 2 chiefs"),
        ({**ONE, "chief": ["a:1"]}, FIRST, "workers 0 and 1 have the same address"),
        ({"worker": {"0": "a:1"}}, FIRST, "job worker .* must be a list"),
        ({"worker": "a:1"}, FIRST, "job worker .* must be a list"),
        ({"worker": ["a:1", 2]}, FIRST, "an entry of job worker .* is 2; it must be a string"),
        ({"worker": ["a"]}, FIRST, "not the address"),
        ({}, FIRST, "lists 0 of type worker"),
    ],
)
def test_a_wrong_tf_config_is_refused_by_what_is_wrong(cluster, task, message):
    with pytest.raises(UserError, match=message):
        find_cluster(environment(cluster, task))


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "{'cluster': 1}", "9" * 5000])
def test_a_tf_config_that_is_no_json_is_refused(text):
    with pytest.raises(UserError, match="TF_CONFIG is not valid JSON") as caught:
        find_cluster({"TF_CONFIG": text})
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("text", ["[]", "null", "3"])
def test_a_tf_config_that_is_no_object_is_refused(text):
    with pytest.raises(UserError, match=r"TF_CONFIG is .*; it must be an object"):
        find_cluster({"TF_CONFIG": text})


def test_tf_config_comes_before_slurm_and_slurm_before_nothing():
    slurm = {
        "SLURM_PROCID": "0",
        "SLURM_NTASKS": "1",
        "SLURM_JOB_ID": "7",
        "SLURM_STEP_NODELIST": "n1",
        "SLURM_STEP_TASKS_PER_NODE": "1",
    }
    assert find_cluster({**slurm, **environment(ONE, FIRST)}).address == "a:1"
    assert find_cluster({**slurm, "TF_CONFIG": ""}).address == "n1:20112"


@pytest.mark.parametrize("environ", [{}, {"SLURM_PROCID": "0"}, {"SLURM_NTASKS": "1"}])
def test_without_either_both_ways_are_explained(environ):
    with pytest.raises(UserError, match=r'srun.*TF_CONFIG=.*"worker": \["host-a:2222"'):
        find_cluster(environ)
