"""Unknown words are counted in characters, and the cause is named that was measured."""

import collections
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from mslt_tf.text_case import TextCase
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer, WordSplitter
from mslt_tf.vocabulary import SPECIAL_TOKENS
from tests import real_text
from tests.tokenization import bert_reference
from tfrecords_tools import unknown_words
from tfrecords_tools.dataset import pretraining_dataset
from tfrecords_tools.settings import DatasetSettings
from tfrecords_tools.unknown_words import UnknownCounter, UnknownCounts

MakeSettings = Callable[..., DatasetSettings]
WORDS = ["the", "cat", "##s", "t", "h", "e"]
LATIN_LINES = [
    "the cats",
    "\u0e41\u0e21\u0e27 the",
    "dog. the dog",
    "caf\u00e9",
    "\ud55c\uad6d the",
    "x" * 201,
]


def count(texts: list[str], words: list[str] = WORDS, *, batch: int = 1_000) -> UnknownCounts:
    vocabulary = [*SPECIAL_TOKENS, *words]
    case = TextCase()
    tokenizer = WordpieceTokenizer(vocabulary, case)
    counter = UnknownCounter(tokenizer, vocabulary, split_words=WordSplitter(case).words)
    for begin in range(0, len(texts), batch):
        part = texts[begin : begin + batch]
        expected = tokenizer.tokenize(part)
        assert counter.tokenize(part).to_list() == expected.to_list()
    return counter.counts


def expected_counts(texts: list[str], words: list[str]) -> UnknownCounts:
    """Counts by the reference, a word at a time; for words that are not too long."""
    vocabulary = {*SPECIAL_TOKENS, *words}
    letters = {letter for word in vocabulary for letter in word.removeprefix("##")}
    scripts: collections.Counter[str] = collections.Counter()
    num_unknown = 0
    for word in (w for text in texts for w in bert_reference.words(text, do_lower_case=True)):
        if bert_reference.pieces(word, vocabulary) == ["[UNK]"]:
            length = len(unicodedata.normalize("NFC", word))
            num_unknown += length
            lacking = [c for c in word if c not in letters and unicodedata.category(c)[0] in "LM"]
            if lacking:
                scripts[unicodedata.name(lacking[0]).split()[0]] += length
    num_characters = sum(len(text.replace(" ", "")) for text in texts)
    return UnknownCounts(num_characters, num_unknown, 0, dict(sorted(scripts.items())))


def test_a_few_lines_by_hand():
    counts = count(LATIN_LINES)
    assert counts.characters == 7 + 6 + 10 + 4 + 5 + 201
    assert counts.unknown == 0 + 3 + 7 + 4 + 2 + 201
    assert counts.too_long == 201
    # The point is no letter. Korean is taken apart; the vocabulary lacks f of "cafe".
    assert counts.scripts == {"HANGUL": 2, "LATIN": 6 + 4, "THAI": 3}


@pytest.mark.parametrize("language", ["de", "en", "hi", "th", "zh"])
def test_real_lines_are_counted_as_the_reference_does(language: str):
    lines = real_text.path(f"xquad/{language}.txt").read_text("utf-8").splitlines()
    lines = [line for line in lines if max(map(len, line.split()), default=0) <= 200][:150]
    path = real_text.path("vocab/bert-base-uncased-vocab.txt")
    words = path.read_text("utf-8").splitlines()
    words = [word for word in words if word not in SPECIAL_TOKENS]
    counts = count(lines, words, batch=7)
    assert counts == expected_counts(lines, words)
    assert counts.characters > 5_000
    assert (counts.unknown > 0) == (language != "en") or counts.unknown < 20


@pytest.mark.parametrize("at_once", [1, 2, 1_000])
def test_batches_add_up(at_once: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(unknown_words, "_TEXTS_AT_ONCE", at_once)
    assert count(LATIN_LINES, batch=1) == count(LATIN_LINES) == count(LATIN_LINES[::-1])
    assert count(LATIN_LINES * 2).scripts == {"HANGUL": 4, "LATIN": 20, "THAI": 6}


def test_text_without_unknown_words_is_split_once_only():
    vocabulary = [*SPECIAL_TOKENS, *WORDS]

    def refuse(texts: object) -> list[list[str]]:
        raise AssertionError("the words of known text were looked for")

    counter = UnknownCounter(
        WordpieceTokenizer(vocabulary, TextCase()), vocabulary, split_words=refuse
    )
    counter.tokenize(["the cats", "", "cat"])
    assert counter.counts == UnknownCounts(characters=10)


@pytest.mark.parametrize(
    ("text", "unknown", "too_long"),
    [
        ("the x. " + "\uac00" * 150, 151, 150),  # two letters each, taken apart: 300
        ("the " + ".".join(["x" * 90] * 3), 270, 0),  # three words
        ("\u4e2d" * 300 + " cat", 300, 0),  # each a word
        ("\u4e2dcat" * 100 + " " + "x" * 205, 305, 205),
    ],
)
def test_too_long_are_words_and_not_what_stands_between_blanks(text, unknown, too_long):
    counts = count([text], ["the", ".", "cat"])
    assert (counts.unknown, counts.too_long) == (unknown, too_long)


def causes(**counts: object) -> list[str]:
    return list(unknown_words.describe_causes(unknown_words.rates(UnknownCounts(**counts))))


def test_causes_are_named_by_their_shares():
    scripts = {"THAI": 30, "LATIN": 1}
    too_long, thai = causes(characters=100, unknown=61, too_long=30, scripts=scripts)
    assert too_long.startswith("30.0% of the characters stand in words of more than 200")
    assert thai.startswith("30.0% stand in words with letters that the vocabulary lacks: THAI.")
    assert causes(characters=100, unknown=60) == []
    assert causes() == []


def notes_on(
    text: str, make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
) -> tuple[dict[str, object], list[str]]:
    settings = make_settings()
    Path(settings.text.input).write_text(text)
    (info,) = pretraining_dataset.create(settings)
    said = capsys.readouterr().out.splitlines()
    return dict(info.statistics), [line for line in said if "many unknown" in line]


def test_long_words_are_noted_though_they_are_few_tokens(
    make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
):
    settings = make_settings()
    text = Path(settings.text.input).read_text()
    num_characters = len("".join(text.split()))
    statistics, (note,) = notes_on(f"{text}\n{'w' * num_characters}", make_settings, capsys)
    assert statistics["unknown_token_rate"] < 0.01
    assert statistics["unknown_character_rate"] == pytest.approx(0.5, abs=0.001)
    assert statistics["too_long_word_rate"] == statistics["unknown_character_rate"]
    assert "50.0% of the characters stand in words that became [UNK]. 50.0% of the" in note


def test_a_script_that_the_vocabulary_lacks_is_noted_by_name(
    make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
):
    settings = make_settings()
    text = Path(settings.text.input).read_text().replace("d1", "\u0434\u0430")
    statistics, (note,) = notes_on(text, make_settings, capsys)
    assert "letters that the vocabulary lacks: CYRILLIC." in note
    assert set(statistics["unknown_scripts"]) == {"CYRILLIC"}


def test_nothing_is_noted_where_all_words_are_known(
    make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
):
    settings = make_settings()
    statistics, notes = notes_on(Path(settings.text.input).read_text(), make_settings, capsys)
    assert notes == []
    assert statistics["unknown_character_rate"] == 0
