"""Clusters that Slurm's variables describe."""

import time

import pytest

from mslt_tf.distribution.cluster import Cluster
from mslt_tf.distribution.slurm import cluster_from_slurm, expand_hosts, expand_task_counts
from mslt_tf.errors import UserError

STEP = {
    "SLURM_PROCID": "2",
    "SLURM_NTASKS": "5",
    "SLURM_JOB_ID": "1230042",
    "SLURM_STEP_NODELIST": "gpu[08-10]",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
}


def test_tasks_are_workers_node_by_node():
    workers = ("gpu08:20672", "gpu08:20673", "gpu09:20672", "gpu09:20673", "gpu10:20672")
    assert cluster_from_slurm(STEP) == Cluster(workers, 2)


def test_the_variables_of_the_step_come_before_those_of_the_job():
    job = {
        "SLURM_JOB_NODELIST": "other[1-9]",
        "SLURM_NODELIST": "other[1-9]",
        "SLURM_TASKS_PER_NODE": "9",
    }
    step = {**STEP, **job, "SLURM_NTASKS": "99", "SLURM_STEP_NUM_TASKS": "5"}
    assert cluster_from_slurm(step) == cluster_from_slurm(STEP)


@pytest.mark.parametrize("nodes", ["SLURM_JOB_NODELIST", "SLURM_NODELIST"])
def test_the_variables_of_the_job_do_where_the_step_has_none(nodes):
    job = {
        "SLURM_PROCID": "1",
        "SLURM_NTASKS": "2",
        "SLURM_JOB_ID": "9",
        nodes: "a,b",
        "SLURM_TASKS_PER_NODE": "1(x2)",
    }
    assert cluster_from_slurm(job) == Cluster(("a:20144", "b:20144"), 1)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("login", ["login"]),
        ("a,b-c,d.e", ["a", "b-c", "d.e"]),
        ("n[1]", ["n1"]),
        ("n[8-11]", ["n8", "n9", "n10", "n11"]),
        ("n[098-101]", ["n098", "n099", "n100", "n101"]),
        ("n[1,03,5-6]x,y", ["n1x", "n03x", "n5x", "n6x", "y"]),
        ("r[1-2]n[1,3]", ["r1n1", "r1n3", "r2n1", "r2n3"]),
        ("gpu[01-03,07],login", ["gpu01", "gpu02", "gpu03", "gpu07", "login"]),
    ],
)
def test_a_host_list_names_hosts_in_order(text, hosts):
    assert expand_hosts(text) == hosts


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "a,", ",a", "a,,b", "a b", "a\n"),
        *("n[", "n]", "n[]", "n[1", "n[1-]", "n[2-1]", "n[a]", "n[1,]", "n[[1]]", "n[1-2-3]"),
        *("n[1 ]", "n[٣]", "n[1-99999999]", "n[1-9999999999999]", "n[1-999][1-999]"),
        *("n[1-60000],m[1-60000]", "n[1-60000,1-60000]", "n" + "[1-9]" * 1000),
    ],
)
def test_what_is_no_host_list_is_refused_quickly(text):
    start = time.monotonic()
    with pytest.raises(UserError, match=r"list of nodes is .* cannot be read"):
        expand_hosts(text)
    assert time.monotonic() - start < 1.0


def test_an_endless_host_list_is_refused_quickly():
    start = time.monotonic()
    with pytest.raises(UserError, match="cannot be read"):
        expand_hosts("a" * 100_000 + "[")
    assert time.monotonic() - start < 1.0


@pytest.mark.parametrize(
    ("text", "counts"), [("4", [4]), ("2(x3),1", [2, 2, 2, 1]), ("1,10(x2)", [1, 10, 10])]
)
def test_tasks_per_node_are_counted(text, counts):
    assert expand_task_counts(text) == counts


@pytest.mark.parametrize(
    "text", ["", "a", "2x3", "2(x)", "2(3)", "-1", "1,", "2(x999999999)", "99999999", "1 "]
)
def test_what_is_no_list_of_counts_is_refused(text):
    with pytest.raises(UserError, match=r"tasks per node is .* cannot be read"):
        expand_task_counts(text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SLURM_STEP_TASKS_PER_NODE": "2(x3)"}, "task 2 of 5 tasks, but 6 in the tasks per node"),
        ({"SLURM_STEP_TASKS_PER_NODE": "2,3"}, "3 nodes in the list of nodes, 2 in"),
        ({"SLURM_NTASKS": "4"}, "task 2 of 4 tasks, but 5"),
        ({"SLURM_PROCID": "5"}, "task 5 of 5 tasks"),
        ({"SLURM_PROCID": "-1"}, "SLURM_PROCID is '-1'; it must be a whole number"),
        ({"SLURM_PROCID": ""}, "SLURM_PROCID is not set. .*srun"),
        ({"SLURM_NTASKS": "five"}, "SLURM_NTASKS is 'five'"),
        ({"SLURM_JOB_ID": ""}, "SLURM_JOB_ID .*is not set"),
        ({"SLURM_STEP_NODELIST": ""}, "SLURM_STEP_NODELIST or SLURM_JOB_NODELIST .*is not set"),
        ({"SLURM_STEP_TASKS_PER_NODE": ""}, "SLURM_TASKS_PER_NODE is not set"),
        ({"SLURM_STEP_NODELIST": "a,b,a"}, "have the same address"),
        ({"SLURM_STEP_NODELIST": "a,b,c:d"}, "not the address"),
        ({"SLURM_DISTRIBUTION": "cyclic"}, "is 'cyclic'.*--distribution=block"),
        ({"SLURM_DISTRIBUTION": "plane=2"}, "--distribution=block"),
        ({"SLURM_NODEID": "0"}, "SLURM_NODEID is 0, but task 2 should have 1"),
        ({"SLURM_LOCALID": "1"}, "SLURM_LOCALID is 1, but task 2 should have 0"),
        ({"SLURM_LOCALID": "x"}, "SLURM_LOCALID is 'x'; it must be a whole number"),
    ],
)
def test_variables_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        cluster_from_slurm({**STEP, **changes})


@pytest.mark.parametrize("distribution", ["block", "block:cyclic", ""])
def test_tasks_numbered_by_node_are_accepted(distribution):
    place = {"SLURM_NODEID": "1", "SLURM_LOCALID": "0", "SLURM_DISTRIBUTION": distribution}
    assert cluster_from_slurm({**STEP, **place}).index == 2


def test_two_jobs_on_a_node_have_other_ports_and_all_are_in_range():
    other = cluster_from_slurm({**STEP, "SLURM_JOB_ID": "1239999"})
    assert other.workers[:2] == ("gpu08:29984", "gpu08:29985")
