r"""Trains on a GPU in --precision and on the CPU in float32, and compares the losses of each step.

  python -m benchmarks.gpu_agreement --flagfile=configs/tiny.flags --num_warmup_steps=10

Takes all flags of run_pretraining. The last stage of the plan learns one batch of random tokens by
heart, so that losses fall, and any difference grows. Without a GPU both run on the CPU, where
float16 takes some hundred times as long as float32: give it small batches.
"""

import dataclasses
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks.step_time import participants
from benchmarks.step_time.pipes import children
from mslt_tf import pretraining_flags, startup
from mslt_tf.bounds import Bounds, check_number
from mslt_tf.config import PretrainingConfig

STATUS_OF_DIFFERENCE = 3  # 1 is a traceback's
NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1"}


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this check, then those of run_pretraining."""
    flags.DEFINE_integer("steps", 50, "Steps to compare.", flag_values=values)
    flags.DEFINE_float(
        "tolerance",
        0.02,
        "Greatest difference of two losses that is allowed, as a share of the CPU's.",
        flag_values=values,
    )
    pretraining_flags.define_flags(values)


def main() -> int:
    """Prints the losses and their greatest difference; the status tells whether they agree."""
    config = pretraining_flags.config_from_flags(flags.FLAGS)
    check_number("--steps", flags.FLAGS.steps, Bounds(at_least=1))
    check_number("--tolerance", flags.FLAGS.tolerance, Bounds(at_least=0))
    on_gpu, on_cpu = train_on_both(config, flags.FLAGS.steps)
    difference = greatest_difference(on_gpu, on_cpu)
    agrees = difference <= flags.FLAGS.tolerance
    sys.stdout.write(
        f"{len(on_cpu)} steps: loss {on_cpu[0]:.4f} to {on_cpu[-1]:.4f} on the CPU in float32, "
        f"{on_gpu[0]:.4f} to {on_gpu[-1]:.4f} on the GPU in {config.precision}; greatest "
        f"difference {difference:.2e} of {flags.FLAGS.tolerance:.2e} allowed\n"
    )
    return 0 if agrees else STATUS_OF_DIFFERENCE


def greatest_difference(losses: Sequence[float], references: Sequence[float]) -> float:
    """Returns the greatest difference in terms of the reference; NaN if any loss is NaN."""
    return float(np.max(np.abs(np.subtract(losses, references)) / np.abs(references)))


def train_on_both(config: PretrainingConfig, num_steps: int) -> tuple[list[float], list[float]]:
    """Returns the losses of each step on the GPU, if there is one, and on the CPU in float32."""
    from benchmarks.step_time import random_records  # loads TensorFlow, which takes seconds

    stage = config.plan.stages[-1]
    reference = dataclasses.replace(config, precision="float32", trunk_precision="same")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records = random_records.write_all(config, folder)
        started = [
            participants.start_stage(settings, stage, records, folder / device, environment)
            for device, settings, environment in (
                ("gpu", config, {}),
                ("cpu", reference, NO_GPU),
            )
        ]
        with children(started):
            on_gpu, on_cpu = (child.ask("losses", num_steps)["losses"] for child in started)
    return on_gpu, on_cpu


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
