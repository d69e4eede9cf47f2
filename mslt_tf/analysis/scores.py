"""Scores of fine-tuning as in the paper's Tables 1 to 5: a row a model, a column a task."""

import dataclasses
import os
import statistics
from collections.abc import Mapping, Sequence

import tensorflow as tf

from mslt_tf import finetuning_results, json_values
from mslt_tf.analysis import quantities
from mslt_tf.analysis.comparison import Group
from mslt_tf.analysis.section import Section, Table
from mslt_tf.conversion import small_files
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from mslt_tf.finetuning_results import Spread, TaskSummary
from mslt_tf.report_settings import NamedFolder


@dataclasses.dataclass(frozen=True)
class Column:
    """What the table shows of a task."""

    task: str
    title: str
    metrics: tuple[str, ...]  # with / between them
    scale: float = 100.0  # to percent; SQuAD's are in percent already


COLUMNS = (
    Column("mnli", "MNLI", ("accuracy",)),
    Column("qnli", "QNLI", ("accuracy",)),
    Column("qqp", "QQP", ("f1",)),
    Column("sst2", "SST-2", ("accuracy",)),
    Column("cola", "CoLA", ("matthews",)),
    Column("stsb", "STS-B", ("spearman",)),
    Column("mrpc", "MRPC", ("f1",)),
    Column("rte", "RTE", ("accuracy",)),
    Column("wnli", "WNLI", ("accuracy",)),
    Column("squad_1.1", "SQuAD 1.1", ("f1", "exact_match"), scale=1.0),
    Column("squad_2.0", "SQuAD 2.0", ("best_f1", "best_exact"), scale=1.0),
)
EXPLANATION = (
    "Dev sets, in percent: the learning rate with the best median of the seeds, its median (lowest "
    "to highest). F1 of QQP and MRPC, Matthews' correlation of CoLA, Spearman's of STS-B, F1/EM of "
    "SQuAD, accuracy of the others. MNLI is the mean over its two dev sets. Avg is the mean over "
    "the tasks to its left, of F1 and EM their mean first."
)


def read(folder: NamedFolder) -> tuple[TaskSummary, ...]:
    """Returns the results in an output folder of run_finetuning.

    Raises:
        UserError: there are none, or they cannot be read.
    """
    path = os.path.join(folder.path, finetuning_results.FILE_NAME)
    advice = "Finish it by its own command, or leave it out of --finetuning."
    with file_errors.reading(path):
        if not tf.io.gfile.exists(folder.path):
            raise UserError(f"{folder.path} in --finetuning is not there. Give another folder.")
        if not tf.io.gfile.exists(path):
            raise UserError(
                f"{folder.path} holds no {finetuning_results.FILE_NAME}, which run_finetuning "
                f"writes at its end. {advice}"
            )
        content = small_files.read(path)
    try:
        return finetuning_results.parse(content)
    except json_values.JsonValueError as error:
        raise UserError(f"{path} is not as run_finetuning writes it: {error}. {advice}") from error


def read_all(folders: Sequence[NamedFolder]) -> dict[str, list[tuple[TaskSummary, ...]]]:
    """Returns the results of all folders by name, see `read`."""
    found: dict[str, list[tuple[TaskSummary, ...]]] = {}
    for folder in folders:
        found.setdefault(folder.name, []).append(read(folder))
    return found


def section(
    results: Mapping[str, Sequence[Sequence[TaskSummary]]], groups: Sequence[Group]
) -> Section:
    """Returns the table of all fine-tunings.

    Args:
        results: by name; several of one name are of several seeds of pretraining.
        groups: the runs; those of the same names tell steps and time.
    """
    by_name = {each.name: each for each in groups}
    cells = {name: _by_task(some) for name, some in results.items()}
    columns = [c for c in COLUMNS if any(c.task in found for found in cells.values())]
    header = ("model", "steps", "pretraining", *(column.title for column in columns), "Avg")
    rows = tuple(
        (
            name,
            *_effort(by_name.get(name)),
            *(_cell(found.get(column.task)) for column in columns),
            _average([found.get(column.task) for column in columns]),
        )
        for name, found in cells.items()
    )
    return Section("Fine-tuning", (EXPLANATION,), tables=(Table("Scores.", header, rows),))


_Scores = tuple[Spread, ...]  # of a column's metrics, in percent


def _by_task(results: Sequence[Sequence[TaskSummary]]) -> dict[str, _Scores]:
    """Returns the scores that are shown, by task."""
    found: dict[str, list[_Scores]] = {}
    columns = {column.task: column for column in COLUMNS}
    for summary in (summary for each in results for summary in each):
        column = columns.get(summary.task)
        if column and (scores := _scores(summary, column)):
            found.setdefault(summary.task, []).append(scores)
    return {
        task: tuple(_pooled(same) for same in zip(*each, strict=True))
        for task, each in found.items()
    }


def _scores(summary: TaskSummary, column: Column) -> _Scores:
    """Returns a task's scores, of several dev sets their means; none if a metric is missing."""
    by_metric = [
        [metrics[name] for metrics in summary.metrics.values() if name in metrics]
        for name in column.metrics
    ]
    return tuple(_mean(found, column.scale) for found in by_metric) if all(by_metric) else ()


def _mean(spreads: Sequence[Spread], scale: float) -> Spread:
    values = zip(*(dataclasses.astuple(spread) for spread in spreads), strict=True)
    return Spread(*(scale * statistics.fmean(same) for same in values))


def _pooled(spreads: Sequence[Spread]) -> Spread:
    """Returns the median of medians, and the lowest and highest of all."""
    return Spread(
        statistics.median(spread.median for spread in spreads),
        min(spread.lowest for spread in spreads),
        max(spread.highest for spread in spreads),
    )


def _cell(scores: _Scores | None) -> str:
    if not scores:
        return quantities.NOTHING
    median, lowest, highest = (
        "/".join(f"{getattr(spread, name):.1f}" for spread in scores)
        for name in ("median", "lowest", "highest")
    )
    return median if lowest == highest else f"{median}\n({lowest} to {highest})"


def _average(found: Sequence[_Scores | None]) -> str:
    if not all(found):
        return quantities.NOTHING
    means = [statistics.fmean(spread.median for spread in scores) for scores in found if scores]
    return f"{statistics.fmean(means):.1f}"


def _effort(group: Group | None) -> tuple[str, str]:
    """Returns the steps and the time of a run, as cells."""
    if group is None:
        return quantities.NOTHING, quantities.NOTHING
    return (
        quantities.spread([run.step for run in group.runs], "{:,.0f}".format),
        quantities.spread([run.seconds for run in group.runs], quantities.duration),
    )
