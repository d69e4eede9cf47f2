"""A report as one HTML file that needs nothing else: no script, no network, light and dark."""

import html
from collections.abc import Iterator, Mapping, Sequence
from xml.etree import ElementTree

from mslt_tf.analysis import drawing
from mslt_tf.analysis.section import Figure, Section, Table

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2933; --soft: #5a6472; --line: #d5dae1; --paper: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ee; --soft: #a9b2bf; --line: #3a424d; --paper: #14181d; }
}
body { margin: 0 auto; max-width: 60rem; padding: 1rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.2; }
h2 { font-size: 1.25rem; margin-top: 2.5rem; border-top: 1px solid var(--line);
  padding-top: 1rem; }
p { max-width: 44rem; }
.made, figcaption { color: var(--soft); font-size: .9rem; }
figure { margin: 1.5rem 0; }
figcaption { max-width: 38rem; }
figure svg { display: block; color: var(--ink); }
figure > svg { width: 100%; max-width: 38rem; height: auto; }
.wide { overflow-x: auto; margin: 1.5rem 0; }
table { border-collapse: separate; border-spacing: 0; width: max-content; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
caption { position: sticky; left: 0; max-width: min(44rem, 100vw - 2rem); text-align: left;
  color: var(--soft); padding-bottom: .4rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .9rem .35rem 0;
  border-bottom: 1px solid var(--line); }
td { white-space: nowrap; }
tbody th { max-width: 16rem; overflow-wrap: anywhere; }
thead th { vertical-align: bottom; min-width: 4.5rem; max-width: 9rem; }
th:first-child { position: sticky; left: 0; background: var(--paper); }
@media (max-width: 40rem) {
  thead th { white-space: nowrap; max-width: none; }
  tbody th { max-width: 8rem; }
}
"""


def page(title: str, made: str, sections: Sequence[Section], svgs: Mapping[str, bytes]) -> str:
    """Returns the whole page.

    Args:
        title: its heading.
        made: when and by what it was made.
        sections: what it holds.
        svgs: the figures, by name, as `drawing.svg` returns them.
    """
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        '<head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{html.escape(title)}</title>",
        f"<style>{_STYLE}</style></head>",
        "<body>",
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="made">{html.escape(made)}</p>',
        *(part for section in sections for part in _section(section, svgs)),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _section(section: Section, svgs: Mapping[str, bytes]) -> Iterator[str]:
    yield f"<h2>{html.escape(section.title)}</h2>"
    yield from (f"<p>{html.escape(text)}</p>" for text in (*section.paragraphs, *section.notes))
    for figure in section.figures:
        yield f"<figure>{_drawing(svgs[figure.name], figure)}"
        yield f"<figcaption>{html.escape(figure.caption)}</figcaption></figure>"
    yield from (_table(table) for table in section.tables)


def _drawing(svg: bytes, figure: Figure) -> str:
    element = inline_svg(svg, figure)
    return f'<div class="wide" tabindex="0">{element}</div>' if figure.is_wide else element


def _table(table: Table) -> str:
    header = "".join(f'<th scope="col">{_cell(text)}</th>' for text in table.header)
    rows = "\n".join(f"<tr>{_cells(row)}</tr>" for row in table.rows)
    return (
        f'<div class="wide" tabindex="0"><table><caption>{html.escape(table.caption)}</caption>\n'
        f"<thead><tr>{header}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
    )


def _cells(row: Sequence[str]) -> str:
    first, *others = map(_cell, row)
    return f'<th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in others)


def _cell(text: str) -> str:
    return "<br>".join(map(html.escape, text.split("\n")))


def inline_svg(svg: bytes, figure: Figure) -> str:
    """Returns a figure as an element of the page, in the colour of its text.

    Its ids begin with the figure's name, as those of all figures are in one document.
    """
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(svg)
    root[:] = [element for element in root if element.tag != f"{{{_SVG}}}metadata"]
    for element in root.iter():
        for name, value in element.attrib.items():
            element.set(name, _attribute(name, value, f"{figure.name}_"))
    root.set("role", "img")
    root.set("aria-label", figure.alt)
    return ElementTree.tostring(root, encoding="unicode")


def _attribute(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return prefix + value
    value = value.replace("url(#", f"url(#{prefix}").replace(drawing.INK, "currentColor")
    is_reference = name.rpartition("}")[2] == "href" and value.startswith("#")
    return f"#{prefix}{value[1:]}" if is_reference else value
