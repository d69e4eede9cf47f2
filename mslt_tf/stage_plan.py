"""The heart: what exists, what trains, where it starts from and for how long, at any global step.

A plan is a frozen value without TensorFlow. Its entries index encoder *blocks*, the units of
growth: a layer of BERT, a group of layers with shared weights of ALBERT. Paper: arXiv 2011.13635,
sections 3.2 and 3.3.
"""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Literal

from mslt_tf.bounds import Bounds, NonNegativeInt, PositiveInt, check_numbers
from mslt_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Stage:
    """A span of steps in which the model's depth and its trainable set stay the same.

    Everything above the frozen blocks trains, the heads in every stage. The embeddings train just
    where no block is frozen: otherwise their gradient would drag the backward pass through the
    whole frozen trunk.
    """

    name: str
    block_sources: tuple[int | None, ...]  # entry i: the previous stage's block, None: fresh
    num_frozen_blocks: NonNegativeInt
    num_steps: Annotated[int, Bounds(at_least=1, hint="Give more steps or fewer stages.")]
    seq_length: PositiveInt
    max_predictions_per_seq: PositiveInt
    batch_size: PositiveInt  # sequences per update, over all replicas and accumulation steps

    def __post_init__(self) -> None:
        check_numbers(self, prefix=f"stage {self.name}: ")
        if self.num_frozen_blocks >= self.num_blocks:
            raise UserError(
                f"stage {self.name} freezes {self.num_frozen_blocks} of {self.num_blocks} blocks. "
                "At least one block must exist and train."
            )

    @property
    def num_blocks(self) -> int:
        """The depth of the model in this stage, in blocks."""
        return len(self.block_sources)

    @property
    def trains_embeddings(self) -> bool:
        """Whether the embeddings, and with them the tied output matrix, train."""
        return self.num_frozen_blocks == 0

    @property
    def num_sequences(self) -> int:
        """How many sequences the stage reads."""
        return self.num_steps * self.batch_size


@dataclasses.dataclass(frozen=True)
class StageSpan:
    """A stage and the global steps of it."""

    index: int  # of the stage in the plan
    stage: Stage
    first_step: int  # the global step at which it begins
    end: int  # the global step at which it has ended
    optimizer_start: int  # the global step at which its optimizer began, perhaps in a stage before
    keeps_optimizer: bool  # whether its optimizer state is that of the stage before


@dataclasses.dataclass(frozen=True)
class StagePlan:
    """All stages of a run, in order. The global step alone decides the stage."""

    stages: tuple[Stage, ...]
    block_unit: Literal["layers", "groups"] = "layers"  # what the blocks are called

    def __post_init__(self) -> None:
        if not self.stages:
            raise UserError("the plan has no stage. Give at least one.")
        depth_before = 0
        for stage in self.stages:
            sources = [source for source in stage.block_sources if source is not None]
            if any(not 0 <= source < depth_before for source in sources):
                raise UserError(
                    f"stage {stage.name} starts from blocks {stage.block_sources}, but the stage "
                    f"before it has {depth_before} blocks. Name only blocks below {depth_before}."
                )
            depth_before = stage.num_blocks

    @property
    def num_steps(self) -> int:
        """The number of steps of the whole run."""
        return sum(stage.num_steps for stage in self.stages)

    @property
    def spans(self) -> tuple[StageSpan, ...]:
        """Each stage with its steps.

        An optimizer state is kept where exactly the same variables train; else a fresh optimizer
        starts.
        """
        spans: list[StageSpan] = []
        for index, stage in enumerate(self.stages):
            before = spans[-1] if spans else None
            start = before.end if before else 0
            keeps = before is not None and _trains_the_same(before.stage, stage)
            optimizer_start = before.optimizer_start if before and keeps else start
            end = start + stage.num_steps
            spans.append(StageSpan(index, stage, start, end, optimizer_start, keeps))
        return tuple(spans)

    def span_at(self, global_step: int) -> StageSpan:
        """Returns the stage of the update that makes step `global_step` + 1.

        Raises:
            ValueError: `global_step` is not one of the plan's steps, 0 to num_steps - 1.
        """
        for span in self.spans:
            if span.first_step <= global_step < span.end:
                return span
        raise ValueError(f"step {global_step} is not in 0..{self.num_steps - 1} of this plan")

    def after(self, span: StageSpan) -> StageSpan | None:
        """Returns the next stage; None after the last."""
        return next(iter(self.spans[span.index + 1 :]), None)

    def sequences_before(self, global_step: int, *, seq_length: int) -> int:
        """Returns how many sequences of this length were read when `global_step` updates are done.

        That is the position in the records of this length: each length has records of its own.
        """
        read = 0
        for span in self.spans:
            if span.stage.seq_length == seq_length:
                steps_done = max(min(global_step, span.end) - span.first_step, 0)
                read += steps_done * span.stage.batch_size
        return read

    def table(self) -> str:
        """Returns the plan as text, a row a stage."""
        rows: list[tuple[str, ...]] = [
            ("stage", "steps", self.block_unit, "trains", "starts from", "seq", "batch")
        ]
        for stage in self.stages:
            trains = ranges(range(stage.num_frozen_blocks, stage.num_blocks))
            rows.append(
                (
                    stage.name,
                    f"{stage.num_steps:,}",
                    str(stage.num_blocks),
                    trains + (" +emb" if stage.trains_embeddings else ""),
                    ranges(stage.block_sources),
                    str(stage.seq_length),
                    str(stage.batch_size),
                )
            )
        return format_table(rows)


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows of cells as left-aligned columns, two spaces apart."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def kept(num_blocks: int) -> tuple[int, ...]:
    """Returns the sources of `num_blocks` blocks that all stay where they are."""
    return tuple(range(num_blocks))


def _trains_the_same(before: Stage, stage: Stage) -> bool:
    """Returns whether the same variables train in two stages, one after the other."""
    return (
        stage.block_sources == kept(before.num_blocks)
        and stage.num_frozen_blocks == before.num_frozen_blocks
    )


def ranges(blocks: Sequence[int | None]) -> str:
    """Writes ascending runs short: (0, 1, 2, 0, 1) as "0-2 0-1", fresh blocks as "new"."""
    if not any(block is not None for block in blocks):
        return "new"
    runs: list[list[int | None]] = []
    for block in blocks:
        last = runs[-1][-1] if runs else None
        if last is not None and block == last + 1:
            runs[-1].append(block)
        else:
            runs.append([block])
    return " ".join(
        "new" if run[0] is None else str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}"
        for run in runs
    )
