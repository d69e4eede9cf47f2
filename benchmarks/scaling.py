r"""Reckons on paper what 32 and 1,024 GPUs make of a plan, and compares with published times.

  python -m benchmarks.scaling

The model: a step takes COMPUTE x (FLOPs of the stage, joint stage = 1) + NETWORK x (bytes of a ring
all-reduce: 2 (n - 1) / n of what a device contributes). Nothing overlaps, and nothing else costs
time. Two published times of a model, of the original method and of mslt, give its two constants; a
third, if there is one, is a check.
"""

import dataclasses
import sys
from pathlib import Path

from absl import flags

from mslt_tf import cost_model, pretraining_flags, startup
from mslt_tf.config import PretrainingConfig
from mslt_tf.stage_plan import format_table

SECONDS_PER_HOUR = 3600


@dataclasses.dataclass(frozen=True)
class Published:
    """Hours that the paper (table 1) reports on 32 V100, 32 sequences on each."""

    name: str
    original_hours: float
    mslt_hours: float


PUBLISHED = (Published("base", 85, 40), Published("large", 188, 84))
PAPER_GPUS = 32


@dataclasses.dataclass(frozen=True)
class Fit:
    """What two published times say of the machine."""

    compute_seconds: float  # of one joint step, at 32 sequences per GPU
    seconds_per_byte: float  # of the ring
    joint_flops: float  # of one GPU in that step

    @property
    def flops_per_second(self) -> float:
        """What a GPU achieves."""
        return self.joint_flops / self.compute_seconds


def load(name: str) -> PretrainingConfig:
    """Returns the settings of configs/NAME.flags."""
    values = flags.FlagValues()
    pretraining_flags.define_flags(values)
    path = Path(__file__).parent.parent / "configs" / f"{name}.flags"
    values(["program", f"--flagfile={path}"])
    return pretraining_flags.config_from_flags(values)


def ring_bytes(config: PretrainingConfig, num_gpus: int) -> float:
    """Returns the bytes that a GPU sends in all steps of the run."""
    costs = [cost_model.stage_cost(config.model, stage) for stage in config.plan.stages]
    contributed = sum(
        stage.num_steps * cost.all_reduce_bytes(config.gradient_transport)
        for stage, cost in zip(config.plan.stages, costs, strict=True)
    )
    return 2 * (num_gpus - 1) / num_gpus * contributed


def joint_steps(config: PretrainingConfig) -> float:
    """Returns how many joint steps have the FLOPs of the run.

    The paper's code is taken to compute all of the last layer, like others.
    """
    return sum(
        stage.num_steps * cost_model.relative_cost(config.model, stage, reads_everywhere=True)
        for stage in config.plan.stages
    )


def fit(published: Published) -> Fit:
    """Solves compute x steps + network x bytes = seconds for the original method and mslt."""
    original, mslt = load(f"{published.name}_original"), load(published.name)
    a, b = joint_steps(original), ring_bytes(original, PAPER_GPUS)
    c, d = joint_steps(mslt), ring_bytes(mslt, PAPER_GPUS)
    e, f = (SECONDS_PER_HOUR * hours for hours in (published.original_hours, published.mslt_hours))
    determinant = a * d - b * c
    stage = mslt.plan.stages[-1]
    cost = cost_model.stage_cost(mslt.model, stage, reads_everywhere=True)
    flops = cost.flops * stage.batch_size / PAPER_GPUS
    return Fit((e * d - b * f) / determinant, (a * f - e * c) / determinant, flops)


def hours(config: PretrainingConfig, fitted: Fit, *, num_gpus: int, per_gpu: float) -> float:
    """Returns the time of a run with `per_gpu` sequences on each of `num_gpus`."""
    compute = fitted.compute_seconds * joint_steps(config) * per_gpu / PAPER_GPUS
    return (compute + fitted.seconds_per_byte * ring_bytes(config, num_gpus)) / SECONDS_PER_HOUR


def constants_table() -> str:
    """Returns what the published times say of the machine."""
    rows = [("model", "compute s/step", "TFLOP/s", "network s/step", "GB/s")]
    for published in PUBLISHED:
        fitted = fit(published)
        network = fitted.seconds_per_byte * ring_bytes(load(f"{published.name}_original"), 32) / 1e6
        rows.append(
            (
                published.name,
                f"{fitted.compute_seconds:.3f}",
                f"{fitted.flops_per_second / 1e12:.1f}",
                f"{network:.3f}",
                f"{1e-9 / fitted.seconds_per_byte:.1f}",
            )
        )
    return format_table(rows)


def prediction_table() -> str:
    """Returns hours and speed-ups on 32 and 1,024 GPUs, by the constants of each model.

    On 32 they are what the constants were fitted to.
    """
    rows = [("model", "GPUs", "sequences on each", "original h", "mslt h", "speed-up", "hours are")]
    for published in PUBLISHED:
        fitted = fit(published)
        original, mslt = load(f"{published.name}_original"), load(published.name)
        for num_gpus, per_gpu in ((32, 32), (1024, 32), (1024, 1)):
            both = [hours(c, fitted, num_gpus=num_gpus, per_gpu=per_gpu) for c in (original, mslt)]
            rows.append(
                (
                    published.name,
                    str(num_gpus),
                    str(per_gpu),
                    *(f"{each:.1f}" for each in both),
                    f"{both[0] / both[1]:.2f}",
                    "fitted" if num_gpus == PAPER_GPUS else "predicted",
                )
            )
    return format_table(rows)


def cross_table() -> str:
    """Returns what the constants of one model say of the other."""
    rows = [("constants of", "applied to", "original h", "published", "mslt h", "published")]
    for source, target in (PUBLISHED, PUBLISHED[::-1]):
        fitted = fit(source)
        scale = fit(target).joint_flops / fitted.joint_flops
        fitted = dataclasses.replace(fitted, compute_seconds=fitted.compute_seconds * scale)
        original, mslt = (
            hours(load(name), fitted, num_gpus=32, per_gpu=32)
            for name in (f"{target.name}_original", target.name)
        )
        rows.append(
            (
                source.name,
                target.name,
                f"{original:.0f}",
                f"{target.original_hours:.0f}",
                f"{mslt:.0f}",
                f"{target.mslt_hours:.0f}",
            )
        )
    return format_table(rows)


def main() -> None:
    """Prints all tables."""
    for table in (constants_table(), cross_table(), prediction_table()):
        sys.stdout.write(f"{table}\n\n")


if __name__ == "__main__":
    startup.run(main, define_flags=lambda values: None, description=__doc__ or "")
