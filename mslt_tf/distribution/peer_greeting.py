"""What workers tell each other before they train, and why two of them must not train together."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping

from mslt_tf.distribution.cluster import Cluster

MAX_LINE_BYTES = 64 * 1024

_PROTOCOL = "mslt_tf peer check 1"
_MAX_INDEX = 2**31
_MAX_SHOWN_VALUE = 200  # characters; the value comes from the network
_MAX_SHOWN_FACTS = 5


@dataclasses.dataclass(frozen=True)
class Greeting:
    """What a worker says of itself, and whom it believes to talk to."""

    index: int
    called: int  # the worker that was called; who answers gives its own index
    num_workers: int
    workers_sha256: str
    facts: Mapping[str, str]

    def to_line(self) -> bytes:
        """Returns the line of JSON that `parse` reads."""
        return json.dumps({"protocol": _PROTOCOL, **dataclasses.asdict(self)}).encode() + b"\n"


def greeting_of(cluster: Cluster, facts: Mapping[str, str], *, called: int) -> Greeting:
    """Returns what this worker says to worker `called`.

    Raises:
        ValueError: the facts are too large for a line.
    """
    digest = hashlib.sha256(json.dumps(cluster.workers).encode()).hexdigest()
    greeting = Greeting(cluster.index, called, cluster.num_workers, digest, dict(facts))
    num_bytes = len(greeting.to_line())
    if num_bytes > MAX_LINE_BYTES:
        raise ValueError(f"a greeting has {num_bytes} bytes; at most {MAX_LINE_BYTES} may be sent")
    return greeting


def parse(line: bytes) -> Greeting | None:
    """Returns the greeting in a line from the network, or None where it is anything else."""
    try:
        content = json.loads(line)
        if content.pop("protocol") != _PROTOCOL:
            return None
        greeting = Greeting(**content)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return None
    numbers = (greeting.index, greeting.called, greeting.num_workers)
    facts = greeting.facts
    is_well_formed = (
        all(type(number) is int and 0 <= number < _MAX_INDEX for number in numbers)
        and isinstance(greeting.workers_sha256, str)
        and isinstance(facts, dict)
        and all(isinstance(value, str) for value in facts.values())
    )
    return greeting if is_well_formed else None


def find_problem_of_answer(cluster: Cluster, own: Greeting, answer: Greeting) -> str | None:
    """Returns why this worker must not train with the one that answered it, or None."""
    name = cluster.name_of(own.called)
    if not _same_workers(own, answer):
        return _other_list(name, own, answer)
    if answer.index != own.called:
        return (
            f"{name} says that it is worker {answer.index}. Every worker must have the index of "
            "its own address in the list of workers; correct it there."
        )
    return _find_differing_facts(cluster, name, own, answer)


def find_problem_of_call(
    cluster: Cluster, own: Greeting, call: Greeting, *, host: str
) -> str | None:
    """Returns why this worker must not train with the one that called it from `host`, or None."""
    process = f"a process on {host}, which says that it is worker {call.index},"
    if not _same_workers(own, call):
        return _other_list(process, own, call)
    if call.index >= cluster.num_workers or call.index == cluster.index:
        why = "which this one is" if call.index == cluster.index else "which there is not"
        return (
            f"a process on {host} says that it is worker {call.index} of {cluster.num_workers}, "
            f"{why}. Give every worker the index of its own address in the list of workers."
        )
    if call.called != cluster.index:
        return (
            f"{cluster.name_of(call.index)} finds this worker at the address of worker "
            f"{call.called}, but its index is {cluster.index}. Give every worker the index of its "
            "own address in the list of workers."
        )
    return _find_differing_facts(cluster, cluster.name_of(call.index), own, call)


def _same_workers(own: Greeting, other: Greeting) -> bool:
    return (own.num_workers, own.workers_sha256) == (other.num_workers, other.workers_sha256)


def _other_list(who: str, own: Greeting, other: Greeting) -> str:
    return (
        f"{who} has another list of workers, with {other.num_workers} entries; the list here has "
        f"{own.num_workers}. Give every worker the same list, in the same order, and end workers "
        "that are left over from earlier runs."
    )


def _find_differing_facts(
    cluster: Cluster, name: str, own: Greeting, other: Greeting
) -> str | None:
    names = sorted(own.facts.keys() | other.facts.keys())
    differing = [fact for fact in names if own.facts.get(fact) != other.facts.get(fact)]
    if not differing:
        return None
    values = [
        f"{_shown(fact)} is {_shown(other.facts.get(fact))} there, "
        f"{_shown(own.facts.get(fact))} here"
        for fact in differing[:_MAX_SHOWN_FACTS]
    ]
    if len(differing) > _MAX_SHOWN_FACTS:
        values.append(f"{len(differing) - _MAX_SHOWN_FACTS} more differ")
    return (
        f"{name} and this one, {cluster.name}, do not run the same: {'; '.join(values)}. Start "
        "all workers with the same versions and flags."
    )


def _shown(value: str | None) -> str:
    text = "missing" if value is None else repr(value)
    return text if len(text) <= _MAX_SHOWN_VALUE else text[:_MAX_SHOWN_VALUE] + "..."
