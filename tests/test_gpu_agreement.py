"""benchmarks/gpu_agreement: whose losses agree, and a real comparison."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu_agreement import STATUS_OF_DIFFERENCE, greatest_difference

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_losses_are_compared_step_by_step_with_those_of_the_cpu_in_float32():
    assert losses_agree("--precision=bfloat16", "--tolerance=0.01").returncode == 0
    exactly = losses_agree("--precision=bfloat16", "--tolerance=0")
    assert exactly.stdout.startswith("3 steps: loss ")
    assert "on the CPU in float32" in exactly.stdout
    assert "on the GPU in bfloat16" in exactly.stdout
    assert exactly.returncode == STATUS_OF_DIFFERENCE


def test_a_loss_that_is_not_a_number_agrees_with_none():
    assert greatest_difference([2.0, 1.1], [2.0, 1.0]) == pytest.approx(0.1)
    assert np.isnan(greatest_difference([2.0, np.nan, 1.0], [2.0, 1.5, 1.0]))


def losses_agree(*flags):
    command = [sys.executable, "-m", "benchmarks.gpu_agreement", "--steps=3", *flags]
    tiny = ["--flagfile=configs/tiny.flags", "--train_batch_size=4", "--num_warmup_steps=1"]
    return subprocess.run([*command, *tiny], cwd=ROOT, stdout=subprocess.PIPE, text=True)
