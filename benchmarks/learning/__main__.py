r"""Trains one model by several plans on the same data, and prints what each of them reached.

  python -m benchmarks.learning --configs=configs/compare --output_dir=runs/compare
  python -m benchmarks.learning --configs=configs/narrow --runs=albert_original,albert_mslt \
      --output_dir=runs/albert --input='enwiki/wiki_*' --data_flags=--dupe_factor=1

A run is a flag file of run_pretraining; its name is the file's. Vocabulary and records are made
first, by default from the documentation inside the Python installation. What is finished is not
done again, and an interrupted run goes on, so the command may be given again at any time;
--report_only prints the table of what there is so far. With --num_seeds each run is done with
several seeds, all runs with the first seed before any with the second one. Another machine can
take other seeds, by --first_seed, and --earlier puts its table and this one together.
"""

import json
import sys
from pathlib import Path
from typing import Any

from absl import flags

from benchmarks.learning import background, runs, table
from mslt_tf import path_flags, startup
from mslt_tf.bounds import Bounds, check_number


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this benchmark."""
    path_flags.define_path(
        "configs", "configs/compare", "Folder of the runs' flag files.", flag_values=values
    )
    flags.DEFINE_list("runs", [], "Names of runs in it. Empty: all of them.", flag_values=values)
    path_flags.define_path("output_dir", "runs/compare", "Where it all goes.", flag_values=values)
    path_flags.define_joined_paths(
        "input",
        "embedded",
        "Text, as create_data takes it. Empty: vocabulary and records are in --output_dir, as on a "
        "machine to which they were copied.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "vocab_size",
        0,
        "Word pieces to learn, about. 0: as many as the flag files' models have.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "data_flags", [], "More flags for create_data, with commas.", flag_values=values
    )
    flags.DEFINE_list(
        "extra_flags", [], "More flags for run_pretraining, with commas.", flag_values=values
    )
    flags.DEFINE_integer("num_seeds", 1, "Seeds of each run.", flag_values=values)
    flags.DEFINE_integer(
        "first_seed", 0, "The first of them; the others follow it.", flag_values=values
    )
    flags.DEFINE_integer(
        "num_parallel_runs",
        1,
        "Runs at a time. Narrow models leave most of a machine idle.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "background",
        False,
        "Train in the background, at the lowest priority, if nothing does so yet; print the table.",
        flag_values=values,
    )
    flags.DEFINE_bool("data_only", False, "Make the data, train nothing.", flag_values=values)
    flags.DEFINE_bool("report_only", False, "Print the table, run nothing.", flag_values=values)
    path_flags.define_path("json", "", "Also write the table here as JSON.", flag_values=values)
    path_flags.define_path(
        "earlier",
        "",
        "A table that --json wrote elsewhere; its seeds are added.",
        flag_values=values,
    )


def main() -> int:
    """Makes the data, trains, prints the table; returns the exit status."""
    values = flags.FLAGS
    check_number("--vocab_size", values.vocab_size, Bounds(at_least=0))
    check_number("--num_seeds", values.num_seeds, Bounds(at_least=1))
    check_number("--first_seed", values.first_seed, Bounds(at_least=0))
    check_number("--num_parallel_runs", values.num_parallel_runs, Bounds(at_least=1))
    _results()  # so that a table that does not fit is refused before hours of training
    if values.background:
        background.start(Path(values.output_dir))
    elif not values.report_only:
        _work()
    results = _results()
    if values.json:
        Path(values.json).write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    sys.stdout.write(table.as_text(results) + "\n")
    return 0


def _wanted() -> list[runs.Run]:
    """Returns the runs that are asked for, with the vocabulary that is there by now."""
    values = flags.FLAGS
    return runs.find(
        Path(values.configs),
        values.runs,
        folder=Path(values.output_dir),
        seeds=range(values.first_seed, values.first_seed + values.num_seeds),
        extra_flags=values.extra_flags,
    )


def _results() -> list[dict[str, Any]]:
    """Returns what there is so far, here and in --earlier."""
    results, earlier = table.results(_wanted()), flags.FLAGS.earlier
    return table.with_earlier(results, Path(earlier)) if earlier else results


def _work() -> None:
    """Makes the data, and trains unless --data_only."""
    values, folder, wanted = flags.FLAGS, Path(flags.FLAGS.output_dir), _wanted()
    vocab_size = values.vocab_size or max(run.config.model.vocab_size for run in wanted)
    data = runs.Data(values.input, vocab_size, values.data_flags, folder)
    with runs.working_in(folder):
        data.make(runs.lengths(wanted))
        if not values.data_only:
            runs.train(_wanted(), data, num_parallel=values.num_parallel_runs)


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
