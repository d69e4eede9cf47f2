"""Prints what several measurements of step_time found, from their JSON files.

python -m benchmarks.step_time_compare runs/gpu/*.json
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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


def main(paths: Sequence[str]) -> None:
    """Prints the table of all files."""
    contents = {Path(path).stem: json.loads(Path(path).read_text("utf-8")) for path in paths}
    found = table({name: content["summary"] for name, content in contents.items()})
    sys.stdout.write(f"{found}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
