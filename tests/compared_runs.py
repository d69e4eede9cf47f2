"""What benchmarks/learning compares, made by hand: flag files, and the metrics of their runs."""

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.learning.runs import Run
from tests import tiny


def write_flag_files(folder: Path) -> Path:
    """Writes two flag files, `a`: the original method in 10 steps, `b`: mslt in 20."""
    folder.mkdir()
    for name, changes in {"a": {"method": "original"}, "b": {"num_train_steps": 20}}.items():
        flags = {**tiny.FLAGS, **changes}
        lines = [f"--{flag}={value}\n" for flag, value in flags.items()]
        (folder / f"{name}.flags").write_text("".join(lines))
    return folder


def write_metrics(run: Run, losses: Sequence[float], *, seconds: float = 1.0) -> None:
    """Writes evaluations at the ends of the first stages, each after some seconds."""
    run.folder.mkdir(parents=True)
    with (run.folder / "metrics.jsonl").open("w") as file:
        for span, loss in zip(run.config.plan.spans, losses, strict=False):
            entry = {"stage": span.stage.name, "step": span.end}
            train = {**entry, "kind": "train", "seconds": seconds}
            held_out = {**entry, "kind": "eval", "masked_lm_loss": loss, "unigram_entropy": 6.0}
            file.write(f"{json.dumps(train)}\n{json.dumps(held_out)}\n")
        file.write('{"kind": "train", "st')  # is being written
