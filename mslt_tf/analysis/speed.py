"""How fast runs were, measured and by arithmetic, and what it took them to reach a loss."""

import dataclasses
import statistics
from collections.abc import Iterator, Sequence

from mslt_tf import cost_model
from mslt_tf.analysis import line_times, quantities
from mslt_tf.analysis.comparison import Group
from mslt_tf.analysis.runs import Evaluation, Run
from mslt_tf.analysis.section import Section, Table

TIME_AND_COST = (
    "Time is that of the training steps, compilation included, without evaluations, checkpoints "
    "and the time between starts. Times of different machines cannot be compared. Cost is the "
    "FLOPs of matrix products, by arithmetic. Of several runs, cells hold the median (lowest to "
    "highest)."
)
REACHING = (
    "What a run (row) had spent at its first evaluation at or below the loss that a run (column) "
    "ended with; nothing is guessed between evaluations."
)


def section(groups: Sequence[Group]) -> Section:
    """Returns the tables of time and cost of all runs."""
    base = baseline(groups)
    speedups = (
        f"Speed-ups are over {base.name}, of a step, averaged over the run so far: by the time it "
        "took, by arithmetic, and by the median speed of each stage without compilation. The last "
        "column says how much of the speed-up by arithmetic that one is."
    )
    tables = [_runs_table(groups, base), _stages_table(groups)]
    with_losses = [each for each in groups if _ends(each)]
    if len(with_losses) > 1:
        tables.append(_reaching_table(with_losses))
    return Section(
        "Time and cost", (TIME_AND_COST, speedups), tuple(_notes(groups)), tables=tuple(tables)
    )


def _notes(groups: Sequence[Group]) -> list[str]:
    """Returns what to bear in mind of the numbers: unfinished runs, and times that mislead."""
    unfinished = [note for each in groups if (note := _unfinished(each))]
    return unfinished + [
        note for each in groups for run in each.runs for note in line_times.notes(run)
    ]


def _unfinished(group: Group) -> str:
    """Returns what of a group is not finished; "" where all is."""
    if group.is_finished:
        return ""
    rest = "What it has done so far may be its cheaper part."
    if group.has_finished:
        rest = "Here the finished ones count; in curves and stages all do."
    return f"{group.name}: {group.state}. {rest}"


def baseline(groups: Sequence[Group]) -> Group:
    """Returns what speed-ups are over: the first run by the original method, else the first."""
    originals = (each for each in groups if each.first.settings.method == "original")
    return next(originals, groups[0])


def first_at_or_below(run: Run, target: Evaluation) -> int | None:
    """Returns the step of the first evaluation that is as good, on the same held-out records."""
    return next(
        (
            found.step
            for found in run.evaluations
            if found.has_records_of(target) and found.loss <= target.loss
        ),
        None,
    )


def _runs_table(groups: Sequence[Group], base: Group) -> Table:
    header = (
        *("run", "steps", "time", "cost", "last held-out loss"),
        *("speed-up", "speed-up by arithmetic", "speed-up without compilation"),
        "of the arithmetic one",
    )
    rows = []
    for each in groups:
        by_arithmetic = _cost_of_step(base) / _cost_of_step(each)
        compiled = _ratio(_compiled_seconds_of_step(base), _compiled_seconds_of_step(each))
        ends = _ends(each)
        rows.append(
            (
                each.name,
                quantities.spread([run.step for run in each.counted], "{:,.0f}".format),
                quantities.spread([run.seconds for run in each.counted], quantities.duration),
                quantities.spread([run.flops for run in each.counted], quantities.flops),
                _losses([end.loss for end in ends]) + (_length(ends[0], groups) if ends else ""),
                _shown(_ratio(_seconds_of_step(base), _seconds_of_step(each)), "{:.2f}"),
                f"{by_arithmetic:.2f}",
                _shown(compiled, "{:.2f}"),
                _shown(compiled and compiled / by_arithmetic, "{:.0%}"),
            )
        )
    return Table("Runs, as far as they are done.", header, tuple(rows))


def _length(end: Evaluation, groups: Sequence[Group]) -> str:
    """Returns the length of the records of a loss, where groups ended at several; else ""."""
    lengths = {other.seq_length for each in groups for other in _ends(each)}
    return f"\nat {end.seq_length} tokens" if len(lengths) > 1 else ""


def _stages_table(groups: Sequence[Group]) -> Table:
    header = (
        *("run", "stage", "depth", "trained", "steps planned", "steps/s", "cost of a step"),
        *("of a step of its whole model", "held-out loss at its end"),
    )
    rows = tuple(row for each in groups for row in _stage_rows(each))
    return Table("Stages.", header, rows)


def _stage_rows(group: Group) -> Iterator[tuple[str, ...]]:
    plan, model = group.first.plan, group.first.settings.model
    for span in (span for span in plan.spans if span.first_step < group.step):
        stage = span.stage
        speeds = [speed for run in group.runs if (speed := run.steps_per_second(span))]
        ends = [e.loss for run in group.runs for e in run.evaluations if e.step == span.end]
        yield (
            group.name,
            stage.name,
            f"{stage.num_blocks} of {plan.stages[-1].num_blocks} {plan.block_unit}",
            f"{stage.num_blocks - stage.num_frozen_blocks}",
            f"{stage.num_steps:,}",
            quantities.spread(speeds, "{:,.3g}".format),
            quantities.flops(cost_model.stage_flops(model, stage) / stage.num_steps),
            f"{cost_model.relative_cost(model, stage):.2f}",
            _losses(ends),
        )


def _reaching_table(groups: Sequence[Group]) -> Table:
    targets = [_median_end(each) for each in groups]
    header = ["run"]
    for each, target in zip(groups, targets, strict=True):
        so_far = "" if each.has_finished else " so far"
        where = _length(target, groups).replace("\n", " ")
        header.append(f"{each.name}: {target.loss:.3f}{where}{so_far}")
    rows = tuple((each.name, *(_reaching(each, target) for target in targets)) for each in groups)
    return Table(REACHING, tuple(header), rows)


def _reaching(group: Group, target: Evaluation) -> str:
    """Returns step, time and cost of reaching a loss, a line each."""
    counted = group.counted
    reached = [(run, step) for run in counted if (step := first_at_or_below(run, target))]
    if not reached:
        evaluations = (e for run in counted for e in run.evaluations)
        if not any(e.has_records_of(target) for e in evaluations):
            return f"not evaluated at {target.seq_length} tokens"
        return "not reached" if group.has_finished else "not reached so far"
    parts = [
        f"step {quantities.spread([step for _, step in reached], '{:,.0f}'.format)}",
        quantities.spread([run.seconds_at([s])[0] for run, s in reached], quantities.duration),
        quantities.spread([run.flops_at([s])[0] for run, s in reached], quantities.flops),
    ]
    if len(reached) < len(counted):
        parts.insert(0, f"reached by {len(reached)} of {len(counted)}:")
    return "\n".join(part.replace("\n", " ") for part in parts)


def _ends(group: Group) -> list[Evaluation]:
    """Returns the last evaluation of each run that counts, of the records of the furthest one."""
    ends = [run.evaluations[-1] for run in group.counted if run.evaluations]
    return [end for end in ends if end.has_records_of(max(ends, key=lambda other: other.step))]


def _median_end(group: Group) -> Evaluation:
    ends = _ends(group)
    return dataclasses.replace(ends[0], loss=statistics.median(end.loss for end in ends))


def _seconds_of_step(group: Group) -> float:
    return statistics.median(run.seconds / run.timed_step for run in group.counted)


def _cost_of_step(group: Group) -> float:
    return statistics.median(
        run.flops_at([run.timed_step])[0] / run.timed_step for run in group.counted
    )


def _compiled_seconds_of_step(group: Group) -> float:
    """Returns the time of a step without compilation, averaged over steps; 0 if it is not known."""
    times = []
    for run in group.counted:
        end = run.timed_step
        spans = [span for span in run.plan.spans if span.first_step < end]
        speeds = [run.steps_per_second(span) for span in spans]
        if not all(speeds):
            return 0.0
        num_steps = [min(span.end, end) - span.first_step for span in spans]
        times.append(sum(n / s for n, s in zip(num_steps, speeds, strict=True) if s) / end)
    return statistics.median(times)


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if numerator and denominator else None


def _shown(value: float | None, form: str) -> str:
    return quantities.NOTHING if value is None else form.format(value)


def _losses(values: Sequence[float]) -> str:
    return quantities.spread(values, "{:.3f}".format)
