"""benchmarks/gpu_agreement: whose losses agree, and a real comparison."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from absl import flags

from benchmarks import gpu_agreement
from benchmarks.gpu_agreement import STATUS_OF_DIFFERENCE, greatest_difference
from tests import tiny

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_losses_are_compared_step_by_step_with_those_of_the_cpu_in_float32():
    exactly = losses_agree("--precision=bfloat16", "--tolerance=0")
    assert exactly.stdout.startswith("3 steps: loss ")
    assert "on the CPU in float32" in exactly.stdout
    assert "on the GPU in bfloat16" in exactly.stdout
    (difference,) = re.findall(r"greatest difference (\S+) of 0", exactly.stdout)
    assert 0 < float(difference) <= 0.01
    assert exactly.returncode == STATUS_OF_DIFFERENCE


@pytest.mark.parametrize(("tolerance", "status"), [(0.2, 0), (0.05, STATUS_OF_DIFFERENCE)])
def test_the_status_tells_whether_they_agree(monkeypatch, tolerance, status):
    values = flags.FlagValues()
    gpu_agreement.define_flags(values)
    settings = {**tiny.FLAGS, "xla": "auto", "tolerance": tolerance}
    values(["gpu_agreement", *(f"--{name}={value}" for name, value in settings.items())])
    monkeypatch.setattr(flags, "FLAGS", values)
    monkeypatch.setattr(gpu_agreement, "train_on_both", lambda *_: ([2.0, 1.1], [2.0, 1.0]))
    assert gpu_agreement.main() == status


def test_a_loss_that_is_not_a_number_agrees_with_none():
    assert greatest_difference([2.0, 1.1], [2.0, 1.0]) == pytest.approx(0.1)
    assert np.isnan(greatest_difference([2.0, np.nan, 1.0], [2.0, 1.5, 1.0]))


def losses_agree(*words):
    command = [sys.executable, "-m", "benchmarks.gpu_agreement", "--steps=3", *words]
    settings = ["--flagfile=configs/tiny.flags", "--train_batch_size=4", "--num_warmup_steps=1"]
    small = ["--num_hidden_layers=1", "--num_stages=1", "--stage_shares=0.5,0.5"]
    return subprocess.run(
        [*command, *settings, *small], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
