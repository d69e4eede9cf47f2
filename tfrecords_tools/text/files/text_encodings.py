"""In which encoding a text is written, by its first bytes; and UTF-8 out of it, as a stream."""

import codecs
import unicodedata
from collections.abc import Iterator

from tfrecords_tools.text.read_report import Leniency

UTF_8 = "utf-8"
# UTF-32 first: one of its marks begins with one of UTF-16's.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WITHOUT_MARK = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
_MIN_SHARE_OF_CONTROLS = 0.2  # among the bytes of letters in UTF-16, if all are valid UTF-8
_MAX_BYTES_IN = 1 << 19  # decoded at once: three bytes of UTF-8 may come of two of UTF-16


def find_encoding(head: bytes) -> str:
    """Returns "utf-16" or "utf-32" if a text begins with their mark, else "utf-8"."""
    return next((name for mark, name in _MARKS.items() if head.startswith(mark)), UTF_8)


def find_unmarked_encoding(head: bytes) -> str:
    """Returns the encoding of which a text without byte order mark seems to be, e.g. "utf-16-le".

    Returns:
        "" unless there are zero bytes, and all of the text is readable in that encoding.
    """
    if b"\0" not in head or _is_utf8_with_few_controls(head):
        return ""
    # Latin letters in the wrong order of bytes are rare Chinese ones; so blanks and such decide.
    found = {name: _num_common(head, name) for name in _WITHOUT_MARK}
    best = max(found, key=found.__getitem__)
    return best if found[best] >= 0 else ""


def to_utf8(
    chunks: Iterator[bytes], encoding: str, *, path: str, leniency: Leniency
) -> Iterator[bytes]:
    """Yields a text in UTF-8, in chunks of at most 1 MiB, without its byte order mark.

    Args:
        chunks: of the text, in `encoding`.
        encoding: "utf-16" or "utf-32", of which the text has the mark.
        path: the file, for messages.
        leniency: hears of a text that is cut off or no such text; the rest is left out then.

    Raises:
        UserError: the text is none in that encoding, and leniency has none for it.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    num_read = 0
    try:
        for chunk in chunks:
            for begin in range(0, len(chunk), _MAX_BYTES_IN):
                yield decoder.decode(chunk[begin : begin + _MAX_BYTES_IN]).encode()
            num_read += len(chunk)
        decoder.decode(b"", final=True)
    except UnicodeError as error:
        reason = getattr(error, "reason", error)
        leniency.skip_rest(
            f"{path} is no whole {encoding.upper()} text, as its byte order mark says: {reason}, "
            f"within the 1 MiB from byte {num_read:,} on. It may be cut off: get it anew, or "
            "convert it to UTF-8."
        )


def _is_utf8_with_few_controls(head: bytes) -> bool:
    """Returns whether zero bytes are strays in a text, not every second byte of its letters."""
    try:
        codecs.getincrementaldecoder(UTF_8)().decode(head)
    except UnicodeDecodeError:
        return False
    return sum(byte < ord(" ") for byte in head) < _MIN_SHARE_OF_CONTROLS * len(head)


def _num_common(head: bytes, encoding: str) -> int:
    """Returns how many blanks, line ends and ASCII letters there are; -1 for what is no text."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)  # its end may be cut
    except UnicodeDecodeError:
        return -1
    if not text or not all(map(_is_of_text, text)):
        return -1
    return sum(character.isascii() for character in text)


def _is_of_text(character: str) -> bool:
    if character.isprintable() or character in "\t\n\r\f\v\x85":
        return True
    return unicodedata.category(character) in ("Cf", "Zs", "Zl", "Zp")
