"""The results as text and as JSON."""

import dataclasses
import json
import os

from benchmarks.step_time.results import Spread, StageResult, Summary
from benchmarks.step_time.turns import Outcome
from mslt_tf.config import PretrainingConfig
from mslt_tf.stage_plan import format_table

NUM_OPERATIONS = 32


def text(summary: Summary) -> str:
    """Returns all tables and lines of the result."""
    parts = [time_table(summary), work_table(summary), *result_lines(summary)]
    return "\n\n".join(parts) + "\n"


def time_table(summary: Summary) -> str:
    """Returns a row per stage: the step, its spread and its parts, in seconds."""
    parts = ("forward", "backward", "optimizer", "input wait")
    rows = [("stage", "step s", "quartiles", *parts, "of original", "arithmetic")]
    for stage in summary.stages:
        parts = (stage.forward, stage.backward, stage.optimizer)
        rows.append(
            (
                stage.name,
                f"{stage.step.median:.4g}",
                _quartiles(stage.step),
                *(_optional(part, ".4g") for part in parts),
                _input_wait(stage),
                _optional(stage.of_original, ".3f"),
                f"{stage.arithmetic_of_original:.3f}",
            )
        )
    return format_table(rows)


def work_table(summary: Summary) -> str:
    """Returns a row per stage: what its step achieves and the memory it takes.

    Of memory, the last columns leave out what libraries alone take, and what model, optimizer
    and input take before the first step.
    """
    memory_columns = ("optimizer MB", "peak MB", "without libraries", "in steps")
    rows = [("stage", "GFLOP/s", "of ceiling", *memory_columns)]
    for stage in summary.stages:
        memory = stage.memory
        rows.append(
            (
                stage.name,
                f"{stage.flops_per_second / 1e9:,.0f}",
                _optional(stage.share_of_ceiling, ".1%"),
                f"{stage.optimizer_bytes / 1e6:,.0f}",
                f"{memory['peak'] / 1e6:,.0f}",
                f"{(memory['peak'] - memory['before_model']) / 1e6:,.0f}",
                f"{(memory['peak'] - memory['before_first_step']) / 1e6:,.0f}",
            )
        )
    return format_table(rows)


def result_lines(summary: Summary) -> list[str]:
    """Returns a line for the ceiling, for each peer and for the plan."""
    lines = []
    ceiling = summary.ceiling_flops_per_second
    if ceiling:
        lines.append(
            f"Matmul ceiling, {summary.ceiling_size} square: {ceiling.median / 1e9:,.0f} GFLOP/s "
            f"({ceiling.lower / 1e9:,.0f} - {ceiling.upper / 1e9:,.0f})"
        )
    for peer, result in summary.peers.items():
        seconds, ratio = result["seconds"], result["ratio"]
        lines.append(
            f"Ours / {peer}: {ratio.median:.3f} ({_quartiles(ratio)}); {peer} takes "
            f"{seconds.median:.4g} s ({_quartiles(seconds)})"
        )
    if summary.speedup:
        lines.append(
            f"Speed-up over the original method at equal steps: {summary.speedup.median:.3f}x "
            f"({_quartiles(summary.speedup)}); arithmetic {summary.arithmetic_speedup:.2f}x"
        )
    return lines


def operation_table(rows: list[tuple[str, float, int]]) -> str:
    """Returns the operations that take most of the time, of [(type, seconds, calls)]."""
    total = sum(seconds for _, seconds, _ in rows)
    cells = [("operation", "seconds", "share", "calls")]
    cells += [
        (name[:60], f"{seconds:.4f}", f"{seconds / total:.1%}", f"{calls:,}")
        for name, seconds, calls in rows[:NUM_OPERATIONS]
    ]
    return format_table([*cells, ("all", f"{total:.4f}", "", "")])


def to_json(summary: Summary, outcome: Outcome, config: PretrainingConfig) -> str:
    """Returns everything, with each single sample."""
    content = {
        "settings": dataclasses.asdict(config),
        "machine": {"processors": os.cpu_count()},
        "summary": dataclasses.asdict(summary),
        "samples": outcome.samples,
        "facts": outcome.facts,
        "profiles": outcome.profiles,
    }
    return json.dumps(content, indent=1) + "\n"


def _input_wait(stage: StageResult) -> str:
    if stage.input_wait is None:
        return "-"
    return f"{stage.input_wait:.4f} ({stage.input_wait / stage.step.median:.1%})"


def _quartiles(values: Spread) -> str:
    return f"{values.lower:.4g} - {values.upper:.4g}"


def _optional(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"
