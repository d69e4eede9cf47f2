"""The results as text."""

from collections.abc import Mapping

from benchmarks.finetuning.comparison import OURS, THEIRS, TRAIN, Scored
from benchmarks.step_time import results
from benchmarks.step_time.results import Spread
from benchmarks.step_time.turns import Outcome
from mslt_tf.stage_plan import format_table


def speed_text(outcome: Outcome) -> str:
    """Returns a row per round, the medians, and how much of the work is padding."""
    speeds = {
        name: [1 / seconds for seconds in samples[TRAIN]]
        for name, samples in outcome.samples.items()
    }
    rows = [("examples/s", *speeds, *(["ratio"] if THEIRS in speeds else []))]
    for index, values in enumerate(zip(*speeds.values(), strict=True)):
        ratio = [f"{values[0] / value:.3f}" for value in values[1:]]
        rows.append((f"round {index + 1}", *(f"{value:,.1f}" for value in values), *ratio))
    return "\n\n".join([format_table(rows), _medians(speeds), _tokens(outcome)]) + "\n"


def score_text(task: str, found: Mapping[str, Scored]) -> str:
    """Returns a row per metric, and the seconds that each side took."""
    rows = [("task", "split", "metric", *found)]
    for split, scores in found[OURS].scores.items():
        for metric in scores:
            values = (f"{each.scores[split][metric]:.4f}" for each in found.values())
            rows.append((task, split, metric, *values))
    rows.append((task, "", "seconds", *(f"{each.seconds:,.0f}" for each in found.values())))
    return format_table(rows) + "\n"


def _medians(speeds: Mapping[str, list[float]]) -> str:
    lines = [f"{name}: {_spread(results.spread(x))} examples/s" for name, x in speeds.items()]
    if THEIRS in speeds:
        ratio = results.pairwise_ratios(speeds[OURS], speeds[THEIRS])
        lines.append(f"{OURS} / {THEIRS}: {_spread(ratio)}; above 1, ours is faster")
    return "\n".join(lines)


def _tokens(outcome: Outcome) -> str:
    rows = [("an example", "tokens", "with padding")]
    for name, facts in outcome.facts.items():
        rows.append((name, *(f"{facts[kind]:.1f}" for kind in ("tokens", "padded"))))
    return format_table(rows)


def _spread(values: Spread) -> str:
    return f"{values.median:.4g} ({values.lower:.4g} - {values.upper:.4g})"
