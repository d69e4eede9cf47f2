"""The results of a grid: which learning rate won, and how its seeds scatter."""

import dataclasses
import os
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from mslt_tf import finetuning_results
from mslt_tf.files import file_errors, own_file
from mslt_tf.finetuning import trial
from mslt_tf.finetuning.trial import TrialResult
from mslt_tf.finetuning_results import Spread, TaskSummary
from mslt_tf.terminal import format_duration

JSON_FILE, MARKDOWN_FILE = finetuning_results.FILE_NAME, "results.md"

# What tables show; the other values of SQuAD 2.0 are in the files.
SHOWN = (
    *("matthews", "f1", "accuracy", "pearson", "spearman"),
    *("exact_match", "exact", "best_exact", "best_f1"),
)


def read_task(output_dir: str, task: str) -> list[TrialResult]:
    """Returns the results of all finished trials of a task, by learning rate and seed.

    Raises:
        UserError: one cannot be read.
    """
    found = [trial.read_result(folder) for folder in trial.folders(output_dir, task)]
    return sorted((result for result in found if result), key=lambda result: result.trial)


def best(results: Sequence[TrialResult]) -> TrialResult:
    """Returns the result with the best selection score; of equal ones the first."""
    return max(results, key=lambda result: result.selection_score)


def summarize(results: Sequence[TrialResult], settings: Mapping[str, Any]) -> TaskSummary:
    """Returns what the trials of one task, at least one, come to.

    Of the learning rates, those with the most seeds are compared: one seed may be lucky.

    Args:
        results: of the trials.
        settings: that they have in common.
    """
    by_rate: dict[float, list[TrialResult]] = {}
    for result in results:
        by_rate.setdefault(result.learning_rate, []).append(result)
    most = max(map(len, by_rate.values()))
    medians = {
        rate: statistics.median(result.selection_score for result in some)
        for rate, some in by_rate.items()
        if len(some) == most
    }
    rate = max(medians, key=lambda rate: medians[rate])
    chosen = by_rate[rate]
    return TaskSummary(
        task=results[0].task,
        settings=settings,
        learning_rate=rate,
        num_seeds=len(chosen),
        num_trials=len(results),
        metrics={
            split: {name: _spread(chosen, split, name) for name in values}
            for split, values in chosen[0].scores.items()
            if all(split in result.scores for result in chosen)  # some came later
        },
        seconds=sum(result.seconds for result in results),
        examples_per_second=statistics.median(r.examples_per_second for r in results),
        padding_share=results[0].padding_share,
        best_trial=best(results).trial.name,
    )


def write(output_dir: str, summaries: Sequence[TaskSummary], facts: Mapping[str, Any]) -> str:
    """Writes results.json and results.md, and returns the table.

    Args:
        output_dir: where to.
        summaries: of the tasks, in the order of the table.
        facts: JSON values on encoder and settings.

    Raises:
        UserError: a file cannot be written.
    """
    table = to_markdown(summaries)
    heading = "".join(f"- {name}: {value}\n" for name, value in facts.items())
    heading += "".join(f"- {each.task}: {_listed(each.settings)}\n" for each in summaries)
    with file_errors.writing(os.path.join(output_dir, JSON_FILE)):
        content = {**facts, "tasks": [dataclasses.asdict(each) for each in summaries]}
        trial.write_json(os.path.join(output_dir, JSON_FILE), content)
        own_file.write(os.path.join(output_dir, MARKDOWN_FILE), f"# Results\n\n{heading}\n{table}")
    return table


def show_speed(examples_per_second: float) -> str:
    """Returns a speed for people; of trials of a single step, which compiles, none is known."""
    return f"{examples_per_second:,.0f}" if examples_per_second else "-"


def to_markdown(summaries: Sequence[TaskSummary]) -> str:
    """Returns a table, a row for each metric of each split."""
    header = (
        "| task | split | metric | median | lowest to highest | seeds | learning rate | trials | "
        "time | examples/s |"
    )
    rule = "|---|---|---|---|---|---|---|---|---|---|"
    rows = [
        f"| {each.task} | {split} | {name} | {show(spread.median)} | "
        f"{show(spread.lowest)} to {show(spread.highest)} | {each.num_seeds} | "
        f"{each.learning_rate:g} | {each.num_trials} | {format_duration(each.seconds)} | "
        f"{show_speed(each.examples_per_second)} |"
        for each in summaries
        for split, metrics in each.metrics.items()
        for name, spread in metrics.items()
        if name in SHOWN
    ]
    return "\n".join([header, rule, *rows, ""])


def show(value: float) -> str:
    """Returns a score as people read it: GLUE's are up to 1, SQuAD's in percent.

    >>> show(0.86231), show(78.123)
    ('0.862', '78.12')
    """
    return f"{value:.3f}" if abs(value) <= 1 else f"{value:,.2f}"


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _spread(results: Sequence[TrialResult], split: str, name: str) -> Spread:
    values = [result.scores[split][name] for result in results]
    return Spread(statistics.median(values), min(values), max(values))
