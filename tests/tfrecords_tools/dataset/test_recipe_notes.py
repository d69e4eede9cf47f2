"""Notes on a recipe that does not suit its text name the cause that was measured."""

import numpy as np
import pytest

from tests.tfrecords_tools.numbered_text import SPECIAL_TOKENS
from tfrecords_tools.dataset import recipe_notes
from tfrecords_tools.recipe.corpus import Corpus


class Info:
    """What a note looks at of a `DatasetInfo`."""

    max_seq_length = 128

    def __init__(self, random_next: float, **facts: int):
        self.statistics = facts | {"train": {"random_next_rate": random_next}}


# The same text: 100,000 characters, 20,000 tokens.
ENGLISH = {"characters": 100_000, "tokens": 20_000, "sentences": 900}


@pytest.mark.parametrize(
    ("facts", "splitting", "cause"),
    [
        (
            ENGLISH | {"sentences": 200, "documents": 190},
            "auto",
            "Few sentence ends were found: 2.0 in 1,000 characters; English text has about 9. Give",
        ),
        (
            ENGLISH | {"sentences": 200, "documents": 10},
            "line",
            "Its lines are longer than sentences: leave out --sentence_splitting=line.",
        ),
        (
            ENGLISH | {"documents": 800},
            "auto",
            "Many documents are very short, with 1.1 sentences on average. If they are",
        ),
        (
            ENGLISH | {"documents": 10, "tokens": 60_000},
            "auto",
            "a sentence has 67 tokens on average, and a record takes 128. Raise --max_seq_length.",
        ),
    ],
)
def test_many_random_next_sentences_are_explained(
    facts: dict[str, int], splitting, cause: str, capsys: pytest.CaptureFixture[str]
):
    recipe_notes.note_random_next(Info(0.8, **facts), splitting)
    note = capsys.readouterr().out
    assert note.startswith("note: 80% of the train records have a random next sentence; about 50 %")
    assert cause in note
    recipe_notes.note_random_next(Info(0.6, **facts), splitting)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("num_tokens", [1, 100, 3_000_000])
def test_whole_words_of_single_tokens_are_pointed_out(
    num_tokens: int, capsys: pytest.CaptureFixture[str]
):
    vocabulary = [*SPECIAL_TOKENS, "好", "##ing"]
    single, continuing = len(SPECIAL_TOKENS), len(SPECIAL_TOKENS) + 1
    tokens = np.full(num_tokens, single, np.int32)
    ends = np.array([0, num_tokens])
    recipe_notes.note_whole_words(Corpus(tokens, ends, np.array([0, 1])), vocabulary)
    assert "--whole_word_masking does here what token masking does: only 0.0% of" in (
        capsys.readouterr().out
    )
    tokens[::20] = continuing
    recipe_notes.note_whole_words(Corpus(tokens, ends, np.array([0, 1])), vocabulary)
    assert capsys.readouterr().out == ""
