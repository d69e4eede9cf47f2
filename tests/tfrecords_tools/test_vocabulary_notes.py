"""Tokens that no text will give are counted before the work."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mslt_tf.text_case import TextCase
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer
from mslt_tf.vocabulary import SPECIAL_TOKENS
from tests import real_text
from tfrecords_tools import vocabulary_notes
from tfrecords_tools.dataset import pretraining_dataset
from tfrecords_tools.settings import DatasetSettings

LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
CAPITALS = [letter.upper() for letter in LETTERS]
LOWER, CASED = TextCase(), TextCase.of(False, None)
NO_ACCENTS_STRIPPED = TextCase.of(True, False)


def notes_on(tokens: list[str], case: TextCase = LOWER) -> list[str]:
    return list(vocabulary_notes.describe_oddities([*SPECIAL_TOKENS, *tokens], case))


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("bert-base-uncased-vocab.txt", LOWER),
        ("bert-base-chinese-vocab.txt", LOWER),
    ],
)
def test_nothing_is_odd_about_the_vocabularies_of_bert(name: str, case: TextCase):
    tokens = real_text.path(f"vocab/{name}").read_text("utf-8").split("\n")
    assert list(vocabulary_notes.describe_oddities(tokens[:-1], case)) == []


def test_the_uncased_vocabulary_of_bert_is_known_where_capitals_are_kept():
    tokens = real_text.path("vocab/bert-base-uncased-vocab.txt").read_text("utf-8").split("\n")
    (note,) = vocabulary_notes.describe_oddities(tokens[:-1], CASED)
    assert note.startswith("the vocabulary has no capitals")


def test_those_that_never_occur_are_counted():
    """Each is held against the tokenizer: it gives the token for its own text, or does not."""
    tokens = [*LETTERS, *CAPITALS, "##A", "##a", "é", "ß", "[", "漢"]
    for case, num_lost in ((LOWER, 28), (NO_ACCENTS_STRIPPED, 27), (CASED, 0)):
        tokenizer = WordpieceTokenizer([*SPECIAL_TOKENS, *tokens], case)
        ids = tokenizer.tokenize([token for token in tokens if not token.startswith("##")])
        own = [len(SPECIAL_TOKENS) + n for n, t in enumerate(tokens) if not t.startswith("##")]
        lost = sum(row != [number] for row, number in zip(ids.to_list(), own, strict=True))
        assert lost == max(num_lost - 1, 0)  # "##A" is the other
        notes = notes_on(tokens, case)
        assert [note.partition(" tokens ")[0] for note in notes] == (
            [f"{num_lost} of {len(tokens)}"] if num_lost else []
        )


def test_a_few_of_them_are_in_every_vocabulary():
    assert notes_on([*(f"word{n}" for n in range(100)), "A"]) == []
    (note,) = notes_on([*(f"word{n}" for n in range(97)), "A"])
    assert note.startswith("1 of 98 tokens")


def test_tokens_with_blanks_are_named():
    (note,) = notes_on([*LETTERS, "the ", "\tcat", "a\xa0", "\xa0"])
    assert note.startswith(
        "3 token(s) of the vocabulary begin or end with white space, e.g. 'the '"
    )


def test_a_vocabulary_of_sentencepiece_is_known():
    tokens = [*LETTERS, *(f"\u2581{letter}" for letter in LETTERS)]
    (note,) = notes_on(tokens)
    assert note.startswith("26 of 52 tokens of the vocabulary begin with \u2581, as SentencePiece")
    assert notes_on([*LETTERS, "\u2581"]) == []


def test_a_vocabulary_without_capitals_is_known_where_they_are_kept():
    (note,) = notes_on(LETTERS, CASED)
    assert "words with one become [UNK] by --nodo_lower_case. Give --do_lower_case" in note
    assert notes_on([*LETTERS, "A"], CASED) == notes_on(["漢", "a"], CASED) == []


def test_it_is_said_before_the_work(
    make_settings: Callable[..., DatasetSettings],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    settings = make_settings()
    Path(settings.vocab_file).write_text("\n".join([*SPECIAL_TOKENS, *LETTERS, *CAPITALS]))
    pretraining_dataset.create(settings)
    lines = capsys.readouterr().out.splitlines()
    (noted,) = [n for n, line in enumerate(lines) if "26 of 52 tokens" in line]
    (estimated,) = [n for n, line in enumerate(lines) if line.startswith("estimate: ")][:1]
    assert lines[noted].startswith("note: ")
    assert noted < estimated
