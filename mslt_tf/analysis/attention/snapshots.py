"""The attention of the runs of a report, at each of their checkpoints."""

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from mslt_tf.analysis.attention import maps, text
from mslt_tf.analysis.attention.copies import Copies, copies_at
from mslt_tf.analysis.attention.divergence import layer_divergences
from mslt_tf.analysis.attention.maps import Maps
from mslt_tf.analysis.attention.text import Sentence
from mslt_tf.analysis.comparison import Group
from mslt_tf.analysis.runs import Run
from mslt_tf.conversion import own_runs
from mslt_tf.errors import UserError
from mslt_tf.modeling.trained_model import TrainedModel
from mslt_tf.stage_plan import StageSpan
from mslt_tf.training import checkpoint_folder


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """The attention of a run when it had done some steps."""

    step: int
    span: StageSpan  # the stage that made the last update
    maps: Maps
    copies: tuple[Copies, ...]

    @functools.cached_property
    def divergences(self) -> np.ndarray:
        """Those between all of its layers: float64 [layers, layers]."""
        return layer_divergences(self.maps, self.maps)

    @functools.cached_property
    def divergences_from_even(self) -> np.ndarray:
        """Those between its layers and attention to all tokens alike: float64 [layers]."""
        even = [np.full_like(maps[:1], 1 / maps.shape[-1]) for maps in self.maps]
        return layer_divergences(self.maps, even)[:, 0]

    @property
    def num_layers(self) -> int:
        """How many layers the model had."""
        return int(self.maps[0].shape[0])

    @property
    def num_heads(self) -> int:
        """How many heads each layer has."""
        return int(self.maps[0].shape[1])


@dataclasses.dataclass(frozen=True)
class RunAttention:
    """The attention of a run over its training."""

    name: str
    run: Run
    snapshots: tuple[Snapshot, ...]  # at least one, by step

    @property
    def newest(self) -> Snapshot:
        """The latest there is."""
        return self.snapshots[-1]

    @property
    def newest_of_stages(self) -> tuple[Snapshot, ...]:
        """The latest of each stage that has one."""
        return tuple({each.span.index: each for each in self.snapshots}.values())


@dataclasses.dataclass(frozen=True)
class Attention:
    """What a report shows of the attention of its runs."""

    sentences: tuple[Sentence, ...]  # all runs read the same
    runs: tuple[RunAttention, ...]  # at least one
    notes: tuple[str, ...]


def read(
    lines: Sequence[str], groups: Sequence[Group], vocab_file: str, *, report: Callable[[str], None]
) -> Attention:
    """Returns the attention of a run of each name, at all of its checkpoints.

    Args:
        lines: of `text.read`.
        groups: the runs of the report.
        vocab_file: "" for the ones that the runs were given.
        report: takes lines about what is passed over.

    Raises:
        UserError: no run has a checkpoint, one cannot be read, or a run cannot read the text.
    """
    found = [_read_run(lines, _with_checkpoint(group), vocab_file, report) for group in groups]
    with_maps = [(sentences, run) for sentences, run in found if run.snapshots]
    if not with_maps:
        folders = ", ".join(group.first.folder for group in groups)
        raise UserError(
            f"--attention_text needs checkpoints, and none is left in {folders}. Give a run that "
            "has one, or leave --attention_text out."
        )
    sentences, first = with_maps[0]
    for others, run in with_maps[1:]:
        if others != sentences:
            raise UserError(
                f"{first.run.folder} and {run.run.folder} read --attention_text as other tokens, "
                "so their attention cannot be compared. Make a report of each."
            )
    runs = tuple(run for _, run in with_maps)
    return Attention(sentences, runs, tuple(_notes(sentences, groups, runs)))


def _with_checkpoint(group: Group) -> Run:
    """Returns the first run of a group that has a checkpoint; where none has, the first."""
    return next((run for run in group.runs if own_runs.is_run(run.folder)), group.first)


def _read_run(
    lines: Sequence[str], run: Run, vocab_file: str, report: Callable[[str], None]
) -> tuple[tuple[Sentence, ...], RunAttention]:
    sentences: tuple[Sentence, ...] = ()
    snapshots = []
    folder = os.path.join(run.folder, own_runs.CHECKPOINTS)
    for step in checkpoint_folder.steps(folder):
        model = _read_model(checkpoint_folder.path_of(folder, step), vocab_file, report)
        if model is None or not 1 <= step <= run.plan.num_steps:
            continue
        sentences = sentences or text.tokenize(lines, model, run=run.folder)
        snapshots.append(_snapshot(model, run, sentences))
    return sentences, RunAttention(run.name, run, tuple(snapshots))


def _read_model(path: str, vocab_file: str, report: Callable[[str], None]) -> TrainedModel | None:
    """Returns the model of a checkpoint; None where a run that goes on has removed it meanwhile."""
    try:
        return own_runs.read(path, vocab_file=vocab_file, report=report)
    except UserError:
        if tf.io.gfile.exists(path):
            raise
        return None


def _snapshot(model: TrainedModel, run: Run, sentences: Sequence[Sentence]) -> Snapshot:
    span = run.plan.span_at(model.step - 1)
    if model.config.num_blocks != span.stage.num_blocks:
        raise UserError(
            f"{run.folder} has a checkpoint of step {model.step:,} with {model.config.num_blocks} "
            f"{run.plan.block_unit}, but its plan has {span.stage.num_blocks} there. Move what is "
            "of another run out of its checkpoints/."
        )
    copies = copies_at(run.plan, span.index, model.config.layers_per_block)
    return Snapshot(model.step, span, maps.attention_maps(model, sentences), copies)


def _notes(
    sentences: Sequence[Sentence], groups: Sequence[Group], runs: Sequence[RunAttention]
) -> list[str]:
    folders = {run.name: run.run.folder for run in runs}
    notes = [
        f"{group.name} has no checkpoint left, so its attention is not shown."
        for group in groups
        if group.name not in folders
    ]
    notes += [
        f"{group.name}: the attention is that of {folders[group.name]}, one of its seeds."
        for group in groups
        if group.name in folders and len(group.runs) > 1
    ]
    longest = max(len(sentence.tokens) for sentence in sentences)
    for run in runs:
        trained = max(span.stage.seq_length for span in run.run.spans_begun)
        if longest > trained:
            notes.append(
                f"{run.name} was trained on {trained} tokens, the text has up to {longest}: what "
                "its heads do beyond was never trained."
            )
    return notes
