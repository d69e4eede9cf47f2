"""Prints what several measurements of step_time found, from their JSON files.

  python -m benchmarks.step_time.compare --files='runs/gpu/*.json'

A row for each stage of each file, and one for its plan.
"""

import glob
import json
import sys
from pathlib import Path
from typing import Any

from absl import flags

from mslt_tf import path_flags, startup
from mslt_tf.errors import UserError
from mslt_tf.stage_plan import format_table


def table(summaries: dict[str, dict[str, Any]]) -> str:
    """Returns a row per stage of each measurement, and one for its plan.

    Args:
        summaries: by the name of the measurement, the "summary" of its file.
    """
    rows = [
        ("measurement", "stage", "batch", "sequences/s", "of ceiling", "peak MB", "step/original")
    ]
    for name, summary in summaries.items():
        rows += [(name, *_stage_cells(stage)) for stage in summary["stages"]]
        if summary["speedup"]:
            rows.append((name, *_plan_cells(summary)))
    return format_table(rows)


def _stage_cells(stage: dict[str, Any]) -> tuple[str, ...]:
    share, of_original = stage["share_of_ceiling"], stage["of_original"]
    return (
        stage["name"],
        str(stage["batch_size"]),
        f"{stage['batch_size'] / stage['step']['median']:,.1f}",
        f"{share:.1%}" if share else "-",
        f"{stage['memory']['peak'] / 1e6:,.0f}",
        f"{of_original:.3f}" if of_original else "-",
    )


def _plan_cells(summary: dict[str, Any]) -> tuple[str, ...]:
    ceiling = summary["ceiling_flops_per_second"]
    at_most = f"ceiling {ceiling['median'] / 1e12:,.2f} TFLOP/s" if ceiling else "-"
    expected = f"arithmetic {summary['arithmetic_speedup']:.2f}x"
    return ("plan", "", f"{summary['speedup']['median']:.3f}x", at_most, "", expected)


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this command."""
    path_flags.define_paths(
        "files", [], "JSON files of step_time: paths or globs, with commas.", flag_values=values
    )


def main() -> None:
    """Prints the table of all files."""
    patterns = flags.FLAGS.files
    paths = sorted(path for pattern in patterns for path in glob.glob(pattern))
    if not paths:
        named = ", ".join(patterns) or "nothing"
        raise UserError(f"--files names {named}: no such file. Give what step_time --json wrote.")
    sys.stdout.write(f"{table({Path(path).stem: read_summary(path) for path in paths})}\n")


def read_summary(path: str) -> dict[str, Any]:
    """Returns the summary that `step_time --json` wrote to a file.

    Raises:
        UserError: the file cannot be read, or is no such file.
    """
    try:
        summary = json.loads(Path(path).read_text("utf-8"))["summary"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is not what step_time --json writes ({error!r}). Narrow --files."
        ) from error
    return dict(summary)


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
