"""What a report is made of, before it becomes HTML and Markdown: sections as values."""

import dataclasses
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import matplotlib.figure

_NAME = re.compile("[a-z0-9_]{1,60}")


@dataclasses.dataclass(frozen=True)
class Table:
    """Cells of plain text, in which lines may end; the first column names the rows."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.header) for row in self.rows), self.header


@dataclasses.dataclass(frozen=True)
class Figure:
    """A drawing, and what is said of it."""

    name: str  # of its files: lower-case letters, digits and _, whatever the runs are called
    caption: str
    alt: str  # what it shows, for whoever does not see it
    drawing: "matplotlib.figure.Figure"
    is_wide: bool = False  # shown at its own size, which a narrow page scrolls

    def __post_init__(self) -> None:
        assert _NAME.fullmatch(self.name), self.name


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the report, in this order; all texts are plain."""

    title: str
    paragraphs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what to bear in mind; said on the terminal, too
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
