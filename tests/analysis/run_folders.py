"""Folders of runs that were never trained: settings, and the losses that a test asks for."""

import json
from collections.abc import Mapping
from pathlib import Path

from mslt_tf.config import PretrainingConfig
from tests import tiny

ENTROPY = 3.5
TWO_STAGES = {"num_stages": 2, "joint_fraction": 0, "stage_steps": "6,4"}  # of four layers


def write(
    folder: Path,
    *,
    train: Mapping[int, float],
    held_out: Mapping[int, float] | None = None,
    seconds: float = 2.0,
    entropy: float = ENTROPY,
    **flags: object,
) -> Path:
    """Writes a run of ten steps, a line on training for each pair of step and loss.

    Args:
        folder: of the run, not there yet.
        train: losses by step.
        held_out: losses by step; none without.
        seconds: of each line on training.
        entropy: of the held-out records.
        **flags: of run_pretraining, beside those of `tiny`.
    """
    config = tiny.config(**flags, output_dir=folder)
    lines = [entry(config, "train", step, loss, seconds=seconds) for step, loss in train.items()]
    lines += [
        entry(config, "eval", step, loss, unigram_entropy=entropy)
        for step, loss in (held_out or {}).items()
    ]
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config.to_json(), "utf-8")
    (folder / "metrics.jsonl").write_text("".join(lines), "utf-8")
    return folder


def entry(config: PretrainingConfig, kind: str, step: int, loss: float, **values: float) -> str:
    """Returns a line of metrics.jsonl; 16 sequences a second."""
    stage = config.plan.span_at(step - 1).stage.name
    speed = {"sequences_per_second": 16.0} if kind == "train" else {}
    whole = {"kind": kind, "stage": stage, "step": step, "masked_lm_loss": loss, **speed, **values}
    return json.dumps(whole) + "\n"


def changed(line: str, values: Mapping[str, object]) -> str:
    """Returns a line with other values."""
    return json.dumps({**json.loads(line), **values}) + "\n"
