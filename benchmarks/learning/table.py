"""The table of a comparison: what each run cost, and what it reached."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.learning import metrics
from benchmarks.learning.runs import Run
from mslt_tf.errors import UserError
from mslt_tf.stage_plan import format_table

# Fields of an entry: those that runs have in common, and those with a value for each seed.
_SHARED = ("steps", "stage_steps", "cost", "unigram_entropy")
_BY_SEED = ("seeds_ended", "stage_losses", "final_loss", "seconds")


def results(wanted: Sequence[Run]) -> list[dict[str, Any]]:
    """Returns an entry for each name, of the seeds that ended.

    `cost` is in FLOPs of matrix products; `stage_losses` and `final_loss` are held-out masked LM
    losses in nats, of each seed.
    """
    found = []
    for name in dict.fromkeys(run.name for run in wanted):
        mine = [run for run in wanted if run.name == name]
        read = {run: metrics.read(run.folder) for run in mine}
        ended = [run for run in mine if _stage_losses(run, read[run])[1]]
        found.append(
            {
                "run": name,
                "steps": mine[0].config.plan.num_steps,
                "stage_steps": [stage.num_steps for stage in mine[0].config.plan.stages],
                "cost": mine[0].flops,
                "seeds_ended": [run.seed for run in ended],
                "seeds_wanted": [run.seed for run in mine],
                "steps_done": sum(metrics.last_step(entries) for entries in read.values()),
                "stage_losses": [_stage_losses(run, read[run])[0] for run in ended],
                "final_loss": [_stage_losses(run, read[run])[0][-1] for run in ended],
                "unigram_entropy": _last(read[ended[0]], "unigram_entropy") if ended else None,
                "seconds": [
                    sum(e["seconds"] for e in read[run] if e["kind"] == "train") for run in ended
                ],
            }
        )
    return found


def with_earlier(entries: Sequence[dict[str, Any]], path: Path) -> list[dict[str, Any]]:
    """Returns `entries` with the seeds that `path`, a table of another machine, has beside them.

    Raises:
        UserError: it is no such table, or its runs have other plans or held-out records.
    """
    try:
        earlier = {entry["run"]: _whole(entry) for entry in json.loads(path.read_text("utf-8"))}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"--earlier {path} is no table that --json wrote ({error!r}). Give one that it wrote."
        ) from error
    return [
        _joined(entry, earlier[entry["run"]], path) if entry["run"] in earlier else entry
        for entry in entries
    ]


def _whole(entry: dict[str, Any]) -> dict[str, Any]:
    """Returns an entry of which no field is missing."""
    return {name: entry[name] for name in (*_SHARED, *_BY_SEED)}


def _joined(mine: dict[str, Any], other: dict[str, Any], path: Path) -> dict[str, Any]:
    for name in _SHARED:
        if None not in (mine[name], other[name]) and other[name] != mine[name]:  # None: no seed yet
            raise UserError(
                f"--earlier {path}: {mine['run']} has {name} {other[name]}, and {mine[name]} here. "
                "Only seeds of the same plan on the same data are put together."
            )
    new = [i for i, seed in enumerate(other["seeds_ended"]) if seed not in mine["seeds_ended"]]
    if not new:
        return mine
    by_seed = {name: mine[name] + [other[name][i] for i in new] for name in _BY_SEED}
    return {
        **mine,
        **by_seed,
        "unigram_entropy": other["unigram_entropy"],
        "seeds_wanted": sorted({*mine["seeds_wanted"], *by_seed["seeds_ended"]}),
        "steps_done": mine["steps_done"] + len(new) * mine["steps"],
    }


def as_text(entries: Sequence[dict[str, Any]]) -> str:
    """Returns the table; costs are relative to the first run's."""
    rows = [("run", "steps", "cost", "seeds", "held-out loss after each stage", "at the end")]
    rows = [(*rows[0], "below unigram", "training, s")]
    for entry in entries:
        rows.append(_row(entry, cost=entry["cost"] / entries[0]["cost"]))
    return (
        f"{format_table(rows)}\n\n"
        f"cost: matrix products, over those of {entries[0]['run']}. Losses are masked LM losses in "
        "nats:\nmedians over the seeds, at the end with the lowest and the highest."
    )


def _row(entry: dict[str, Any], *, cost: float) -> tuple[str, ...]:
    seeds = f"{len(entry['seeds_ended'])} of {len(entry['seeds_wanted'])}"
    start = (entry["run"], f"{entry['steps']:,}", f"{cost:.3f}", seeds)
    losses = entry["final_loss"]
    if not losses:
        share = entry["steps_done"] / (entry["steps"] * len(entry["seeds_wanted"]))
        return (*start, f"({share:.0%} of the steps are done)", "", "", "")
    stages = [statistics.median(values) for values in zip(*entry["stage_losses"], strict=True)]
    final = statistics.median(losses)
    spread = f" ({min(losses):.3f}-{max(losses):.3f})" if len(losses) > 1 else ""
    return (
        *start,
        " ".join(f"{loss:.3f}" for loss in stages),
        f"{final:.3f}{spread}",
        f"{entry['unigram_entropy'] - final:.3f}",
        f"{statistics.median(entry['seconds']):,.0f}",
    )


def _stage_losses(run: Run, entries: Sequence[dict[str, Any]]) -> tuple[list[float], bool]:
    """Returns the loss at the end of each stage that ended, and whether all did."""
    by_step = {e["step"]: e["masked_lm_loss"] for e in entries if e["kind"] == "eval"}
    ends = [span.end for span in run.config.plan.spans]
    losses = [by_step[end] for end in ends if end in by_step]
    return losses, len(losses) == len(ends)


def _last(entries: Sequence[dict[str, Any]], name: str) -> float:
    return [entry[name] for entry in entries if name in entry][-1]
