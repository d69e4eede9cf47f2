r"""Times the steps of each stage of a plan, in one run, and peers on the same shapes with them.

  python -m benchmarks.step_time --train_batch_size=8 --precision=bfloat16 --vs=keras_nlp
  python -m benchmarks.step_time --flagfile=configs/large.flags --train_batch_size=32 --json=FILE

Takes all flags of run_pretraining, by default those of configs/base.flags with 32 sequences. The
records are made up; flags that name files, and --dry_run, have no effect. Every stage has a process
of its own, and so has each peer. They take turns, and idle between them: absolute times drift on a
shared machine, the ratios are the result.

--vs=transformers runs Hugging Face's BERT on PyTorch, which needs a Python environment of its own:

  python -m venv torch_env
  torch_env/bin/python -m pip install torch==2.13.0 'transformers==5.*'
  python -m benchmarks.step_time --vs=transformers --torch_python=torch_env/bin/python
"""

import os
import sys
import tempfile
from pathlib import Path

from absl import flags

from benchmarks.step_time import participants, plot, report, results, turns
from mslt_tf import flag_fields, path_flags, pretraining_flags, startup
from mslt_tf.errors import UserError

DEFAULT_BATCH_SIZE = 32


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this benchmark, then those of run_pretraining."""
    flags.DEFINE_list(
        "stages", [], "Names of the stages to time; empty: all of the plan.", flag_values=values
    )
    flags.DEFINE_multi_enum(
        "vs",
        [],
        list(participants.PEER_MODULES),
        "Peer to time beside our joint step; may be repeated.",
        flag_values=values,
    )
    path_flags.define_path(
        "torch_python", "", "Python with PyTorch, for --vs=transformers.", flag_values=values
    )
    flags.DEFINE_bool(
        "torch_compile", False, "Run --vs=transformers by torch.compile.", flag_values=values
    )
    _define_measuring_flags(values)
    pretraining_flags.define_flags(values)
    values.set_default("train_batch_size", DEFAULT_BATCH_SIZE)


def _define_measuring_flags(values: flags.FlagValues) -> None:
    flags.DEFINE_integer("rounds", 7, "How often each takes its turn.", flag_values=values)
    flags.DEFINE_integer("warmups", 2, "Steps of each that do not count.", flag_values=values)
    flags.DEFINE_float(
        "seconds_per_turn",
        0.5,
        "A turn is as many steps as take this long, at least one.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "split", True, "Time forward, backward, optimizer and input wait too.", flag_values=values
    )
    flags.DEFINE_bool("ceiling", True, "Time large matrix products too.", flag_values=values)
    flags.DEFINE_bool(
        "one_at_a_time",
        False,
        "End each stage's process before the next begins, where they do not fit into memory "
        "together. Ratios of stages then suffer from drift.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "start_together",
        False,
        "Let all stages trace and compile at the same time, which takes many processors and memory "
        "for the first steps of all.",
        flag_values=values,
    )
    flags.DEFINE_bool("profile", False, "Print each stage's operations.", flag_values=values)
    path_flags.define_path("json", "", "File for all results and samples.", flag_values=values)
    path_flags.define_path("plot", "", "File for a plot, e.g. step_time.png.", flag_values=values)


def main() -> None:
    """Measures, and prints the tables."""
    values = flags.FLAGS
    for name in ("json", "plot"):
        check_new(f"--{name}", values[name].value)
    config = pretraining_flags.config_from_flags(values)
    schedule = turns.Schedule(**flag_fields.values_of(turns.Schedule, values))
    options = participants.Options(**flag_fields.values_of(participants.Options, values))
    stages = participants.stages_to_measure(config, values.stages, values.vs)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # It loads TensorFlow, which takes seconds.
        from benchmarks.step_time import random_records

        records = random_records.write_all(config, folder)
        plan = participants.MeasurementPlan(config, stages, options, records, folder)
        outcome = _measure(plan, schedule)
    summary = results.summarize(config, stages, outcome, values.vs)
    sys.stdout.write(report.text(summary))
    for stage, rows in outcome.profiles.items():
        sys.stdout.write(f"\n{stage}\n{report.operation_table(rows)}\n")
    if values.json:
        text = report.to_json(summary, outcome, config)
        Path(values.json).write_text(text, "utf-8")
    if values.plot:
        plot.plot(summary, values.plot)


def check_new(flag: str, path: str) -> None:
    """Checks, before hours of measuring, that a new file can be written.

    Raises:
        UserError: there is one already, or its folder cannot be written to.
    """
    if not path:
        return
    if Path(path).exists():
        raise UserError(f"{flag} {path} is there already. Give a new name, or move it away.")
    folder = Path(path).parent
    if not os.access(folder, os.W_OK):
        raise UserError(f"{flag} {path} cannot be written: {folder} is no folder that one can.")


def _measure(plan: participants.MeasurementPlan, schedule: turns.Schedule) -> turns.Outcome:
    """Returns what all processes measured, together or group after group."""
    outcome = turns.Outcome()
    for group in plan.groups(one_at_a_time=flags.FLAGS.one_at_a_time):
        turns.measure(group, schedule, outcome, report=_report)
    return outcome


def _report(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
