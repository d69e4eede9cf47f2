"""Layers beside the layers that they were copied from, and what became of both in training."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mslt_tf.analysis import quantities
from mslt_tf.analysis.attention import chosen_heads, pictures
from mslt_tf.analysis.attention.copies import Copies, are_unrelated, layers_made_by
from mslt_tf.analysis.attention.divergence import layer_divergences
from mslt_tf.analysis.attention.pictures import Panel
from mslt_tf.analysis.attention.snapshots import Attention, RunAttention, Snapshot
from mslt_tf.analysis.section import Figure, Table
from mslt_tf.report_settings import Head
from mslt_tf.stage_plan import ranges

COPIES = (
    "Divergence between layers and the layers that they were copied from, in the same checkpoint; "
    "mean (lowest to highest) over the layers, and over pairs of unrelated layers. Of a run that "
    "copied nothing, the same pairs stand for comparison."
)
KEPT = (
    "Divergence between layers at the end of the stage that began with them, and the same layers "
    "in the newest checkpoint; mean (lowest to highest) over the layers."
)

NEARLY_EVEN = 0.02  # divergence from even attention; trained heads have 0.1 and more


@dataclasses.dataclass(frozen=True)
class Compared:
    """How much layers differ from their sources, and unrelated layers from each other."""

    to_source: np.ndarray  # float64 [copied layers]
    to_even: np.ndarray  # float64 [copied layers], from attention to all tokens alike
    unrelated: np.ndarray  # float64 [pairs]; perhaps none


def compare(run: RunAttention, snapshot: Snapshot, copies: Copies) -> Compared:
    """Returns the divergences of some copies at a checkpoint."""
    per_block = run.run.settings.model.layers_per_block
    related_by = (*snapshot.copies, copies)
    is_unrelated = np.triu(are_unrelated(related_by, snapshot.num_layers, per_block))
    layers, sources = list(copies.layers), list(copies.sources)
    return Compared(
        to_source=snapshot.divergences[layers, sources],
        to_even=snapshot.divergences_from_even[layers],
        unrelated=snapshot.divergences[is_unrelated],
    )


def findings(attention: Attention) -> Iterator[str]:
    """Yields what the newest checkpoint of each run says of copies, or of the same pairs."""
    for run in attention.runs:
        for copies in run.newest.copies:
            yield _finding(run, copies, "the source")
    for run in attention.runs:
        for copies in _pairs_to_compare(run, attention):
            yield _finding(run, copies, "layers that it did not copy")


def figures(attention: Attention, asked: int | tuple[Head, ...]) -> Iterator[Figure]:
    """Yields a figure of copies beside their sources for each run that has copies."""
    for index, run in enumerate(attention.runs):
        copies = {layer: each for each in run.newest.copies for layer in each.layers}
        heads = chosen_heads.choose(asked, layers=sorted(copies), num_heads=run.newest.num_heads)
        if not heads:
            continue
        names = ", ".join(map(str, heads))
        yield Figure(
            name=f"attention_copies_{index}",
            caption=(
                f"{run.name}, step {run.newest.step:,}: heads of copied layers, the same heads "
                "of the layers that they were copied from, and these when they were copied, where "
                f"that checkpoint is there. {pictures.AXES}"
            ),
            is_wide=True,
            alt=f"Attention maps of the heads {names} of {run.name} beside those of their sources.",
            drawing=pictures.draw_maps(
                _rows_of_panels(run, heads, copies), attention.sentences[0].labels
            ),
        )


def tables(attention: Attention) -> Iterator[Table]:
    """Yields the table of copies over training, and the one of layers that stayed."""
    copies = tuple(row for run in attention.runs for row in _copies_rows(run, attention))
    if copies:
        header = (
            *("run", "stage", "step", "layers", "copied from"),
            *("from these", "from even attention", "unrelated"),
        )
        yield Table(COPIES, header, copies)
    kept = tuple(row for run in attention.runs for row in _kept_rows(run))
    if kept:
        yield Table(KEPT, ("run", "stage", "layers", "steps compared", "divergence"), kept)


def _finding(run: RunAttention, copies: Copies, source: str) -> str:
    found = compare(run, run.newest, copies)
    said = (
        f"{run.name}, step {run.newest.step:,}: the divergence of {_named(copies.layers)} from "
        f"{source}, {_named(copies.sources)}, is "
        f"{quantities.two_digits(float(np.mean(found.to_source)))}. "
    )
    if not len(found.unrelated):
        return said + "There is no unrelated pair to compare that with."
    mean = np.mean(found.unrelated)
    said += f"That of unrelated pairs is {quantities.two_digits(float(mean))}. "
    if np.mean(found.to_even) < NEARLY_EVEN:
        return said + "These layers look nearly everywhere alike, so that tells little."
    if np.max(found.to_source) < np.min(found.unrelated):
        return said + "Each of the pairs differs less than any unrelated one."
    closer = int(np.sum(found.to_source < mean))
    return (
        said + f"Of the pairs, those that differ less than that: {closer} of {len(copies.layers)}."
    )


def _named(layers: Sequence[int]) -> str:
    return f"layer{'s' * (len(layers) > 1)} {ranges(layers)}"


def _rows_of_panels(
    run: RunAttention, heads: Sequence[Head], copies: Mapping[int, Copies]
) -> list[list[Panel]]:
    """Returns a row for each head; the last column is left out where nothing is in it."""
    rows = [_panels(run, head, copies[head.layer]) for head in heads]
    has_last = any(row[-1].map is not None for row in rows)
    return rows if has_last else [row[:-1] for row in rows]


def _panels(run: RunAttention, head: Head, copies: Copies) -> list[Panel]:
    """Returns a head, its source now, and its source when it was copied."""
    source = Head(copies.sources[copies.layers.index(head.layer)], head.head)
    then = next((each for each in run.snapshots if each.step == copies.first_step), None)
    return [
        pictures.panel_of(f"copy {head}", run.newest, head),
        pictures.panel_of(f"source {source}", run.newest, source),
        pictures.panel_of(f"source {source}, step {copies.first_step:,}", then, source),
    ]


def _copies_rows(run: RunAttention, attention: Attention) -> Iterator[tuple[str, ...]]:
    for snapshot in run.snapshots:
        for each in snapshot.copies:
            yield _copies_row(run, snapshot, each, ranges(each.sources))
    for each in _pairs_to_compare(run, attention):
        yield _copies_row(run, run.newest, each, f"not copied: {ranges(each.sources)}")


def _pairs_to_compare(run: RunAttention, attention: Attention) -> tuple[Copies, ...]:
    """Returns for a run without copies those of the first that has some, and as many layers."""
    if run.newest.copies:
        return ()
    others = (
        other.newest.copies
        for other in attention.runs
        if other.newest.num_layers == run.newest.num_layers and other.newest.copies
    )
    return next(others, ())


def _copies_row(
    run: RunAttention, snapshot: Snapshot, copies: Copies, sources: str
) -> tuple[str, ...]:
    found = compare(run, snapshot, copies)
    return (
        run.name,
        snapshot.span.stage.name,
        f"{snapshot.step:,}",
        ranges(copies.layers),
        sources,
        quantities.mean_and_range(found.to_source.tolist(), quantities.two_digits),
        quantities.mean_and_range(found.to_even.tolist(), quantities.two_digits),
        quantities.mean_and_range(found.unrelated.tolist(), quantities.two_digits),
    )


def _kept_rows(run: RunAttention) -> Iterator[tuple[str, ...]]:
    per_block = run.run.settings.model.layers_per_block
    newest = run.newest
    for then in run.snapshots[:-1]:
        layers = layers_made_by(run.run.plan, then.span.index, newest.span.index, per_block)
        if then.step == then.span.end and layers:
            found = np.diagonal(layer_divergences(then.maps, newest.maps))[list(layers)]
            yield (
                run.name,
                then.span.stage.name,
                ranges(layers),
                f"{then.step:,}, {newest.step:,}",
                quantities.mean_and_range(found.tolist(), quantities.two_digits),
            )
