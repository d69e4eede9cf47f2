"""Losses against steps, wall-clock and FLOPs: the form of the paper's Figure 4."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes

from mslt_tf.analysis import comparison, drawing, quantities
from mslt_tf.analysis.comparison import Group
from mslt_tf.analysis.drawing import Look
from mslt_tf.analysis.runs import Evaluation, Run, TrainPoint
from mslt_tf.analysis.section import Figure, Section

MAX_POINTS = 300  # of a curve; more are averaged, as no eye tells them apart
MAX_DOTS = 30  # on a curve
EARLY_SHARE = 0.1  # of the steps; the losses up to there may lie above the picture

ENTROPY = "unigram entropy"

EXPLANATION = (
    "Each colour is a run. The line with dots is the loss on held-out records, the pale one the "
    "loss in training{dropout}. A run that was not evaluated has a line without dots, its loss in "
    "training. A vertical tick is the end of a stage. Where runs "
    "share a name, the line is the mean over them, as far as each has come, and the band goes from "
    "the lowest to the highest. A line breaks where the length of the records changes. The dotted "
    "grey line is the unigram entropy: the loss of guessing by the frequency of the tokens alone. "
    "What a model learns of context lies below it. The losses of the first steps may lie above the "
    "picture."
)
TIME = (
    "Time is what training steps took, compilation included. Evaluations, checkpoints and the "
    "time between starts of a run are left out"
)
FLOPS = "FLOPs are those of matrix products, by arithmetic, for whole batches"

Place = Callable[[Group, np.ndarray], np.ndarray]  # where steps of a group stand on the axis


@dataclasses.dataclass(frozen=True)
class Curve:
    """Losses of a group, see `curve_of`."""

    steps: np.ndarray  # int64 [points]
    mean: np.ndarray  # float64 [points], as are the other two
    lowest: np.ndarray
    highest: np.ndarray


@dataclasses.dataclass(frozen=True)
class Axis:
    """What losses are drawn against."""

    name: str  # in the name of the figure
    what: str  # in captions
    place: Place
    unit: Callable[[float], tuple[float, str]]  # scale and label, by the largest value


def section(groups: Sequence[Group]) -> Section:
    """Returns the curves of all runs."""
    dropout = ", with dropout" if any(each.first.has_dropout for each in groups) else ""
    return Section(
        title="Loss",
        paragraphs=(EXPLANATION.format(dropout=dropout),),
        notes=tuple(_notes(groups)),
        figures=tuple(_figure(groups, axis) for axis in AXES),
    )


def _notes(groups: Sequence[Group]) -> list[str]:
    """Returns whose held-out losses are missing."""
    return [note for each in groups if (note := _not_evaluated(each))]


def curve_of(points: Sequence[Sequence[TrainPoint | Evaluation]]) -> Curve:
    """Returns the curve of some runs' points: at each step over the runs that have come so far.

    Steps at which one of these has no point are left out, or the line would jump to and fro.

    Args:
        points: of each run, by step.
    """
    by_step = [{point.step: point.loss for point in run} for run in points]
    ends = [max(losses, default=0) for losses in by_step]
    found = {}
    for step in sorted(set().union(*by_step)):
        so_far = [losses for losses, end in zip(by_step, ends, strict=True) if step <= end]
        if all(step in losses for losses in so_far):
            found[step] = [losses[step] for losses in so_far]
    summaries = [(np.mean(each), min(each), max(each)) for each in found.values()]
    mean, lowest, highest = np.array(summaries, float).reshape(-1, 3).T
    return Curve(np.array(list(found), int), mean, lowest, highest)


def thinned(curve: Curve) -> Curve:
    """Returns a curve of `MAX_POINTS` at most: means of neighbours, at the last of their steps."""
    if len(curve.steps) <= MAX_POINTS:
        return curve
    edges = np.linspace(0, len(curve.steps), MAX_POINTS + 1).astype(int)
    starts, widths = edges[:-1], np.diff(edges)
    means = [np.add.reduceat(v, starts) / widths for v in (curve.mean, curve.lowest, curve.highest)]
    return Curve(curve.steps[edges[1:] - 1], *means)


def _seconds(group: Group, steps: np.ndarray) -> np.ndarray:
    """Returns the time up to each step: a step takes the mean of the runs that have come so far.

    The mean of their times would run backwards where a slow run ends and a fast one goes on.
    """
    grid = np.array(sorted({0, *(step for run in group.runs for step in _known_steps(run))}))
    taken = np.diff([run.seconds_at(grid) for run in group.runs], axis=1)
    has_come = np.array([grid[1:] <= run.step for run in group.runs])
    means = np.mean(taken, axis=0, where=has_come)
    return np.interp(steps, grid, np.cumsum([0.0, *means]))


def _known_steps(run: Run) -> list[int]:
    return [*(point.step for point in run.training), run.step]


def _steps_unit(largest: float) -> tuple[float, str]:
    return (1_000, "steps (thousands)") if largest >= 20_000 else (1, "steps")


def _time_unit(largest: float) -> tuple[float, str]:
    scale, name = quantities.seconds_scale(largest)
    return scale, f"training time ({name})"


def _flops_unit(largest: float) -> tuple[float, str]:
    scale, prefix = quantities.flops_scale(largest)
    return scale, f"training cost ({prefix}FLOP)"


AXES = (
    Axis("steps", "updates", lambda _, steps: steps.astype(float), _steps_unit),
    Axis("time", f"wall-clock. {TIME}", _seconds, _time_unit),
    Axis("flops", f"computation. {FLOPS}", lambda g, s: g.first.flops_at(s), _flops_unit),
)


def _figure(groups: Sequence[Group], axis: Axis) -> Figure:
    ends = [axis.place(each, np.array([each.step]))[0] for each in groups]
    scale, label = axis.unit(max(ends))
    entropies = {round(value, 4) for value in _entropies(groups)}
    with drawing.style():
        figure, axes = drawing.new_figure()
        for index, each in enumerate(groups):
            look = drawing.look(index)
            _draw(axes, each, look, lambda group, steps: axis.place(group, steps) / scale)
        for entropy in entropies:
            axes.axhline(entropy, label=ENTROPY, **drawing.THIN)
        axes.set(xlabel=label, ylabel="masked LM loss (nats)", ylim=loss_range(groups))
        axes.set_xlim(left=0)
        labels = [_label(each) for each in groups]
        drawing.add_legend(figure, labels, thin=ENTROPY if entropies else "")
    names = ", ".join(each.name for each in groups)
    return Figure(
        name=f"loss_by_{axis.name}",
        caption=f"Masked LM loss against {axis.what}.",
        alt=f"Curves of the masked LM loss of {names} against {axis.name}.",
        drawing=figure,
    )


def _label(group: Group) -> drawing.Label:
    """Returns the name, and says where the line is not that of the others."""
    is_held_out = bool(_held_out_curves(group))
    return drawing.Label(group.name if is_held_out else f"{group.name} (training)", is_held_out)


def _draw(axes: Axes, group: Group, look: Look, place: Place) -> None:
    """Draws the losses of a group: on held-out records over training, or training alone."""
    training = thinned(curve_of([run.training for run in group.runs]))
    held_out = _held_out_curves(group)
    if held_out:
        axes.plot(place(group, training.steps), training.mean, color=look.color, **drawing.PALE)
    parts = held_out or [training]
    steps = np.concatenate([part.steps for part in parts])
    if not len(steps):
        return  # of two seeds that log at other steps, and have just begun
    dots = {"marker": look.marker, "markevery": 1 + len(steps) // MAX_DOTS} if held_out else {}
    line = {"color": look.color, "linestyle": look.line, **dots}
    for part, label in zip(parts, [group.name, *[None] * len(parts)], strict=False):
        x = place(group, part.steps)
        axes.plot(x, part.mean, label=label, **line)
        if len(group.runs) > 1:
            axes.fill_between(x, part.lowest, part.highest, color=look.color, **drawing.BAND)
    ends = [span.end for span in group.first.plan.spans if span.end <= steps[-1]]
    heights = np.interp(ends, steps, np.concatenate([part.mean for part in parts]))
    axes.plot(place(group, np.array(ends)), heights, color=look.color, **drawing.TICK)


def _held_out_curves(group: Group) -> list[Curve]:
    """Returns a curve for each sequence length: losses of other records are no fall or rise."""
    lengths = dict.fromkeys(e.seq_length for run in group.runs for e in run.evaluations)
    found = [
        curve_of([[e for e in run.evaluations if e.seq_length == length] for run in group.runs])
        for length in lengths
    ]
    return [curve for curve in found if len(curve.steps)]


def _entropies(groups: Sequence[Group]) -> list[float]:
    return [
        e.unigram_entropy
        for each in groups
        for run in each.runs
        for e in comparison.held_out_records(run).values()
    ]


def loss_range(groups: Sequence[Group]) -> tuple[float, float]:
    """Returns the losses between which is drawn.

    The first losses fall from about ln(vocabulary size) in a few steps. They are left to leave the
    picture at its top, or they would squeeze what matters.
    """
    of_runs = [run for each in groups for run in each.runs]
    points = [(p, run) for run in of_runs for p in (*run.training, *run.evaluations)]
    late = [p.loss for p, run in points if p.step > EARLY_SHARE * run.plan.num_steps]
    late = (late or [p.loss for p, _ in points]) + _entropies(groups)
    lowest, highest = min(late), max(late)
    margin = 0.05 * (highest - lowest) or 0.05
    return lowest - margin, highest + margin


def _not_evaluated(group: Group) -> str:
    """Returns whose held-out losses are missing; "" where none are."""
    without = [run.folder for run in group.runs if not run.evaluations]
    if len(without) == len(group.runs):
        return f"{group.name} was not evaluated on held-out records: only training is drawn."
    return f"{', '.join(without)} has no held-out losses yet." if without else ""
