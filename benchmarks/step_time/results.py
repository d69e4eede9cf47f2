"""What the samples say: times and their spread, shares, ratios and the plan's speed-up."""

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.step_time.turns import FROM_MEMORY, MATMUL, STEP, Outcome, Samples
from mslt_tf import cost_model
from mslt_tf.config import PretrainingConfig
from mslt_tf.stage_plan import Stage

CEILING = "matmul ceiling"  # the name of its process


@dataclasses.dataclass(frozen=True)
class Spread:
    """A median and the quartiles around it."""

    median: float
    lower: float
    upper: float


@dataclasses.dataclass(frozen=True)
class StageResult:
    """What was measured of a stage; seconds are of one step."""

    name: str
    batch_size: int
    step: Spread
    forward: float | None
    backward: float | None
    optimizer: float | None
    input_wait: float | None
    flops_per_second: float
    share_of_ceiling: float | None
    of_original: float | None  # of the original method's step
    arithmetic_of_original: float
    optimizer_bytes: int
    memory: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Summary:
    """All results of a run."""

    stages: tuple[StageResult, ...]
    ceiling_flops_per_second: Spread | None
    ceiling_size: int | None
    speedup: Spread | None  # over the original method at equal steps; None: not all were measured
    arithmetic_speedup: float
    peers: dict[str, dict[str, Spread]]  # peer -> "seconds" of its step, "ratio" ours / theirs


def spread(values: Sequence[float]) -> Spread:
    """Returns median and quartiles.

    >>> spread([3.0, 1.0, 2.0])
    Spread(median=2.0, lower=1.5, upper=2.5)
    """
    if len(values) == 1:
        return Spread(*values, *values, *values)
    lower, median, upper = statistics.quantiles(values, method="inclusive")
    return Spread(median, lower, upper)


def pairwise_ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Returns the spread of the ratios of what was measured in the same round."""
    return spread([a / b for a, b in zip(ours, theirs, strict=True)])


def find_original(config: PretrainingConfig, stage: Stage, stages: Sequence[Stage]) -> Stage:
    """Returns which of `stages` does the work of the original method at the shapes of `stage`.

    If there is none, as in a plan without a joint stage, returns one to be measured besides.
    """
    original = cost_model.original_stage(config.model, stage)
    for candidate in stages:
        if _same_work(candidate, original):
            return candidate
    return dataclasses.replace(original, name=f"original_{stage.seq_length}x{stage.batch_size}")


def _same_work(one: Stage, other: Stage) -> bool:
    """Returns whether steps of both cost the same: where weights came from does not matter."""
    names = ("num_blocks", "num_frozen_blocks", "seq_length", "max_predictions_per_seq")
    return all(getattr(one, n) == getattr(other, n) for n in (*names, "batch_size"))


def speedup(config: PretrainingConfig, stages: Sequence[Stage], samples: Samples) -> Spread | None:
    """Returns the time of the original method over the plan's, at equal steps.

    The median is that of sums of medians; the quartiles are those of single rounds.
    """
    pairs = [(stage, find_original(config, stage, stages)) for stage in config.plan.stages]
    if any(stage.name not in samples for pair in pairs for stage in pair):
        return None
    originals, planned = (
        [(pair[side].name, pair[0].num_steps) for pair in pairs] for side in (1, 0)
    )

    def seconds(parts: list[tuple[str, int]], index: int | None) -> float:
        times = {name: samples[name][STEP] for name, _ in parts}
        return sum(
            num_steps * (statistics.median(times[name]) if index is None else times[name][index])
            for name, num_steps in parts
        )

    num_rounds = len(samples[planned[0][0]][STEP])
    rounds = spread([seconds(originals, i) / seconds(planned, i) for i in range(num_rounds)])
    return dataclasses.replace(rounds, median=seconds(originals, None) / seconds(planned, None))


def summarize(
    config: PretrainingConfig, stages: Sequence[Stage], outcome: Outcome, peers: Sequence[str]
) -> Summary:
    """Returns what the outcome says of the measured stages and peers."""
    ceiling, size = None, None
    if CEILING in outcome.samples:
        flops, size = (outcome.facts[CEILING][name] for name in ("flops", "size"))
        ceiling = spread([flops / seconds for seconds in outcome.samples[CEILING][MATMUL]])
    joint = peer_stage(config, stages)
    ours = outcome.samples.get(joint.name, {}).get(FROM_MEMORY, [])
    return Summary(
        stages=tuple(_stage_result(config, s, stages, outcome, ceiling) for s in stages),
        ceiling_flops_per_second=ceiling,
        ceiling_size=size,
        speedup=speedup(config, stages, outcome.samples),
        arithmetic_speedup=cost_model.speedup_over_original(config.model, config.plan),
        peers={
            peer: {
                "seconds": spread(outcome.samples[peer][STEP]),
                "ratio": pairwise_ratios(ours, outcome.samples[peer][STEP]),
            }
            for peer in peers
        },
    )


def peer_stage(config: PretrainingConfig, stages: Sequence[Stage]) -> Stage:
    """Returns the stage that peers are compared with: all layers, everything trained."""
    return find_original(config, config.plan.stages[0], stages)


def _stage_result(
    config: PretrainingConfig,
    stage: Stage,
    stages: Sequence[Stage],
    outcome: Outcome,
    ceiling: Spread | None,
) -> StageResult:
    samples, facts = outcome.samples[stage.name], outcome.facts[stage.name]
    step = spread(samples[STEP])
    flops = cost_model.stage_cost(config.model, stage).flops * stage.batch_size / step.median
    original = outcome.samples.get(find_original(config, stage, stages).name)
    return StageResult(
        name=stage.name,
        batch_size=stage.batch_size,
        step=step,
        **_parts(samples),
        flops_per_second=flops,
        share_of_ceiling=flops / ceiling.median if ceiling else None,
        of_original=step.median / statistics.median(original[STEP]) if original else None,
        arithmetic_of_original=cost_model.relative_cost(config.model, stage),
        optimizer_bytes=facts["optimizer_bytes"],
        memory=facts["memory"],
    )


def _parts(samples: dict[str, list[Any]]) -> dict[str, float | None]:
    """Returns the parts of a step: differences of medians of what runs more and more of it."""
    if "forward" not in samples:
        return dict.fromkeys(("forward", "backward", "optimizer", "input_wait"))
    forward, gradient, from_memory, step = (
        statistics.median(samples[task]) for task in ("forward", "gradient", FROM_MEMORY, STEP)
    )
    return {
        "forward": forward,
        "backward": gradient - forward,
        "optimizer": from_memory - gradient,
        "input_wait": step - from_memory,
    }
