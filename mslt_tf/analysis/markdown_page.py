"""A report as Markdown, its figures as PNG files beside it."""

import re
from collections.abc import Iterator, Sequence

from mslt_tf.analysis.section import Section, Table

_SPECIAL = re.compile(r"(^[#+=-](?=.)|[\\`*_\[\]<>|~$&])")


def page(title: str, made: str, sections: Sequence[Section], *, figures: str) -> str:
    """Returns the whole page.

    Args:
        title: its heading.
        made: when and by what it was made.
        sections: what it holds.
        figures: the folder of the figures, beside the page.
    """
    blocks = [f"# {escape(title)}", escape(made)]
    for section in sections:
        blocks += [f"## {escape(section.title)}", *map(escape, section.paragraphs + section.notes)]
        for figure in section.figures:
            blocks.append(f"![{escape(figure.alt)}]({figures}/{figure.name}.png)")
            blocks.append(escape(figure.caption))
        for table in section.tables:
            blocks += [escape(table.caption), "\n".join(_rows(table))]
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    r"""Returns a text, in one line, that Markdown shows as it is.

    >>> escape("a|b <i>")
    'a\\|b \\<i\\>'
    """
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _rows(table: Table) -> Iterator[str]:
    for index, row in enumerate((table.header, *table.rows)):
        yield f"| {' | '.join(map(_cell, row))} |"
        if not index:
            yield f"|{'---|' * len(row)}"


def _cell(text: str) -> str:
    return "<br>".join(map(escape, text.split("\n")))
