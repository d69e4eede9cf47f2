"""What `results.json` of a fine-tuning holds: for each task the best learning rate, and scores."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from mslt_tf import json_values

FILE_NAME = "results.json"  # in the output folder of a fine-tuning


@dataclasses.dataclass(frozen=True)
class Spread:
    """A metric over the seeds of the learning rate that won."""

    median: float
    lowest: float
    highest: float


@dataclasses.dataclass(frozen=True)
class TaskSummary:
    """The results of a task."""

    task: str
    settings: Mapping[str, Any]  # of its trials: epochs, batch size, ...
    learning_rate: float  # that with the best median of the selection scores
    num_seeds: int  # of this rate
    num_trials: int
    metrics: Mapping[str, Mapping[str, Spread]]  # by split, then by metric
    seconds: float  # of all trials
    examples_per_second: float  # median over all trials
    padding_share: float  # of the tokens of training
    best_trial: str  # the single one with the best selection score


def parse(text: str | bytes) -> tuple[TaskSummary, ...]:
    """Returns the results of all tasks in the content of `FILE_NAME`.

    Raises:
        JsonValueError: it is not as a fine-tuning writes it.
    """
    content = json_values.parse(dict[str, Any], json_values.loads(text))
    return json_values.parse(tuple[TaskSummary, ...], content.get("tasks"), name="tasks")
