"""The results as text."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tensorflow.core.protobuf import saved_model_pb2

from benchmarks.serving.job import OURS, THEIRS
from benchmarks.step_time import results
from benchmarks.step_time.results import Spread
from benchmarks.step_time.turns import Samples
from mslt_tf.export import allowed_ops
from mslt_tf.stage_plan import format_table

Starts = Mapping[str, Sequence[Mapping[str, float]]]  # by side: seconds of each part of a start


def graph_text(export: Path, names: Sequence[str]) -> str:
    """Returns a row per graph of an export: its operations and its size."""
    rows = [("graph", "operations", "of tensorflow-text", "MB")]
    for name in names:
        content = (export / name / "saved_model.pb").read_bytes()
        ops = allowed_ops.ops_of(saved_model_pb2.SavedModel.FromString(content))
        size = sum(file.stat().st_size for file in (export / name).rglob("*") if file.is_file())
        num_text_ops = len(ops & allowed_ops.TEXT_OPS)
        rows.append((name, str(len(ops)), str(num_text_ops), f"{size / 1e6:.1f}"))
    return f"{format_table(rows)}\n{len(allowed_ops.allowed()):,} operations are allowed"


def start_text(starts: Starts) -> str:
    """Returns a row per side: seconds of its imports, of loading, and to the first answer."""
    parts = ("import", "load", "first answer")
    rows = [("seconds of a start", *parts)]
    for name, found in starts.items():
        spreads = (results.spread([each[part] for each in found]) for part in parts)
        rows.append((name, *map(_spread, spreads)))
    return format_table(rows)


def speed_text(samples: Samples) -> str:
    """Returns a row per batch size: requests per second of both sides, and their ratio."""
    sides = list(samples)
    rows = [("requests/s", *sides, *([f"{OURS} / {THEIRS}"] if THEIRS in sides else []))]
    for task in samples[OURS]:
        speeds = {side: [1 / seconds for seconds in samples[side][task]] for side in sides}
        row = [_spread(results.spread(speeds[side])) for side in sides]
        if THEIRS in sides:
            row.append(_spread(results.pairwise_ratios(speeds[OURS], speeds[THEIRS])))
        rows.append((task, *row))
    return format_table(rows)


def difference_text(facts: Mapping[str, Sequence[float]]) -> str:
    """Returns how far the first answers of both sides lie apart."""
    pairs = zip(facts[OURS], facts[THEIRS], strict=True)
    largest = max(abs(ours - theirs) for ours, theirs in pairs)
    return f"largest difference of the first answers: {largest:.1e}"


def _spread(values: Spread) -> str:
    return f"{values.median:.4g} ({values.lower:.4g} - {values.upper:.4g})"
