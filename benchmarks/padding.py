r"""Times training steps with and without --trim_padding, on records of your own, in turns.

  python -m benchmarks.padding --train_records='data512/train-*' --max_seq_length=512 \
      --max_predictions_per_seq=80 --train_batch_size=128 --micro_batch_size=32

Takes all flags of run_pretraining. Each of the two has a process of its own and reads the same
batches. What is saved depends on how long the sequences of the records are, so it needs real ones.
"""

import dataclasses
import sys
import tempfile
from pathlib import Path

from absl import flags

from benchmarks.step_time import participants, results, turns
from benchmarks.step_time.pipes import Child
from benchmarks.step_time.results import Spread
from benchmarks.step_time.turns import STEP, Participant
from mslt_tf import pretraining_flags, startup
from mslt_tf.config import PretrainingConfig
from mslt_tf.errors import UserError
from mslt_tf.stage_plan import Stage

WHOLE, TRIMMED = "whole", "trimmed"


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this benchmark, then those of run_pretraining."""
    flags.DEFINE_string("stage", "", "Name of a stage; empty: the last.", flag_values=values)
    flags.DEFINE_integer("rounds", 7, "How often each takes its turn.", flag_values=values)
    # With few, not every length has been compiled before the first turn that counts.
    flags.DEFINE_integer("warmups", 8, "Steps of each that do not count.", flag_values=values)
    flags.DEFINE_float(
        "seconds_per_turn", 0.5, "A turn is as many steps as take this long.", flag_values=values
    )
    pretraining_flags.define_flags(values)


def main() -> None:
    """Measures, and prints seconds a step and their ratio."""
    values = flags.FLAGS
    config = pretraining_flags.config_from_flags(values)
    stage = find_stage(config, values.stage)
    schedule = turns.Schedule(values.rounds, values.warmups, values.seconds_per_turn)
    outcome = turns.Outcome()
    with tempfile.TemporaryDirectory() as folder:
        both = [participant(config, stage, trims, Path(folder)) for trims in (False, True)]
        turns.measure(both, schedule, outcome, report=lambda line: sys.stderr.write(f"{line}\n"))
    whole, trimmed = (outcome.samples[name][STEP] for name in (WHOLE, TRIMMED))
    lines = [
        f"{WHOLE}: {_text(results.spread(whole))} s a step",
        f"{TRIMMED}: {_text(results.spread(trimmed))} s a step",
        f"{WHOLE} / {TRIMMED}: {_text(results.pairwise_ratios(whole, trimmed))}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def find_stage(config: PretrainingConfig, name: str) -> Stage:
    """Returns the stage of a name, or the last one.

    Raises:
        UserError: there is none of this name, or it has no records.
    """
    stages = {stage.name: stage for stage in config.plan.stages}
    stage = stages.get(name or config.plan.stages[-1].name)
    if stage is None:
        raise UserError(f"--stage is {name}. Use one of {', '.join(stages)}.")
    if not records_of(config)[stage.seq_length]:
        raise UserError(
            f"there are no records for stage {stage.name} of {stage.seq_length} tokens. Give them "
            "by --train_records, or --long_train_records."
        )
    return stage


def records_of(config: PretrainingConfig) -> dict[int, tuple[str, ...]]:
    """Returns the records of each length of the plan."""
    lengths = {stage.seq_length for stage in config.plan.stages}
    return {
        length: config.train_records
        if length == config.short_seq_length
        else config.long_train_records
        for length in lengths
    }


def participant(config: PretrainingConfig, stage: Stage, trims: bool, folder: Path) -> Participant:
    """Returns who runs the stage, with or without padding."""
    name = TRIMMED if trims else WHOLE
    config = dataclasses.replace(config, trim_padding=trims)

    def start() -> Child:
        child = participants.start_stage(config, stage, records_of(config), folder / name)
        child.name = name
        return child

    return Participant(name, start, (STEP,))


def _text(values: Spread) -> str:
    return f"{values.median:.4g} ({values.lower:.4g} - {values.upper:.4g})"


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
