"""Layers beside the layers that they were copied from, and what became of both in training."""

import dataclasses
from collections.abc import Iterator

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

DIVERGENCE = (
    "Jensen-Shannon divergence of attention (0: equal, 1: disjoint), heads of one number compared, "
    "mean over heads and tokens"
)
COPIES = (
    f"Layers and the layers that they were copied from, in the same checkpoint: {DIVERGENCE}. "
    "Mean (lowest to highest) over the layers; unrelated are all pairs of layers that have no "
    "weights from one layer. Where a run copied nothing, the same pairs stand for comparison."
)
KEPT = (
    "Layers at the end of the stage that began with them, and the same layers in the newest "
    f"checkpoint: {DIVERGENCE}. Mean (lowest to highest) over the layers."
)


@dataclasses.dataclass(frozen=True)
class Compared:
    """How much layers differ from their sources, and unrelated layers from each other."""

    to_source: np.ndarray  # float64 [copied layers]
    unrelated: np.ndarray  # float64 [pairs]; perhaps none


def compare(run: RunAttention, snapshot: Snapshot, copies: Copies) -> Compared:
    """Returns the divergences of some copies at a checkpoint."""
    found = snapshot.divergences
    per_block = run.run.settings.model.layers_per_block
    related_by = (*snapshot.copies, copies)
    is_unrelated = np.triu(are_unrelated(related_by, snapshot.num_layers, per_block))
    return Compared(found[list(copies.layers), list(copies.sources)], found[is_unrelated])


def findings(attention: Attention) -> Iterator[str]:
    """Yields a sentence on the newest checkpoint of each run that has copies."""
    for run in attention.runs:
        for copies in run.newest.copies:
            found = compare(run, run.newest, copies)
            yield (
                f"{run.name}, step {run.newest.step:,}: layers {ranges(copies.layers)} differ from "
                f"{ranges(copies.sources)}, which they were copied from, by "
                f"{np.mean(found.to_source):.2f} (Jensen-Shannon divergence, from 0 for equal "
                f"attention to 1 for disjoint). {_against_unrelated(found)}"
            )


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
                [_panels(run, head, copies[head.layer]) for head in heads],
                attention.sentences[0].tokens,
            ),
        )


def tables(attention: Attention) -> Iterator[Table]:
    """Yields the table of copies over training, and the one of layers that stayed."""
    copies = tuple(row for run in attention.runs for row in _copies_rows(run, attention))
    if copies:
        header = ("run", "stage", "step", "layers", "copied from", "to these", "unrelated")
        yield Table(COPIES, header, copies)
    kept = tuple(row for run in attention.runs for row in _kept_rows(run))
    if kept:
        yield Table(KEPT, ("run", "stage", "layers", "steps compared", "to then"), kept)


def _against_unrelated(found: Compared) -> str:
    if not len(found.unrelated):
        return "There is no unrelated pair of layers to compare that with."
    mean = np.mean(found.unrelated)
    said = f"Unrelated layers differ by {mean:.2f}: "
    if np.max(found.to_source) < np.min(found.unrelated):
        return said + "each copy looks more like its source than any two unrelated layers do."
    closer = int(np.sum(found.to_source < mean))
    return (
        said + f"{closer} of {len(found.to_source)} copies look more like their source than "
        "unrelated layers do on average."
    )


def _panels(run: RunAttention, head: Head, copies: Copies) -> list[Panel]:
    """Returns a head, its source now, and its source when it was copied."""
    source = Head(copies.sources[copies.layers.index(head.layer)], head.head)
    then = next((each for each in run.snapshots if each.step == copies.first_step), None)
    return [
        pictures.panel(f"copy {head}", run.newest, head),
        pictures.panel(f"source {source}", run.newest, source),
        pictures.panel(f"source {source}, step {copies.first_step:,}", then, source),
    ]


def _copies_rows(run: RunAttention, attention: Attention) -> Iterator[tuple[str, ...]]:
    for snapshot in run.snapshots:
        for each in snapshot.copies:
            yield _copies_row(run, snapshot, each, ranges(each.sources))
    if not run.newest.copies:
        for each in _copies_of_others(run.newest, attention):
            yield _copies_row(run, run.newest, each, f"not copied: {ranges(each.sources)}")


def _copies_of_others(snapshot: Snapshot, attention: Attention) -> tuple[Copies, ...]:
    """Returns the copies of the first run of as many layers that has some."""
    others = (
        other.newest.copies
        for other in attention.runs
        if other.newest.num_layers == snapshot.num_layers and other.newest.copies
    )
    return next(others, ())


def _copies_row(
    run: RunAttention, snapshot: Snapshot, copies: Copies, sources: str
) -> tuple[str, ...]:
    found = compare(run, snapshot, copies)
    unrelated = found.unrelated.tolist()
    return (
        run.name,
        snapshot.span.stage.name,
        f"{snapshot.step:,}",
        ranges(copies.layers),
        sources,
        quantities.mean_and_range(found.to_source.tolist()),
        quantities.mean_and_range(unrelated) if unrelated else quantities.NOTHING,
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
                quantities.mean_and_range(found.tolist()),
            )
