"""How figures look: one style for all, and their bytes as PNG and SVG.

Uses matplotlib's objects and none of its global state, so that no display is needed.
"""

import contextlib
import dataclasses
import io
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

# Of lines and letters. The page puts the colour of its own text in its place, light or dark.
INK = "#5a6472"
# Told apart by colour-blind eyes (after Okabe and Ito), and seen on white and on black.
_COLORS = ("#0079c2", "#d55e00", "#009e73", "#c8609a", "#8f7a00", "#7b6fd6")
_LINES = ("-", "--", "-.", (0, (1, 1)))
_MARKERS = ("o", "s", "^", "D", "v", "P")
_LEGEND_WIDTH = 30  # letters; two such columns are as wide as a figure

PALE: dict[str, Any] = {"linewidth": 1, "alpha": 0.45, "zorder": 1}
BAND: dict[str, Any] = {"alpha": 0.2, "linewidth": 0, "zorder": 1}
TICK: dict[str, Any] = {"linestyle": "none", "marker": "|", "markersize": 14, "zorder": 3}
THIN: dict[str, Any] = {"color": INK, "linewidth": 0.8, "linestyle": ":", "zorder": 0}

_STYLE: dict[str, Any] = {
    "figure.figsize": (5.4, 3.9),
    "figure.constrained_layout.use": True,
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.15,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "legend.handlelength": 2.8,
    "lines.linewidth": 1.8,
    "lines.markersize": 3.5,
    "text.parse_math": False,  # names of runs may hold dollar signs
    "svg.fonttype": "none",  # letters stay letters, in the fonts of whoever looks
    "svg.hashsalt": "mslt_tf",  # the same figure gives the same bytes
    "savefig.transparent": True,
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK
    ),
    "grid.color": INK,
}


@dataclasses.dataclass(frozen=True)
class Look:
    """What tells a line from the others, in colour and without."""

    color: str
    line: Any  # as matplotlib's `linestyle` takes it
    marker: str


@dataclasses.dataclass(frozen=True)
class Label:
    """What the legend says of a line."""

    text: str
    has_dots: bool


def look(index: int) -> Look:
    """Returns the look of a run, by its place among the runs."""
    return Look(
        _COLORS[index % len(_COLORS)],
        _LINES[index % len(_LINES)],
        _MARKERS[index % len(_MARKERS)],
    )


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Sets the style of what is drawn within, whatever the user's own settings are."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Letters that the font of PNGs lacks are boxes there; in the SVG they are right.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def new_figure() -> tuple[Figure, Axes]:
    """Returns a figure of the usual size with one pair of axes; within `style`."""
    figure = Figure()
    return figure, figure.add_subplot()


def add_legend(figure: Figure, labels: Sequence[Label], *, thin: str = "") -> None:
    """Names the lines above the axes, where they hide nothing; within `style`.

    Args:
        figure: with one pair of axes.
        labels: of the runs, in the order of their looks.
        thin: of a line that is `THIN`; "" without one.
    """
    lines = [_line(look(index), label) for index, label in enumerate(labels)]
    if thin:
        lines.append(Line2D([], [], **THIN))
    # Given one by one: matplotlib leaves out by itself what begins with "_".
    names = [*(_broken(label.text) for label in labels), thin]
    figure.legend(lines, names[: len(lines)], loc="outside upper left", ncols=2)


def _broken(text: str) -> str:
    # Spaces stay, as they may be all that tells two names apart.
    return "\n".join(textwrap.wrap(text, _LEGEND_WIDTH, drop_whitespace=False))


def _line(its_look: Look, label: Label) -> Line2D:
    marker = its_look.marker if label.has_dots else ""
    return Line2D([], [], color=its_look.color, linestyle=its_look.line, marker=marker)


def png(figure: Figure) -> bytes:
    """Returns a figure as PNG, on white."""
    return _saved(figure, format="png", dpi=160, transparent=False, facecolor="white")


def svg(figure: Figure) -> bytes:
    """Returns a figure as SVG, without a background."""
    return _saved(figure, format="svg", metadata={"Date": None, "Creator": None})


def _saved(figure: Figure, **options: Any) -> bytes:
    content = io.BytesIO()
    with style():
        figure.savefig(content, **options)
    return content.getvalue()
