"""Reads documents from text files; plain text and WikiExtractor's output are told apart by looking.

A document is a list of lines; a line is a sentence or a paragraph, which `split_sentences` divides.
"""

import contextlib
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator

import blingfire
import tensorflow as tf

from mslt_tf.errors import UserError
from tfrecords_tools import embedded_corpus

Document = list[str]

EMBEDDED = "embedded"  # the --input that stands for the corpus every machine has
_CHUNK_BYTES = 1 << 22
_DOC_BEGIN = re.compile(r'<doc\s[^>]*?title="(?P<title>.*)"[^"]*>\s*$')
_DOC_END = "</doc>"


def list_input_files(patterns: str) -> list[str]:
    """Returns the files that comma-separated glob `patterns` match, sorted, none twice.

    Raises:
        UserError: a pattern matches no file, or its folder cannot be read.
    """
    files: set[str] = set()
    for pattern in filter(None, (part.strip() for part in patterns.split(","))):
        with reading(pattern):
            matches = [path for path in tf.io.gfile.glob(pattern) if not tf.io.gfile.isdir(path)]
        if not matches:
            raise UserError(
                f"--input names {pattern!r}, which matches no file. Give files or glob patterns, "
                f"separated by commas (quote them: the shell expands * too), or {EMBEDDED!r}."
            )
        files.update(matches)
    if not files:
        raise UserError(f"--input {patterns!r} names no file. Give files, or {EMBEDDED!r}.")
    return sorted(files)


def describe_input(patterns: str) -> dict[str, str | int]:
    """Returns what tells this input from another one, without reading it."""
    if patterns == EMBEDDED:
        return {"input_versions": embedded_corpus.describe_versions()}
    return {
        "input_files": len(list_input_files(patterns)),
        "input_bytes": count_bytes(patterns),
    }


def count_bytes(patterns: str) -> int:
    """Returns how many bytes `read_documents` will read."""
    if patterns == EMBEDDED:
        return sum(path.stat().st_size for _, path in embedded_corpus.list_sources())
    total = 0
    for path in list_input_files(patterns):
        with reading(path):
            total += tf.io.gfile.stat(path).length
    return total


def read_documents(
    patterns: str, *, advance: Callable[[int], None] = lambda num_bytes: None
) -> Iterator[Document]:
    """Yields the documents of an --input, in the order of the sorted file names.

    Args:
        patterns: see `list_input_files`, or "embedded".
        advance: is called with every number of bytes read.

    Raises:
        UserError: a file cannot be read, is not UTF-8 text or is JSON, or a <doc> block is broken.
    """
    if patterns == EMBEDDED:
        yield from embedded_corpus.read_documents(advance=advance)
        return
    for path in list_input_files(patterns):
        yield from read_file(path, advance=advance)


def read_file(
    path: str, *, advance: Callable[[int], None] = lambda num_bytes: None
) -> Iterator[Document]:
    """Yields the documents of one file; `advance` is called with every number of bytes read."""
    lines = _read_lines(path, advance=advance)
    head: list[str] = []
    for line in lines:
        head.append(line)
        if line.strip():
            break
    if head and _is_json_document(head[-1]):
        raise UserError(
            f'{path} begins with a JSON object that has a "text", as WikiExtractor --json writes '
            "them; it must be plain text or have <doc> blocks. Run WikiExtractor without --json."
        )
    is_wiki = bool(head) and _DOC_BEGIN.match(head[-1]) is not None

    def all_lines() -> Iterator[str]:
        yield from head
        yield from lines

    if is_wiki:
        yield from parse_wiki_extractor(all_lines(), path=path)
    else:
        yield from parse_plain_text(all_lines())


def _is_json_document(line: str) -> bool:
    if not line.lstrip().startswith("{"):
        return False
    try:
        return "text" in json.loads(line)
    except json.JSONDecodeError:
        return False


def parse_plain_text(lines: Iterable[str]) -> Iterator[Document]:
    """Yields the documents of plain text; blank lines end them. None is empty."""
    document: Document = []
    for line in lines:
        if line.strip():
            document.append(line)
        elif document:
            yield document
            document = []
    if document:
        yield document


def parse_wiki_extractor(lines: Iterable[str], *, path: str) -> Iterator[Document]:
    """Yields one document per <doc> block, without its title, so it can be empty.

    The title is the first line; it is no sentence, and BERT took "only the text passages".
    WikiExtractor writes &, < and > of the text as &amp;, &lt; and &gt;, which is undone.

    Raises:
        UserError: text stands outside the blocks, or a block has no end.
    """
    document: Document = []
    title: str | None = None  # of the open block
    for number, line in enumerate(lines, start=1):
        begin = _DOC_BEGIN.match(line)
        if title is None and begin is not None:
            title = html.unescape(begin["title"]).strip()
        elif title is None and line.strip():
            raise UserError(_broken_block(path, f"line {number} stands outside of one"))
        elif begin is not None:
            raise UserError(_broken_block(path, f"line {number} begins one inside another"))
        elif line.strip() == _DOC_END:
            yield _without_title(document, title)
            document, title = [], None
        elif line.strip():
            document.append(html.unescape(line))
    if title is not None:
        raise UserError(_broken_block(path, f"the last one, {title!r}, has no {_DOC_END}"))


def _without_title(document: Document, title: str | None) -> Document:
    starts_with_title = bool(document) and document[0].strip() == title
    return document[1:] if starts_with_title else document


def split_sentences(document: Document) -> list[str]:
    """Returns the sentences of a document's lines, each without line breaks, none empty."""
    sentences: list[str] = []
    for line in document:
        # blingfire keeps "Mr." and "J. R. R." whole. It gives up on NUL, C's end of a text.
        split = blingfire.text_to_sentences(line.replace("\0", " "))
        sentences.extend(sentence for sentence in split.split("\n") if sentence.strip())
    return sentences


def _broken_block(path: str, what: str) -> str:
    return (
        f"{path} begins with a <doc> block of WikiExtractor's, but {what}. All text must stand in "
        f"<doc ...> ... {_DOC_END}. The file may be cut off: extract it anew."
    )


@contextlib.contextmanager
def reading(path: str) -> Iterator[None]:
    """Turns TensorFlow's errors about the file at `path` into a UserError."""
    try:
        yield
    except tf.errors.OpError as error:
        raise UserError(
            f"{path} cannot be read: {error.message}. It must be a file that is there and that "
            "you may read: mend or remove it, or give another."
        ) from error


def _read_lines(path: str, *, advance: Callable[[int], None]) -> Iterator[str]:
    """Yields the lines of a UTF-8 file without their ends, in bounded memory for sane lines."""
    offset = 0  # bytes before `rest`
    rest = b""
    with reading(path), tf.io.gfile.GFile(path, "rb") as file:
        while True:
            chunk = file.read(_CHUNK_BYTES)
            advance(len(chunk))
            data = rest + chunk
            # A line end is one byte in UTF-8, so a cut behind it never splits a character.
            cut = data.rfind(b"\n") + 1 if chunk else len(data)
            text = _decode(data[:cut], path=path, offset=offset)
            if offset == 0:
                text = text.removeprefix("\ufeff")  # the byte order mark of Windows editors
            if text:
                for line in text.removesuffix("\n").split("\n"):
                    yield line.removesuffix("\r")
            rest = data[cut:]
            offset += cut
            if not chunk:
                return


def _decode(data: bytes, *, path: str, offset: int) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        position = offset + error.start
        raise UserError(
            f"{path} is not UTF-8 text: byte {position:,} is 0x{data[error.start]:02x} "
            f"({error.reason}). Convert it, e.g. iconv -f LATIN1 -t UTF-8, or leave it out."
        ) from error
