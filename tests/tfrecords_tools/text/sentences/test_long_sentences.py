"""Text without sentence ends, cut where it hurts least."""

import unicodedata

import pytest

from tests import real_text
from tfrecords_tools.text.sentences import long_sentences

THAI = "ภาษาไทยเป็นภาษาที่มีระดับเสียงของคำแน่นอน"  # 41 characters, no blank


def test_thai_is_cut_at_blanks_into_parts_as_long_as_sentences():
    phrases = [THAI[: 10 + 7 * (number % 5)] for number in range(200)]
    parts = long_sentences.cut(" ".join(phrases))
    assert " ".join(parts).split(" ") == phrases
    assert all(100 <= len(part) <= 225 for part in parts)


def test_thai_without_blanks_is_cut_between_what_a_reader_sees_as_letters():
    text = THAI * 50
    parts = long_sentences.cut(text)
    assert "".join(parts) == text
    assert all(100 <= len(part) <= 225 for part in parts)
    for part in parts:
        assert not unicodedata.category(part[0]).startswith("M")
        assert part[-1] not in "เแโใไ"


def test_words_of_khmer_are_cut_at_invisible_blanks():
    words = ["\u1780\u17d2\u1798\u17c2\u179a"] * 100
    parts = long_sentences.cut("\u200b".join(words))
    assert len(parts) == 4
    assert all(set(part.strip("\u200b").split("\u200b")) == set(words) for part in parts)


@pytest.mark.parametrize(
    "text",
    [
        THAI * 5,  # 205 characters: one sentence
        "an English sentence, " * 90,
        f"Bangkok, in Thai {THAI}, is a city. " * 3,
        "好" * 2_000,
        "",
    ],
)
def test_what_may_be_a_sentence_stays_whole(text: str):
    assert long_sentences.cut(text) == [text]


def test_what_is_too_long_for_any_sentence_is_cut_at_blanks():
    text = " ".join(f"word{number}" for number in range(400))
    parts = long_sentences.cut(text)
    assert " ".join(parts) == text
    assert all(100 <= len(part) <= 225 for part in parts)


def test_words_stay_whole_in_scripts_with_blanks_only():
    assert long_sentences.cut("a" * 5_000 + " b") == ["a" * 5_000, "b"]
    assert [len(part) for part in long_sentences.cut("好" * 3_000)] == [150] * 20


@pytest.mark.parametrize("blank", ["\u3000", "\u00a0", "\t", "  "])
def test_any_blank_will_do(blank: str):
    parts = long_sentences.cut(blank.join([THAI] * 40))
    assert len(parts) > 8
    assert {part[0] for part in parts} | {part[-1] for part in parts} == {THAI[0], THAI[-1]}


def test_real_thai_keeps_every_character():
    for line in real_text.path("xquad/th.txt").read_text("utf-8-sig").split("\n"):
        parts = long_sentences.cut(line)
        assert "".join("".join(parts).split()) == "".join(line.split())
        assert max(map(len, parts)) < 300  # a list of English names
