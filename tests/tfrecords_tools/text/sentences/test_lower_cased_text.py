"""Text without capitals is recognised, and shown to blingfire with some."""

import blingfire
import pytest

from tests import real_text
from tfrecords_tools.text.sentences import lower_cased_text
from tfrecords_tools.text.sentences.sentence_splitting import split_sentences


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["no capitals here. none there."], True),
        (["one here.", "One there."], False),
        (["это предложение. и это.", "Это."], False),
        (["ein Übel."], False),
        (["no capitals. " * 100, "but one or two I had."], True),
        (["no capitals. " * 100, "but three I had, I say, I."], False),
        ([], True),
    ],
)
def test_lower_cased_text_has_next_to_no_capitals(lines: list[str], expected: bool):
    assert lower_cased_text.is_lower_cased(lines) == expected


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("He met Mr. Smith. Then he left.", 2),
        ("J. R. R. Tolkien wrote it. It is long. Who read it? Nobody!", 4),
        ("Things, e.g. tables, were sold. Smith et al. say so in the U.S. for now.", 2),
        ('Wait... then go. "Stop!" he said. ("Never.") So be it.', 5),
        ("Version 3.5 came in 1990. It was no. 5 of them.", 2),
        ("Das ist groß. Und das ist es auch. Это так. И это.", 4),
        ("It was me. I saw it. It is.", 3),
    ],
)
def test_lower_cased_text_is_split_as_with_its_capitals(text: str, number: int):
    expected = blingfire.text_to_sentences(text).lower().split("\n")
    assert split_sentences([text.lower()]) == expected
    assert len(expected) == number


def test_wikipedia_in_lower_case_is_split_where_blingfire_splits_it_with_capitals():
    lines = real_text.path("wikipedia/wiki_00").read_text("utf-8").split("\n")
    lines = [line for line in lines if len(line.lower()) == len(line) and not line.startswith("<")]
    found = wanted = common = 0
    for line in lines:
        cased, lower_cased = (_ends(split_sentences([text])) for text in (line, line.lower()))
        found, wanted = found + len(lower_cased), wanted + len(cased)
        common += len(cased & lower_cased)
    assert wanted > 2_000
    assert common / found > 0.98
    assert common / wanted > 0.97


def _ends(sentences: list[str]) -> set[int]:
    """Returns where sentences end, in characters that are no blanks."""
    ends, size = set(), 0
    for sentence in sentences[:-1]:
        size += len("".join(sentence.split()))
        ends.add(size)
    return ends


def test_scripts_whose_capitals_begin_no_sentence_keep_their_letters():
    line = "\u10d8\u10e1 \u10db\u10dd\u10d5\u10d8\u10d3\u10d0. \u10e8\u10d4\u10db\u10d3\u10d4\u10d2 \u10ec\u10d0\u10d5\u10d8\u10d3\u10d0."  # noqa: E501
    assert lower_cased_text.capitalize_begins(line) == line
    assert len(split_sentences([line])) == 2
