"""Which layers of a model began as copies of which, by the stage plan."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from mslt_tf.stage_plan import StagePlan


@dataclasses.dataclass(frozen=True)
class Copies:
    """Layers that a stage began with, and what they were copied from."""

    stage: str
    first_step: int  # of the stage
    layers: tuple[int, ...]
    sources: tuple[int, ...]  # of each; they are in the model still, at their place


def copies_at(plan: StagePlan, stage_index: int, layers_per_block: int) -> tuple[Copies, ...]:
    """Returns all copies in the model of a stage, by the stage that made them.

    Args:
        plan: of the run.
        stage_index: of the stage.
        layers_per_block: the layers of an ALBERT group correspond one by one; 1 in BERT.
    """
    pairs: dict[int, tuple[int, int]] = {}  # block -> the stage that made it, its source
    for index, stage in enumerate(plan.stages[: stage_index + 1]):
        moved = {block for block, source in enumerate(stage.block_sources) if source != block}
        pairs = {b: found for b, found in pairs.items() if not moved & {b, found[1]}}
        for block in sorted(moved):
            source = stage.block_sources[block]
            if source is not None and source not in moved:
                pairs[block] = (index, source)
    return tuple(
        _copies(plan, index, {b: s for b, (i, s) in pairs.items() if i == index}, layers_per_block)
        for index in sorted({index for index, _ in pairs.values()})
    )


def are_unrelated(copies: tuple[Copies, ...], num_layers: int, layers_per_block: int) -> np.ndarray:
    """Returns which pairs of layers have no weights from one layer: bool [layers, layers].

    Related are a layer and its source, all that go back to one layer, and the layers of a group.
    """
    origin = [layer // layers_per_block for layer in range(num_layers)]
    for each in copies:  # a source comes before what was copied from it
        for layer, source in zip(each.layers, each.sources, strict=True):
            origin[layer] = origin[source]
    return np.not_equal.outer(origin, origin)


def layers_made_by(
    plan: StagePlan, stage_index: int, later_index: int, layers_per_block: int
) -> tuple[int, ...]:
    """Returns the layers that a stage began with and a later stage has at the same place still."""
    later = plan.stages[stage_index + 1 : later_index + 1]
    blocks = [
        block
        for block, source in enumerate(plan.stages[stage_index].block_sources)
        if source != block and all(stage.block_sources[block] == block for stage in later)
    ]
    return _layers(blocks, layers_per_block)


def _copies(plan: StagePlan, index: int, sources: dict[int, int], layers_per_block: int) -> Copies:
    copied, originals = (
        _layers(blocks, layers_per_block) for blocks in (sources, sources.values())
    )
    span = plan.spans[index]
    return Copies(span.stage.name, span.first_step, copied, originals)


def _layers(blocks: Iterable[int], layers_per_block: int) -> tuple[int, ...]:
    return tuple(block * layers_per_block + i for block in blocks for i in range(layers_per_block))
