"""The program that compares runs, on runs that were really trained."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import process_family, tiny
from tests.pretraining import quick_runs


def run_module(module: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """Runs a program of the project."""
    words = [f"--{name}={value}" for name, value in settings.items()]
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_mistake_is_told_in_a_line_before_tensorflow_is_loaded():
    result = run_module("mslt_tf.run_report", runs="a")
    assert result.stderr == "error: --output_dir is not set. Name the folder to write.\n"
    assert result.returncode == 2


@pytest.mark.slow
def test_two_runs_become_a_report(tmp_path: Path):
    data = {
        "train_records": tiny.write_random_shards(tmp_path / "train"),
        "eval_records": tiny.write_random_shards(tmp_path / "held_out", seed=1),
    }
    stages = {"original": {}, "mslt": {"num_stages": 2, "stage_steps": "4,3,3"}}
    for method, settings in stages.items():
        settings = {**tiny.FLAGS, **data, "num_hidden_layers": 2, "method": method, **settings}
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        arguments.append(f"--output_dir={tmp_path / method}")
        process_family.finish(arguments, tmp_path / "output.txt", prepare=quick_runs.replace_export)
    runs = f"{tmp_path}/original,grown={tmp_path}/mslt"
    result = run_module("mslt_tf.run_report", runs=runs, output_dir=tmp_path / "report")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"done: {tmp_path}/report/report.html\n"
    markdown = (tmp_path / "report" / "report.md").read_text("utf-8")
    for name in ("original", "mslt"):
        losses = [entry["masked_lm_loss"] for entry in tiny.metrics(tmp_path / name, "eval")]
        assert all(f"| {loss:.3f} |" in markdown for loss in losses)
    assert re.search(r"\| grown \| layers\\_2 \| 2 of 2 layers \| 1 \| 3 \|", markdown)
