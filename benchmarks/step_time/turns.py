"""Asks processes in turn, round after round, so that drift of the machine hits all alike."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from benchmarks.step_time.pipes import Child, children
from mslt_tf.bounds import Bounds, PositiveInt, check_numbers

# Round after round: process -> task -> seconds of a step, an entry a round.
Samples = dict[str, dict[str, list[float]]]
STEP = "step"  # fed by record files
FROM_MEMORY = "step_from_memory"
MATMUL = "matmul"
LONGEST_TURN = 1_000  # steps


@dataclasses.dataclass(frozen=True)
class Participant:
    """A process that takes part, and what it is asked in each round, in this order."""

    name: str
    start: Callable[[], Child]
    tasks: tuple[str, ...]
    is_profiled: bool = False


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long to measure; the flags of these names."""

    rounds: PositiveInt
    warmups: PositiveInt  # the first traces and compiles, the second still fills caches
    seconds_per_turn: Annotated[float, Bounds(at_least=0)]
    start_together: bool = False  # all trace and compile at the same time

    def __post_init__(self) -> None:
        check_numbers(self, prefix="--")


@dataclasses.dataclass
class Outcome:
    """What was measured."""

    samples: Samples = dataclasses.field(default_factory=dict)
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)  # of each process
    profiles: dict[str, Any] = dataclasses.field(default_factory=dict)  # of those that have one


def measure(
    participants: Sequence[Participant],
    schedule: Schedule,
    outcome: Outcome,
    *,
    report: Callable[[str], None],
) -> None:
    """Starts all processes, warms them up, lets them take turns and ends them.

    Args:
        participants: who takes part; the order turns around with each round.
        schedule: how long.
        outcome: takes what is measured, besides what it already has.
        report: takes lines of progress.
    """
    started = [participant.start() for participant in participants]
    with children(started):
        if schedule.start_together:
            report("compiling")
            _first_steps(participants, started)
        turns = []
        for participant, child in zip(participants, started, strict=True):
            report(f"warming up {participant.name}")
            turns += _warm_up(participant, child, schedule, outcome)
        for index in range(schedule.rounds):
            report(f"round {index + 1} of {schedule.rounds}")
            for child, task, num_steps in turns if index % 2 == 0 else reversed(turns):
                seconds = child.ask(task, num_steps)["seconds"] / num_steps
                outcome.samples[child.name][task].append(seconds)
        for participant, child in zip(participants, started, strict=True):
            if participant.is_profiled:
                outcome.profiles[child.name] = child.ask("profile")["operations"]


def _first_steps(participants: Sequence[Participant], started: Sequence[Child]) -> None:
    for participant, child in zip(participants, started, strict=True):
        child.request(participant.tasks[0])
    for child in started:
        child.answer()


def _warm_up(
    participant: Participant, child: Child, schedule: Schedule, outcome: Outcome
) -> list[tuple[Child, str, int]]:
    """Returns the turns of a process: what to ask and how many steps of it."""
    turns = []
    samples = outcome.samples.setdefault(child.name, {})
    for task in participant.tasks:
        seconds = [child.ask(task)["seconds"] for _ in range(schedule.warmups)]
        turns.append((child, task, steps_in_a_turn(schedule.seconds_per_turn, seconds[-1])))
        samples.setdefault(task, [])
        if child.name not in outcome.facts:  # after the main task: later ones may take more memory
            outcome.facts[child.name] = child.ask("facts")
    return turns


def steps_in_a_turn(seconds_per_turn: float, seconds_per_step: float) -> int:
    """Returns how many steps take about `seconds_per_turn`, at least one.

    >>> steps_in_a_turn(1.0, 0.3), steps_in_a_turn(1.0, 7.0)
    (4, 1)
    """
    return min(max(math.ceil(seconds_per_turn / seconds_per_step), 1), LONGEST_TURN)
