"""Pictures of attention: maps with tokens as labels, and all heads of a model by a number each."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from mslt_tf.analysis import drawing
from mslt_tf.analysis.attention.patterns import NEAR, Patterns
from mslt_tf.analysis.attention.snapshots import Snapshot
from mslt_tf.report_settings import Head

SIDE, LABELS = 2.5, 0.8  # inches of a map, and of the tokens beside it
WIDTH = 5.4  # inches of other pictures, as of all figures of the report
POINTS = 72  # in an inch
MAX_TITLE = 32  # characters, or it would reach over the map beside it
SMALLEST, LARGEST = 5.0, 8.0  # points of a token's letters

AXES = (
    "Rows of a map are the tokens that gather, columns those that they gather from; darker is more."
)
# By its square root: shares of a tenth are to be seen beside those of nearly all.
_SCALE: dict[str, Any] = {"cmap": "Blues", "norm": PowerNorm(0.5, vmin=0, vmax=1)}
_TICKS = (0, 0.05, 0.2, 0.5, 1)


@dataclasses.dataclass(frozen=True)
class Panel:
    """A head's map, or an empty place where a model has no such head."""

    title: str
    map: np.ndarray | None  # [tokens that attend, tokens attended to]


def panel_of(title: str, snapshot: Snapshot | None, head: Head) -> Panel:
    """Returns a head's map of the first sentence; an empty place where there is none."""
    if snapshot is None or head.layer >= snapshot.num_layers or head.head >= snapshot.num_heads:
        return Panel(title, None)
    return Panel(title, snapshot.maps[0][head.layer, head.head])


def draw_maps(rows: Sequence[Sequence[Panel]], tokens: Sequence[str]) -> Figure:
    """Returns maps in rows and columns, the tokens that attend from top to bottom."""
    num_rows, num_columns = len(rows), len(rows[0])
    size = (num_columns * SIDE + LABELS, num_rows * (SIDE + 0.25) + LABELS + 0.8)
    with drawing.style():
        figure = Figure(figsize=size)
        grid = figure.subplots(num_rows, num_columns, squeeze=False, sharex=True, sharey=True)
        for panels, row in zip(rows, grid, strict=True):
            for panel, axes in zip(panels, row, strict=True):
                _draw_map(axes, panel)
        _label_tokens(grid[-1, 0], tokens, inches=0.95 * SIDE)
        _add_scale(figure, grid, "share of attention")
    return figure


def draw_patterns(patterns: Patterns) -> Figure:
    """Returns the shares on [CLS], [SEP] and near tokens of all heads, the lowest layer below."""
    shares = {
        "on [CLS]": patterns.cls,
        "on [SEP]": patterns.sep,
        f"within {NEAR} positions": patterns.near,
    }
    num_layers, num_heads = patterns.cls.shape
    height = min(max(0.3 * num_layers, 1.5), 4.0)
    with drawing.style():
        figure = Figure(figsize=(WIDTH, height + 1.2))
        grid = figure.subplots(1, len(shares), squeeze=False, sharey=True)
        for (title, values), axes in zip(shares.items(), grid[0], strict=True):
            _draw_image(axes, values, origin="lower", aspect="auto")
            axes.set_title(title, fontsize=10)
            axes.set(xlabel="head", xticks=_places(num_heads), yticks=_places(num_layers))
        grid[0, 0].set_ylabel("layer")
        _add_scale(figure, grid, "share of attention, mean over tokens")
    return figure


def _draw_map(axes: Axes, panel: Panel) -> None:
    is_short = len(panel.title) <= MAX_TITLE
    axes.set_title(panel.title if is_short else f"{panel.title[: MAX_TITLE - 3]}...", fontsize=9)
    axes.grid(False)
    if panel.map is None:
        axes.text(0.5, 0.5, "not there", transform=axes.transAxes, ha="center", va="center")
    else:
        _draw_image(axes, panel.map)


def _draw_image(axes: Axes, values: np.ndarray, **options: Any) -> None:
    axes.imshow(values, interpolation="none", **_SCALE, **options)
    axes.grid(False)


def _label_tokens(axes: Axes, tokens: Sequence[str], *, inches: float) -> None:
    """Writes tokens along both axes, which all maps share; of many, every second or fewer."""
    room = POINTS * inches / len(tokens)
    every = math.ceil(SMALLEST / room)
    size = min(max(room * every * 0.9, SMALLEST), LARGEST)
    places = range(0, len(tokens), every)
    shown = [tokens[place] for place in places]
    axes.set_xticks(places, shown)
    axes.set_yticks(places, shown)
    for each in axes.figure.axes:
        each.tick_params(labelsize=size, length=1.5, pad=1.5)
        each.tick_params(axis="x", labelrotation=90)


def _add_scale(figure: Figure, grid: np.ndarray, label: str) -> None:
    """Adds the one scale of colours below all pictures of a figure."""
    scale = ScalarMappable(**_SCALE)
    places = list(grid.flat)
    bar = figure.colorbar(scale, ax=places, location="bottom", fraction=0.05, aspect=40, pad=0.02)
    bar.set_ticks(_TICKS, labels=[f"{tick:g}" for tick in _TICKS])
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.ax.grid(False)


def _places(number: int) -> list[int]:
    """Returns where an axis of layers or heads is labelled: six places at most."""
    return list(range(0, number, math.ceil(number / 6)))
