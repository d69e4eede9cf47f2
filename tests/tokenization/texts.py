"""Texts of many scripts, and what may be done to their letters."""

import itertools
import sys
import unicodedata

import pytest

from mslt_tf.text_case import TextCase
from tests import real_text

KINDS = {
    "uncased": TextCase(do_lower_case=True, strip_accents=True),
    "cased": TextCase(do_lower_case=False, strip_accents=False),
    "accents_kept": TextCase(do_lower_case=True, strip_accents=False),
    "accents_stripped": TextCase(do_lower_case=False, strip_accents=True),
}
every_kind = pytest.mark.parametrize("kind", KINDS)
# Where a character stands in a text. A capital sigma's lower case depends on what follows it.
BETWEEN_LETTERS, BEHIND_SIGMA = "a{}B", "\u0391\u03a3{}\u0391"
PLACES = ("{}", BETWEEN_LETTERS, BEHIND_SIGMA, "a {} \u0301b", "-{0}{0}\u4e2d")


def code_points(ranges):
    """Returns the characters of e.g. "2C2F A7C0-A7C1"."""
    ends = [[int(end, 16) for end in part.split("-")] for part in ranges.split()]
    return frozenset(chr(code) for end in ends for code in range(end[0], end[-1] + 1))


LANGUAGES = ("en", "de", "zh", "hi", "th")
ODD_TEXTS = (
    "",
    " ",
    "\u00c9l\u00e8ve na\u00efve \u00c5ngstr\u00f6m \u0130stanbul \u1e9e \ufb01n \u01c5",
    "\u039f\u0394\u039f\u03a3 \u03a3\u0391\u03a3. \u0391\u03a3\u0301\u0391 \u03a3 \u0391'\u03a3'",
    "\u4e2d\u6587abc\u5b57 \u3042\u30ab\u30ca \uac00\uac01 \U00020000x",
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 a\u2764\ufe0fb \U0001f1e9\U0001f1ea",
    "\ue000x \uf8ffy \U000f0000 \u0378a \U0003fffe \ufdd0",
    "a\x00b\x07c\x0bd\x0ce\x85f\x1cg\u200bh\u00adi\ufeffj\ufffdk",
    "a\u2028b\u00a0c\td\r\ne\u3000f\u1680g",
    "\uff0c\uff08x\uff09 \u2026 \u00b2 \u2122 $5 a^b `c` \u061d \u2e52",
    "x" * 200 + " " + "y" * 201 + " " + "a" * 100 + " " + "b" * 5_000,
    "\u00e9" * 200 + " " + "\u0e01" * 201,
)


def differences(texts, found, expected):
    return [(text, f, e) for text, f, e in zip(texts, found, expected, strict=True) if f != e]


def characters(*, with_ideographs):
    for code in itertools.chain(range(0xD800), range(0xE000, sys.maxunicode + 1)):
        character = chr(code)
        name = unicodedata.name(character, "")
        if with_ideographs or (name and not name.startswith(("CJK UNIFIED", "HANGUL SYLLABLE"))):
            yield character


def real_lines(name):
    lines = real_text.path(f"xquad/{name}.txt").read_text("utf-8").split("\n")
    return [line for line in lines if line]


def real_vocabulary(name):
    return real_text.path(f"vocab/{name}-vocab.txt").read_text("utf-8").rstrip("\n").split("\n")
