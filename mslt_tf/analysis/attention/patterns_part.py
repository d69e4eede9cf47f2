"""Where all heads of the runs look: at [CLS], at [SEP], near, or everywhere."""

from collections.abc import Iterator

import numpy as np

from mslt_tf.analysis import quantities
from mslt_tf.analysis.attention import pictures
from mslt_tf.analysis.attention.patterns import NEAR, Patterns, even_patterns, patterns_of
from mslt_tf.analysis.attention.snapshots import Attention, Snapshot
from mslt_tf.analysis.section import Figure, Table

MOSTLY = 0.5  # a head looks mostly somewhere if more than this share of its attention is there
SHARES = (("cls", "[CLS]"), ("sep", "[SEP]"), ("near", "near tokens"))

SHARES_WHAT = (
    "Three shares say where a head looks: how much of its attention is on [CLS], on [SEP], and on "
    f"near tokens (the token itself and up to {NEAR} positions to either side); means over all "
    "tokens, [CLS] and [SEP] among them. They overlap. Entropy, in bits, says how widely it looks. "
    "Even attention, to all tokens alike, is what to hold them against."
)


def findings(attention: Attention) -> Iterator[str]:
    """Yields what the numbers are, and what they are at the newest checkpoint of each run."""
    yield SHARES_WHAT
    even = even_patterns(attention.sentences)
    for run in attention.runs:
        patterns = patterns_of(run.newest.maps, attention.sentences)
        is_there = {what: getattr(patterns, name) > MOSTLY for name, what in SHARES}
        nowhere = ~np.any(list(is_there.values()), axis=0)
        counts = ", ".join(f"{np.sum(found)} on {what}" for what, found in is_there.items())
        yield (
            f"{run.name}, step {run.newest.step:,}: of {nowhere.size} heads, those with more than "
            f"half of their attention in one place are {counts}; {np.sum(nowhere)} have it on none "
            f"of these. {_mean_against_even(patterns, even)}"
        )


def figures(attention: Attention) -> Iterator[Figure]:
    """Yields a figure of all heads for each run."""
    for index, run in enumerate(attention.runs):
        yield Figure(
            name=f"attention_patterns_{index}",
            caption=(
                f"{run.name}, step {run.newest.step:,}: where each head looks. A column is a "
                "head, a row a layer, the lowest at the bottom."
            ),
            alt=f"Shares of attention on [CLS], [SEP] and near tokens of all heads of {run.name}.",
            drawing=pictures.draw_patterns(patterns_of(run.newest.maps, attention.sentences)),
        )


def tables(attention: Attention) -> Iterator[Table]:
    """Yields a table by layer for each run, at the newest checkpoint of each stage."""
    even = even_patterns(attention.sentences)
    header = ("stage", "step", "layer", "on [CLS]", "on [SEP]", "near", "entropy")
    last = ("even", "", "", *_cells(even, 0))
    for run in attention.runs:
        rows = tuple(row for each in run.newest_of_stages for row in _rows(each, attention))
        caption = f"{run.name}: where its layers look, mean over heads (lowest to highest)."
        yield Table(caption, header, (*rows, last))


def _mean_against_even(patterns: Patterns, even: Patterns) -> str:
    shares = (
        f"{np.mean(getattr(patterns, name)):.0%} on {what} ({getattr(even, name)[0, 0]:.0%})"
        for name, what in SHARES
    )
    return f"Means over heads, and in brackets even attention's: {', '.join(shares)}."


def _rows(snapshot: Snapshot, attention: Attention) -> Iterator[tuple[str, ...]]:
    patterns = patterns_of(snapshot.maps, attention.sentences)
    for layer in range(snapshot.num_layers):
        cells = _cells(patterns, layer)
        yield snapshot.span.stage.name, f"{snapshot.step:,}", f"{layer}", *cells


def _cells(patterns: Patterns, layer: int) -> tuple[str, ...]:
    return tuple(
        quantities.mean_and_range(getattr(patterns, name)[layer], "{:.2f}".format)
        for name in ("cls", "sep", "near", "entropy")
    )
