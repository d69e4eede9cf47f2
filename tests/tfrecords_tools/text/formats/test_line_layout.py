"""Lines of which nothing is seen, how wide lines are, and how wrapped ones are joined."""

import textwrap
import unicodedata

import pytest
import regex

from tfrecords_tools.text.formats import line_layout
from tfrecords_tools.text.formats.line_layout import is_blank, join_wrapped, width


def test_blank_is_what_unicode_calls_invisible():
    # Of planes beyond the first, tags and musical beams are left out: they are in no text alone.
    ignorable = regex.compile(r"[\p{Default_Ignorable_Code_Point}\p{White_Space}\p{Cc}\u2800]")
    for code in range(0x10000):
        character = chr(code)
        expected = ignorable.fullmatch(character) is not None
        assert is_blank(character) == expected, f"U+{code:04X}"


def test_what_python_calls_space_is_blank():
    for code in range(0x110000):
        assert is_blank(chr(code)) or not chr(code).isspace()


@pytest.mark.parametrize(
    "line", ["", " \t", "\ufeff", "\u200b\xa0\u200e", "\xad", "\u2060 \r", "\u3000"]
)
def test_lines_of_invisible_characters_are_blank(line: str):
    assert is_blank(line)
    assert not is_blank(f"{line}.{line}")


def test_marks_take_no_column_and_wide_characters_two():
    assert width("e\u0301\u200d") == 1
    assert width("中文。") == width("ＡＢＣ") == width("한국어") == 6
    assert width("नमस्ते") == sum(unicodedata.category(c) != "Mn" for c in "नमस्ते")


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("one two three four five six", " "),
        ("сегодня мы идём домой", " "),
        ("오늘 우리는 집에 간다", " "),
        ("오늘 中文 한국어", " "),
        ("我们今天回家。天气很好，我们很高兴。", ""),
        ("今日はとても良い天気です。", ""),
        ("วันนี้อากาศดีมาก", ""),
    ],
)
def test_joining_undoes_wrapping(text: str, separator: str):
    parts = (
        textwrap.wrap(text, 8) if separator else [text[i : i + 4] for i in range(0, len(text), 4)]
    )
    assert len(parts) > 1
    assert join_wrapped(parts) == text


@pytest.mark.parametrize(
    "end", ["।", "॥", "။", "።", "։", "؟", "۔", "。", "！", "？", "」", "…", ".”"]
)
def test_sentences_end_in_every_script(end: str):
    assert line_layout.ends_sentence(f"x{end}")
    assert not line_layout.ends_sentence(f"{end}x")
