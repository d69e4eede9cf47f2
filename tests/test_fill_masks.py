"""scripts.fill_masks: which words are asked for. test_demo.py runs it on a demo."""

import pytest

from scripts.fill_masks import Cloze, make_cloze

SENTENCE = ["the", "cat", "##s", "sat", "on", "a", "mat", ",", "and", "we", "saw", "it", "."]


@pytest.mark.parametrize(
    ("masked", "found"),
    [
        ([3], Cloze("the cats [MASK] on a mat , and we saw it .", "sat")),
        ([2, 1, 9], Cloze("the cats sat on a mat , and [MASK] saw it .", "we")),
        ([], None),
    ],
)
def test_the_first_masked_word_that_is_whole_is_left_out(masked, found, monkeypatch):
    monkeypatch.setattr("scripts.fill_masks.NUM_LETTERS", 2)
    assert make_cloze(SENTENCE, masked) == found


@pytest.mark.parametrize("position", [1, 2, 7, 12, 5])  # pieces, punctuation, a short word
def test_pieces_and_signs_are_not_asked_for(position):
    assert make_cloze(SENTENCE, [position]) is None


def test_sentences_with_unknown_words_are_left_out():
    assert make_cloze(SENTENCE, [3]) is not None
    assert make_cloze([*SENTENCE, "[UNK]"], [3]) is None
