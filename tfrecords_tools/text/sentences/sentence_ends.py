r"""Where sentences end in the scripts that blingfire does not know.

blingfire knows the ends of Latin, Cyrillic and Greek text: . ! ? and a blank. What ends sentences
elsewhere mostly needs no blank, and is no part of anything else.
"""

import re
from typing import Literal

SentenceSplitting = Literal["auto", "line"]

# Unicode's property Sentence_Terminal, and Tibetan's shad, which has only Terminal_Punctuation;
# without LATIN_ENDS. The content of a character class of `re`, in the order of code points.
SENTENCE_ENDS = (
    "\u0589\u061d-\u061f\u06d4\u0700-\u0702\u07f9\u0837\u0839\u083d\u083e\u0964\u0965"
    "\u0f0d-\u0f12\u104a\u104b\u1362\u1367\u1368\u166e\u1735\u1736\u17d4\u17d5\u1803\u1809"
    "\u1944\u1945\u1aa8-\u1aab\u1b4e\u1b4f\u1b5a\u1b5b\u1b5e\u1b5f\u1b7d-\u1b7f\u1c3b\u1c3c"
    "\u1c7e\u1c7f\u2047\u2cf9-\u2cfb\u2e2e\u2e3c\u2e53\u2e54\u2e60\u2e61\u3002\ua4ff\ua60e\ua60f"
    "\ua6f3\ua6f7\ua876\ua877\ua8ce\ua8cf\ua92f\ua9c8\ua9c9\uaa5d-\uaa5f\uaaf0\uaaf1\uabeb\ufe12"
    "\ufe15\ufe16\ufe52\ufe56\ufe57\uff01\uff0e\uff1f\uff61\U00010a56\U00010a57"
    "\U00010f55-\U00010f59\U00010f86-\U00010f89\U00011047\U00011048\U000110be-\U000110c1"
    "\U00011141-\U00011143\U000111c5\U000111c6\U000111cd\U000111de\U000111df\U00011238\U00011239"
    "\U0001123b\U0001123c\U000112a9\U000113d4\U000113d5\U0001144b\U0001144c\U000115c2\U000115c3"
    "\U000115c9-\U000115d7\U00011641\U00011642\U0001173c-\U0001173e\U00011944\U00011946\U00011a42"
    "\U00011a43\U00011a9b\U00011a9c\U00011c41\U00011c42\U00011ef7\U00011ef8\U00011f43\U00011f44"
    "\U00016a6e\U00016a6f\U00016af5\U00016b37\U00016b38\U00016b44\U00016d6e\U00016d6f\U00016e98"
    "\U0001bc9f\U0001da88"
)
# Sentence_Terminal too, but ends in some places only: see blingfire, and _HAN.
LATIN_ENDS = "!.?\u2024\u203c\u203d\u2048\u2049"
# Of SENTENCE_ENDS, those that stand in numbers and times as well.
_IN_NUMBERS = "\u0589\u06d4\ufe52\uff0e"
_CLOSING = (
    "')\\]\u00bb\u2019\u201d\u203a\u3009\u300b\u300d\u300f\u3011\u3015\u3017"
    "\ufe42\ufe44\uff09\uff3d\uff63"
)
_OPENING = '\u201c\u2018\u300c\u300e\u00ab(\\["\u3010\u300a\u3008\u3014\uff08\uff3b\uff62'
_GOES_ON = ",:;\u060c\u061b\u3001\uff0c\uff1a\uff1b"  # commas and the like
_HAN = "\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # and kana

# Text that holds none of this holds nothing for us to find. Wide, as few ranges are found faster.
_OTHER_SCRIPT = re.compile(
    "[\u0589-\u10ff\u1200-\u1dff\u2047\u2cf9-\u2cfb\u2e2e-\ud7ff\uf900-\ufdff\ufe10-\ufe6f"
    "\uff01-\uffef\U00010800-\U0003ffff]"
)
_END = re.compile(
    # Several ends are one, and so is a number between them: that of a verse.
    rf"(?:(?![{_IN_NUMBERS}](?<=\d.)\d)[{SENTENCE_ENDS}]"
    # Where no blanks stand between words, . ! ? need none either.
    rf"|(?<=[{_HAN}])[{LATIN_ENDS}]+(?=[{_CLOSING}\"]*\s*[{_OPENING}]*[{_HAN}]))"
    rf"(?:[{LATIN_ENDS}\u2026]|[\s\d]*+[{SENTENCE_ENDS}])*+[{_CLOSING}]*+"
    rf"(?![{_GOES_ON}])"
)
_WORD = re.compile(r"\w")


def has_other_script(text: str) -> bool:
    """Returns whether there is anything in it that is neither Latin, Cyrillic, Greek nor a sign."""
    return not text.isascii() and _OTHER_SCRIPT.search(text) is not None


def cut_at_ends(line: str) -> list[tuple[str, str]]:
    """Returns pairs: a sentence, and its end with closing quotes and brackets; all is the line.

    What has no end is last. What has no letter or digit is no sentence of its own.

    >>> cut_at_ends("“好。”他走了。")
    [('“好', '。”'), ('他走了', '。')]
    """
    cut: list[tuple[str, str]] = []
    begin = seen = num_quotes = 0
    for match in _END.finditer(line):
        has_word = _WORD.search(line, seen, match.start())
        seen = match.end()
        if not has_word:
            continue
        end = match.end()
        num_quotes += line.count('"', begin, match.start())
        if num_quotes % 2 and line.startswith('"', end):  # it closes what an odd one opened
            end, num_quotes = end + 1, num_quotes + 1
        cut.append((line[begin : match.start()], line[match.start() : end]))
        begin = end
    rest = line[begin:]
    if _WORD.search(rest):
        cut.append((rest, ""))
    elif cut:
        cut[-1] = (cut[-1][0], cut[-1][1] + rest)
    else:
        cut.append(("", rest))
    return cut
