"""Workers that reach each other but must not train together."""

import json
import time

import pytest

from mslt_tf.distribution import peer_check, peer_greeting
from mslt_tf.distribution.cluster import Cluster
from mslt_tf.errors import UserError
from tests.distribution.peers import (
    FACTS,
    Worker,
    answer_as,
    call,
    free_addresses,
    greeting,
    impostor,
)


@pytest.fixture
def _short_linger(monkeypatch):
    monkeypatch.setattr(peer_check, "_LINGER_SECONDS", 0.2)


def test_workers_with_differing_facts_both_refuse():
    addresses = free_addresses(2)
    start = time.monotonic()
    first = Worker(Cluster(addresses, 0), facts={"version": "1", "flag seed": "1", "same": "x"})
    second = Worker(
        Cluster(addresses, 1), facts={"version": "1", "flag seed": "2\x1b", "same": "x"}
    )
    message = first.wait().message
    assert f"worker 1 ({addresses[1]}) and this one" in message
    assert r"'flag seed' is '2\x1b' there, '1' here. Start all workers with the same" in message
    assert "version" not in message.partition("Start")[0]
    assert r"'flag seed' is '1' there, '2\x1b' here" in second.wait().message
    assert time.monotonic() - start < 10.0


def test_a_third_worker_hears_of_the_difference_too():
    addresses = free_addresses(3)
    facts = [FACTS, FACTS, {**FACTS, "extra": "1"}]
    workers = [Worker(Cluster(addresses, index), facts[index]) for index in range(3)]
    messages = [worker.wait().message for worker in workers]
    assert "worker 2 " in messages[0]
    assert "'extra' is '1' there, missing here" in messages[0]
    assert "worker 2 " in messages[1]
    assert "'extra' is '1' there, missing here" in messages[1]
    assert "'extra' is missing there, '1' here" in messages[2]


@pytest.mark.usefixtures("_short_linger")
def test_workers_with_other_lists_both_refuse():
    addresses = free_addresses(3)
    workers = [
        Worker(Cluster(addresses[:2], 0)),
        Worker(Cluster(addresses, 1)),
    ]
    first, second = (worker.wait().message for worker in workers)
    assert "worker 1" in first
    assert "has another list of workers, with 3 entries; the list here has 2" in first
    assert "worker 0" in second
    assert "has another list of workers, with 2 entries; the list here has 3" in second


@pytest.mark.usefixtures("_short_linger")
def test_a_worker_at_the_address_of_another_is_refused():
    addresses = free_addresses(3)
    with impostor(addresses[1], answer_as(Cluster(addresses, 2), called=2)):
        message = Worker(Cluster(addresses, 0)).wait().message
    assert f"UserError: worker 1 ({addresses[1]}) says that it is worker 2." in message


@pytest.mark.usefixtures("_short_linger")
def test_a_worker_that_answers_with_another_list_is_refused():
    addresses = free_addresses(3)
    with impostor(addresses[1], answer_as(Cluster(addresses, 1), called=1)):
        message = Worker(Cluster(addresses[:2], 0)).wait().message
    assert f"UserError: worker 1 ({addresses[1]}) has another list of workers, with 3" in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"index": 0}, "a process on 127.0.0.1 says that it is worker 0 of 3, which this one is"),
        ({"index": 3}, "says that it is worker 3 of 3, which there is not"),
        ({"called": 2}, r"worker 1 \(.*\) finds this worker at the address of worker 2"),
        ({"num_workers": 4}, "on 127.0.0.1, .* worker 1, has another list of workers, with 4"),
        ({"workers_sha256": ""}, "on 127.0.0.1, .* worker 1, has another list of workers"),
        ({"facts": {}}, r"worker 1 \(.*\) and this one, .* 'version' is missing there"),
    ],
)
@pytest.mark.usefixtures("_short_linger")
def test_a_caller_that_does_not_fit_is_answered_and_refused(changes, message):
    addresses = free_addresses(3)
    worker = Worker(Cluster(addresses, 0))
    line = json.loads(greeting(Cluster(addresses, 1), called=0))
    answer = call(addresses[0], json.dumps({**line, **changes}).encode() + b"\n")
    assert peer_greeting.parse(answer).index == 0
    with pytest.raises(UserError, match=message):
        raise worker.wait().error
