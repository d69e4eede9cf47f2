"""How a line of text looks: whether anything of it is seen, how wide it is, where sentences end."""

import re
import unicodedata

from tfrecords_tools.text.sentences.sentence_ends import LATIN_ENDS, SENTENCE_ENDS

# The end of a sentence, or what closes the quotation or the brackets behind it.
_SENTENCE_END = re.compile(
    rf"[{LATIN_ENDS}{SENTENCE_ENDS}\u2026:\"'\u2019\u201d\u00bb)\]\uff09\u300d\u300f\u300b\u3011]\Z"
)

# White space, controls and what Unicode calls default ignorable: nothing of it is seen.
_INVISIBLE = "".join(
    chr(code)
    for begin, end in (
        (0x00, 0x20),  # controls, blank
        (0x7F, 0xA0),  # more controls, with NEL; no-break space
        (0xAD, 0xAD),  # soft hyphen
        (0x34F, 0x34F),
        (0x61C, 0x61C),
        (0x115F, 0x1160),
        (0x1680, 0x1680),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x2000, 0x200F),  # spaces; zero width space and joiners
        (0x2028, 0x202F),  # line and paragraph separators; directions
        (0x205F, 0x206F),  # word joiner
        (0x2800, 0x2800),  # Braille without a dot
        (0x3000, 0x3000),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFEFF, 0xFEFF),  # byte order mark, also where two files were joined
        (0xFFA0, 0xFFA0),
        (0xFFF0, 0xFFF8),
    )
    for code in range(begin, end + 1)
)

# Scripts that put no blank between words, and what stands between their letters.
_WITHOUT_BLANKS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x9FFF),  # Chinese, Japanese; not Korean
    (0xF900, 0xFAFF),
    (0xFF00, 0xFFEF),
    (0x20000, 0x3FFFF),
)


def is_blank(line: str) -> bool:
    """Returns whether nothing of a line is seen: white space, zero width spaces and the like."""
    if "!" <= line[:1] <= "~":  # nearly all lines, in far less time
        return False
    return not line.strip(_INVISIBLE)


def ends_sentence(line: str) -> bool:
    """Returns whether a line may be the end of a sentence, in any script.

    >>> ends_sentence('he said."'), ends_sentence("।"), ends_sentence("and")
    (True, True, False)
    """
    return _SENTENCE_END.search(line[-1:]) is not None


def width(line: str) -> int:
    """Returns how many columns a line takes where letters are of one width.

    >>> width("abc"), width("中文"), width("กี่")
    (3, 4, 1)
    """
    if line.isascii():
        return len(line)
    return sum(map(_character_width, line))


def join_wrapped(lines: list[str]) -> str:
    """Returns the paragraph of some lines: a blank between them where their script has blanks.

    >>> join_wrapped(["one", "two"]), join_wrapped(["中文", "文字"])
    ('one two', '中文文字')
    """
    text = lines[0]
    parts = [text]
    for line in lines[1:]:
        has_blank = not (_is_without_blanks(text[-1]) and _is_without_blanks(line[0]))
        parts.append(f" {line}" if has_blank else line)
        text = line
    return "".join(parts)


def _character_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _is_without_blanks(character: str) -> bool:
    code = ord(character)
    return code >= _WITHOUT_BLANKS[0][0] and any(
        begin <= code <= end for begin, end in _WITHOUT_BLANKS
    )
