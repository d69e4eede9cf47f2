"""Workers that check whether they reach each other, over real sockets."""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import threading
import time

import pytest

from mslt_tf.distribution import peer_check, peer_greeting
from mslt_tf.distribution.cluster import Cluster, split_address
from mslt_tf.distribution.peer_check import check_peers
from tests.distribution.peers import (
    Worker,
    answer_as,
    call,
    connect,
    free_addresses,
    greeting,
    impostor,
    is_free,
    read_line,
    start_all,
)


@pytest.mark.parametrize("count", [1, 2, 3, 12])
def test_all_workers_reach_each_other_and_leave_their_ports_free(count):
    addresses = free_addresses(count)
    workers = [worker.wait() for worker in start_all(addresses)]
    assert [worker.message for worker in workers] == ["NoneType: None"] * count
    for worker in workers:
        (report,) = worker.reports
        assert report.startswith(f"all {count} workers reached in ")
    assert all(is_free(split_address(address)[1]) for address in addresses)


@pytest.mark.parametrize("host", ["[::1]", "localhost"])
def test_workers_may_have_ipv6_addresses_or_names(host):
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    workers = start_all(free_addresses(2, host))
    assert [worker.wait().error for worker in workers] == [None, None]


def test_all_wait_for_the_last_worker():
    workers = free_addresses(3)
    early = [Worker(Cluster(workers, index)) for index in (0, 2)]
    time.sleep(0.5)
    assert all(worker.is_waiting for worker in early)
    late = Worker(Cluster(workers, 1))
    assert [worker.wait().error for worker in (*early, late)] == [None] * 3


def test_processes_that_exit_at_once_leave_nobody_behind():
    workers = free_addresses(3)
    program = (
        "import sys\n"
        "from mslt_tf.distribution.cluster_environment import find_cluster\n"
        "from mslt_tf.distribution.peer_check import check_peers\n"
        "cluster = find_cluster({'TF_CONFIG': sys.argv[1]})\n"
        "check_peers(cluster, facts={}, time_limit=20, report=print)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, Cluster(workers, index).tf_config()],
            stdout=subprocess.PIPE,
            text=True,
        )
        for index in range(3)
    ]
    outputs = [process.communicate(timeout=30)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert all(output.startswith("all 3 workers reached in ") for output in outputs)


def test_a_missing_worker_is_named_with_the_state_of_every_other_one():
    addresses = free_addresses(3)
    present = [Worker(Cluster(addresses, index), time_limit=1.0) for index in (0, 1)]
    message = present[0].wait().message
    assert message.startswith(f"UserError: worker 0 ({addresses[0]}) has waited 1 s for 1 of 2")
    assert f"\n  worker 1 ({addresses[1]}): reached\n" in message
    assert f"\n  worker 2 ({addresses[2]}): not reached: connection refused\n" in message
    assert "Start the same command on every worker" in message
    assert f"worker 2 ({addresses[2]}): not reached" in present[1].wait().message
    assert is_free(split_address(addresses[0])[1])


def test_silent_machines_do_not_hold_up_the_others():
    addresses = free_addresses(4)
    with impostor(addresses[1]), impostor(addresses[2]):
        present = [Worker(Cluster(addresses, index), time_limit=1.0) for index in (0, 3)]
        messages = [worker.wait().message for worker in present]
    for message, other in zip(messages, (3, 0), strict=True):
        assert f"worker {other} ({addresses[other]}): reached\n" in message
        assert f"worker 1 ({addresses[1]}): not reached: no answer\n" in message
        assert f"worker 2 ({addresses[2]}): not reached: no answer\n" in message


def test_a_call_without_answer_is_repeated(monkeypatch):
    monkeypatch.setattr(peer_check, "_CALL_SECONDS", 0.2)
    addresses = free_addresses(2)
    with socket.create_server(split_address(addresses[1])) as listener:
        first = Worker(Cluster(addresses, 0))
        connection, _ = listener.accept()
    with connection:  # open until the end, so that nothing but the time ends the first call
        second = Worker(Cluster(addresses, 1))
        assert [first.wait().error, second.wait().error] == [None, None]


def test_a_program_that_is_no_worker_is_not_taken_for_one():
    answers = {
        b"HTTP/1.1 400\r\n": "something else answers on its port",
        b"x" * 100_000: "something else answers on its port",
        b"[" * 60_000 + b"\n": "something else answers on its port",
        b"": "it closed the connection without an answer",
    }
    addresses = free_addresses(1 + len(answers))
    with contextlib.ExitStack() as impostors:
        for address, answer in zip(addresses[1:], answers, strict=True):
            impostors.enter_context(impostor(address, answer_with(answer)))
        message = Worker(Cluster(addresses, 0), time_limit=0.5).wait().message
    for index, state in enumerate(answers.values(), start=1):
        assert f"worker {index} ({addresses[index]}): not reached: {state}\n" in message


def answer_with(text):
    def serve(connection):
        read_line(connection)
        connection.sendall(text)

    return serve


def test_garbage_from_outside_disturbs_nobody():
    addresses = free_addresses(2)
    first = Worker(Cluster(addresses, 0))
    good = json.loads(greeting(Cluster(addresses, 1), called=0))
    wrong_values = {
        "protocol": "other", "index": True, "called": "0", "num_workers": -1,
        "workers_sha256": None, "facts": {"version": 1},
    }  # fmt: skip
    garbage = [b"\n", b"{}\n", b"null\n", b"\xff\n", b"9" * 5000 + b"\n", b"[" * 60_000 + b"\n"]
    garbage += [
        json.dumps({**good, name: bad}).encode() + b"\n" for name, bad in wrong_values.items()
    ]
    garbage += [json.dumps({**good, "facts": ["version"]}).encode() + b"\n"]
    garbage += [json.dumps({**good, "more": 1}).encode() + b"\n"]
    assert [call(addresses[0], line) for line in garbage] == [b""] * len(garbage)
    with connect(addresses[0]) as silent:
        second = Worker(Cluster(addresses, 1))
        assert [first.wait().error, second.wait().error] == [None, None]
        assert silent.recv(1) == b""


def flood(connection):
    for _ in range(10_000):
        connection.sendall(b"x" * 10_000)


def test_a_caller_that_says_nothing_is_hung_up_on(monkeypatch):
    monkeypatch.setattr(peer_check, "_GREETING_SECONDS", 0.1)
    addresses = free_addresses(2)
    worker = Worker(Cluster(addresses, 0), time_limit=1.0)
    with connect(addresses[0]) as connection:
        assert connection.recv(1) == b""
        assert worker.is_waiting
    worker.wait()


def test_a_line_without_end_is_cut_off():
    addresses = free_addresses(2)
    first = Worker(Cluster(addresses, 0), time_limit=1.0)
    with connect(addresses[0]) as connection, pytest.raises(ConnectionError):
        flood(connection)
    assert first.is_waiting
    assert "has waited 1 s" in first.wait().message


def test_a_worker_that_cannot_call_back_is_told_apart():
    addresses = free_addresses(2)
    with impostor(addresses[1], answer_as(Cluster(addresses, 1), called=1)):
        message = Worker(Cluster(addresses, 0), time_limit=0.5).wait().message
    assert "reached, but it has not reached this worker (firewall?)" in message


def test_a_call_counts_only_when_the_caller_has_seen_the_answer():
    last_lines = [b"seen\n", b"", b"sent\n", b"seen\nseen\n"]
    addresses = free_addresses(1 + len(last_lines))
    worker = Worker(Cluster(addresses, 0), time_limit=0.7)
    for index, last_line in enumerate(last_lines, start=1):
        call(addresses[0], greeting(Cluster(addresses, index), called=0), last_line)
    message = worker.wait().message
    assert message.count("not reached: connection refused\n") == 3
    assert message.count("not reached: connection refused (it has reached this worker)\n") == 1
    assert f"({addresses[1]}): not reached: connection refused (it has" in message


def test_a_name_that_nobody_knows_is_said_to_be_one(monkeypatch):
    real, release = socket.getaddrinfo, threading.Event()

    def look_up(host, *arguments, **options):
        if host == b"slow":
            release.wait(20.0)
        if host in (b"slow", b"unknown"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    (address,) = free_addresses(1)
    start = time.monotonic()
    message = Worker(Cluster((address, "unknown:1", "slow:2"), 0), time_limit=0.5).wait().message
    assert time.monotonic() - start < 5.0
    release.set()
    assert "worker 1 (unknown:1): not reached: name cannot be resolved\n" in message
    assert "worker 2 (slow:2): not reached: name cannot be resolved\n" in message


def test_a_port_in_use_is_an_error_at_once():
    addresses = free_addresses(2)
    start = time.monotonic()
    with impostor(addresses[0]):
        message = Worker(Cluster(addresses, 0)).wait().message
    assert time.monotonic() - start < 5.0
    port = split_address(addresses[0])[1]
    assert message.startswith(f"UserError: worker 0 ({addresses[0]}) cannot listen on port {port}")
    assert "it is in use. End the program" in message


def test_reports_say_who_is_missing(monkeypatch):
    monkeypatch.setattr(peer_check, "_REPORT_SECONDS", 0.2)
    addresses = free_addresses(12)
    worker = Worker(Cluster(addresses, 0), time_limit=0.9).wait()
    assert 2 <= len(worker.reports) <= 4
    assert worker.reports[0].startswith("waiting for other workers since 0 s: worker 1 (")
    assert (
        f"worker 8 ({addresses[8]}): not reached: connection refused; 3 more" in worker.reports[0]
    )


def test_facts_that_no_line_holds_are_a_mistake_of_ours():
    (address,) = free_addresses(1)
    with pytest.raises(ValueError, match="at most 65536"):
        check_peers(Cluster((address,), 0), facts={"a": "x" * 70_000}, time_limit=1.0, report=print)


def test_a_defect_ends_the_check_at_once(monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(peer_greeting, "find_problem_of_answer", fail)
    addresses = free_addresses(2)
    start = time.monotonic()
    with impostor(addresses[1], answer_as(Cluster(addresses, 1), called=1)):
        worker = Worker(Cluster(addresses, 0)).wait()
    assert isinstance(worker.error, ZeroDivisionError)
    assert time.monotonic() - start < 5.0


def test_who_calls_in_the_very_moment_of_the_end_is_not_kept_waiting(monkeypatch):
    """Such as another worker's TensorFlow, which would wait for ever on a dead connection."""
    ours, theirs = free_addresses(2)
    late, stop = [], peer_check._Check._stop

    async def stop_as_somebody_calls(check):
        late.append(socket.create_connection(split_address(ours)))
        await asyncio.sleep(0)  # the loop sees the call, and only then are the tasks ended
        await stop(check)

    monkeypatch.setattr(peer_check._Check, "_stop", stop_as_somebody_calls)
    trouble = []
    monkeypatch.setattr(asyncio.BaseEventLoop, "default_exception_handler", trouble.append)
    worker = Worker(Cluster((ours, theirs), 0), time_limit=0.1)
    assert "has waited 0.1 s for 1 of 1 other workers" in str(worker.wait().error)
    assert trouble == []
    with late[0] as caller:
        caller.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            assert caller.recv(1) == b""
