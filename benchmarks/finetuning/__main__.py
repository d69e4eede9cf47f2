r"""Times fine-tuning on a task beside transformers' own, in turns, in one run.

  python -m benchmarks.finetuning --encoder=HF_FOLDER --glue_dir=DIR --task=mrpc \
      --torch_python=torch_env/bin/python

The peer is Hugging Face's BERT on PyTorch with the settings of transformers' example run_glue, in a
Python environment of its own; without --torch_python ours is timed alone:

  python -m venv torch_env
  torch_env/bin/python -m pip install torch==2.13.0 'transformers==5.*'

A turn trains on as many examples as take --seconds_per_turn, and goes on in the epoch where the
turn before it ended. Absolute speeds drift on a shared machine, the ratios are the result.

With --scores both train fully instead, one after the other, and are scored on the dev set. The
heads' initial weights and dropout differ, so scores differ as those of two seeds do. Of GLUE the
peer makes its own tokens; of SQuAD it gets our windows, and we find the answers in its outputs.

Takes all flags of run_finetuning, by default with one trial at the learning rate 5e-5; those that
are about results and several trials have no effect.
"""

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from benchmarks.step_time import turns
from mslt_tf import finetuning_flags, flag_fields, path_flags, startup

if TYPE_CHECKING:
    from benchmarks.finetuning.comparison import Comparison


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this benchmark, then those of run_finetuning."""
    path_flags.define_path(
        "torch_python", "", "Python with PyTorch and transformers.", flag_values=values
    )
    flags.DEFINE_bool("torch_compile", False, "Run the peer by torch.compile.", flag_values=values)
    flags.DEFINE_bool(
        "same_batches",
        False,
        "Give the peer our batches, which are of about equal lengths, and not a random order.",
        flag_values=values,
    )
    flags.DEFINE_bool("scores", False, "Train fully and score, once.", flag_values=values)
    flags.DEFINE_integer("rounds", 7, "How often each takes its turn.", flag_values=values)
    flags.DEFINE_integer("warmups", 8, "Batches of each that do not count.", flag_values=values)
    flags.DEFINE_float("seconds_per_turn", 15.0, "How long a turn takes.", flag_values=values)
    finetuning_flags.define_flags(values)
    values.set_default("learning_rates", ["5e-05"])
    values.set_default("num_seeds", 1)


def main() -> None:
    """Measures, and prints the tables."""
    schedule = turns.Schedule(
        **flag_fields.values_of(turns.Schedule, flags.FLAGS, without=["start_together"])
    )
    with tempfile.TemporaryDirectory() as name:
        flags.FLAGS.output_dir = str(Path(name) / "trials")
        settings = finetuning_flags.settings_from_flags(flags.FLAGS)
        # It loads TensorFlow, which takes seconds.
        from benchmarks.finetuning.comparison import Comparison

        comparison = Comparison(
            settings,
            torch_compile=flags.FLAGS.torch_compile,
            same_batches=flags.FLAGS.same_batches,
            folder=Path(name),
        )
        text = _scores(comparison) if flags.FLAGS.scores else _speeds(comparison, schedule)
    sys.stdout.write(text)


def _speeds(comparison: "Comparison", schedule: turns.Schedule) -> str:
    from benchmarks.finetuning import report

    outcome = turns.Outcome()
    participants = comparison.participants(flags.FLAGS.torch_python)
    turns.measure(participants, schedule, outcome, report=_report)
    return report.speed_text(outcome)


def _scores(comparison: "Comparison") -> str:
    from benchmarks.finetuning import report
    from benchmarks.finetuning.comparison import OURS, THEIRS

    found = {OURS: comparison.score_ours()}
    if flags.FLAGS.torch_python:
        found[THEIRS] = comparison.score_theirs(flags.FLAGS.torch_python)
    return report.score_text(flags.FLAGS.task[0], found)


def _report(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
