"""Output folders of fine-tunings that never were: results that a test asks for."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from mslt_tf.finetuning_results import Spread, TaskSummary
from mslt_tf.report_settings import NamedFolder


def summary(task: str, **metrics: dict[str, Spread]) -> TaskSummary:
    """Returns the results of a task, by split and metric."""
    return TaskSummary(task, {}, 5e-5, 3, 12, metrics, 60.0, 10.0, 0.1, "lr_5e-05_seed_0")


MRPC = summary("mrpc", dev={"f1": Spread(0.91, 0.9, 0.92), "accuracy": Spread(0.1, 0.1, 0.1)})
MNLI = summary(
    "mnli",
    dev_matched={"accuracy": Spread(0.84, 0.83, 0.85)},
    dev_mismatched={"accuracy": Spread(0.82, 0.81, 0.83)},
    ax={"matthews": Spread(0.3, 0.3, 0.3)},
)
SQUAD = summary("squad_1.1", dev={"f1": Spread(89, 88, 90), "exact_match": Spread(81, 80, 82)})


def write(folder: Path, summaries: Sequence[TaskSummary], **others: object) -> NamedFolder:
    """Writes the output folder of a fine-tuning."""
    folder.mkdir(exist_ok=True)
    content = {"encoder": "runs/base", "tasks": [dataclasses.asdict(each) for each in summaries]}
    (folder / "results.json").write_text(json.dumps({**content, **others}), "utf-8")
    return NamedFolder("base", str(folder))
