"""The same heads in all runs, side by side, and how much they differ."""

from collections.abc import Iterator, Sequence

import numpy as np

from mslt_tf.analysis import quantities
from mslt_tf.analysis.attention import chosen_heads, pictures
from mslt_tf.analysis.attention.divergence import layer_divergences
from mslt_tf.analysis.attention.pictures import Panel
from mslt_tf.analysis.attention.snapshots import Attention, RunAttention
from mslt_tf.analysis.section import Figure, Table
from mslt_tf.report_settings import Head

IN_A_ROW = 3  # maps; more in one would be too small to read

CAPTION = (
    "Divergence between the newest checkpoints of two runs; mean (lowest to highest) over layers, "
    "and over all pairs of different layers. Runs of one seed begin with the same weights in "
    "layers of one number that are no copies; else a number tells nothing of a head."
)


def figures(attention: Attention, asked: int | tuple[Head, ...]) -> Iterator[Figure]:
    """Yields figures with a row for each head and a column for each run."""
    heads = _heads(attention, asked)
    for first in range(0, len(attention.runs), IN_A_ROW):
        runs = attention.runs[first : first + IN_A_ROW]
        names = ", ".join(f"{run.name} (step {run.newest.step:,})" for run in runs)
        yield Figure(
            name=f"attention_heads_{first // IN_A_ROW}",
            caption=f"The same heads of {names}; --attention_heads names others. {pictures.AXES}",
            is_wide=True,
            alt=f"Attention maps of the heads {', '.join(map(str, heads))} of {names}.",
            drawing=pictures.draw_maps(_rows_of_panels(runs, heads), attention.sentences[0].labels),
        )


def tables(attention: Attention) -> Iterator[Table]:
    """Yields a table of each run beside the first; none where there is one run alone."""
    first, *others = attention.runs
    rows = tuple(_row(first, other) for other in others if _are_comparable(first, other))
    if rows:
        header = ("runs", "steps", "layers", "same layer", "different layers")
        yield Table(CAPTION, header, rows)


def _heads(attention: Attention, asked: int | tuple[Head, ...]) -> tuple[Head, ...]:
    """Returns the heads that were asked for, or so many of those that all runs have."""
    limit = min if isinstance(asked, int) else max
    num_layers = limit(run.newest.num_layers for run in attention.runs)
    num_heads = limit(run.newest.num_heads for run in attention.runs)
    return chosen_heads.choose(asked, layers=range(num_layers), num_heads=num_heads)


def _rows_of_panels(runs: Sequence[RunAttention], heads: Sequence[Head]) -> list[list[Panel]]:
    """Returns a row for each head; of a single run, two heads in a row."""
    rows = [
        [pictures.panel_of(f"{head} {run.name}", run.newest, head) for run in runs]
        for head in heads
    ]
    if len(runs) == 1 and len(heads) % 2 == 0:
        return [first + second for first, second in zip(rows[::2], rows[1::2], strict=True)]
    return rows


def _are_comparable(first: RunAttention, other: RunAttention) -> bool:
    return first.newest.num_heads == other.newest.num_heads


def _row(first: RunAttention, other: RunAttention) -> tuple[str, ...]:
    found = layer_divergences(first.newest.maps, other.newest.maps)
    size = min(found.shape)
    common = found[:size, :size]
    others = common[~np.eye(size, dtype=bool)]
    return (
        f"{first.name}, {other.name}",
        f"{first.newest.step:,}, {other.newest.step:,}",
        f"{size}",
        quantities.mean_and_range(np.diagonal(common).tolist(), quantities.two_digits),
        quantities.mean_and_range(others.tolist(), quantities.two_digits),
    )
