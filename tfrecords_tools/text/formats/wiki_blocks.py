"""WikiExtractor's <doc> blocks."""

import html
from collections.abc import Iterable, Iterator

from tfrecords_tools.text.formats.line_layout import is_blank
from tfrecords_tools.text.formats.text_formats import Document, DocumentBuilder, line_name
from tfrecords_tools.text.read_report import Leniency

DOC_BEGIN = "<doc "
_DOC_END = "</doc>"
_TITLE = 'title="'


def doc_title(line: str) -> str | None:
    """Returns the title of a line `<doc ... title="TITLE" ...>`, None of any other line.

    A title may hold quotes, so its end is the last one. (A regular expression says the same in
    fewer words, but may take minutes for a line that was made to annoy it.)
    """
    if not line.startswith(DOC_BEGIN):
        return None
    begin = line.find(_TITLE)
    end = line.rfind('"')
    if begin < 0 or end < begin + len(_TITLE) or ">" in line[:begin]:
        return None
    if not line[end + 1 :].rstrip().endswith(">"):
        return None
    return html.unescape(line[begin + len(_TITLE) : end]).strip()


def parse_wiki_blocks(
    lines: Iterable[str], *, path: str, leniency: Leniency, begin: int = 0
) -> Iterator[Document]:
    """Yields one document per <doc> block, without its title, so it can be empty.

    The title is the first line; it is no sentence, and BERT took "only the text passages".
    WikiExtractor writes &, < and > of the text as &amp;, &lt; and &gt;, which is undone.

    Args:
        lines: of the file, from byte `begin` on.
        path: the file, for messages.
        leniency: hears of broken blocks; the rest of the lines is left out then.
        begin: the place of the first line in the file, in bytes; for messages.

    Raises:
        UserError: text stands outside the blocks, or a block has no end; and leniency has none.
    """
    block = _Block(leniency)
    for number, line in enumerate(lines, start=1):
        if not is_blank(line):
            finished = block.take(line)
            if finished is not None:
                yield finished
            if block.mistake:
                what = f"{line_name(number, begin)} {block.mistake}"
                is_first = not begin and not block.num_begun
                leniency.skip_rest((_no_blocks if is_first else _broken_block)(path, what))
                break
    if block.title is not None and not leniency.broken:
        what = f"the last one, {block.title!r}, has no {_DOC_END}"
        leniency.skip_rest(_broken_block(path, what))
    if block.document:  # of a block without an end
        yield block.document.finish()


class _Block:
    """The open block, if any.

    Attributes:
        title: of it; None between two blocks.
        document: its lines so far.
        num_begun: how many blocks began.
        mistake: what is wrong with the line that was taken last, or "".
    """

    def __init__(self, leniency: Leniency) -> None:
        self.title: str | None = None
        self.document = DocumentBuilder(leniency)
        self.num_begun = 0
        self.mistake = ""
        self._is_at_begin = False

    def take(self, line: str) -> Document | None:
        """Takes a line that is not blank; returns the document, or the part of it, that it ends."""
        title = doc_title(line)
        if self.title is None:
            self.title, self._is_at_begin = title, True
            self.num_begun += title is not None
            if title is None:
                self.mistake = "stands outside of one"
            return None
        if title is not None:
            self.mistake = "begins one inside another"
            return None
        if _DOC_END in line and line.strip() == _DOC_END:
            self.title = None
            return self.document.finish()
        text = html.unescape(line).replace("\n", " ") if "&" in line else line
        is_title = self._is_at_begin and text.strip() == self.title
        self._is_at_begin = False
        return None if is_title else self.document.add(text)


def _no_blocks(path: str, what: str) -> str:
    return (
        f"{path} is to be read as <doc> blocks of WikiExtractor's, but {what}: it begins with "
        "none. Give the kind of text that it is by --text_format, or leave that flag out."
    )


def _broken_block(path: str, what: str) -> str:
    return (
        f"{path} is read as <doc> blocks of WikiExtractor's, but {what}. All text must stand in "
        f"<doc ...> ... {_DOC_END}. The file may be cut off: extract it anew; or it is another "
        "kind of text: see --text_format."
    )
