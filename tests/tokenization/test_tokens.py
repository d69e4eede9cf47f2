"""Tokens are those of google-research/bert's FullTokenizer, in every script."""

import dataclasses
import itertools
import random
import sys

import pytest
import tensorflow as tf
from transformers import BertTokenizer

from mslt_tf.text_case import TextCase
from mslt_tf.tokenization import graph_normalization
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer, WordSplitter, make_piece_tokenizer
from mslt_tf.vocabulary import SPECIAL_TOKENS
from tests.tokenization import bert_reference
from tests.tokenization.texts import (
    BEHIND_SIGMA,
    BETWEEN_LETTERS,
    KINDS,
    PLACES,
    characters,
    code_points,
    differences,
    every_kind,
    real_lines,
    real_vocabulary,
)

# What TensorFlow's operations do not know: capitals of Unicode 14, ...
RECENT_CAPITALS = code_points(
    "2C2F A7C0 A7D0 A7D6 A7D8 10570-1057A 1057C-1058A 1058C-10592 10594-10595"
)
# ... a vowel sign of Unicode 13 that two others make up, ...
RECENT_COMPOSED = code_points("11938")
# ... and marks and letters of Unicode 14 over or behind which a sigma is not the last letter.
RECENT_BEHIND_SIGMA = code_points(
    "888 898-89F 8C9-8D2 C3C 1734 180F 1AC1-1ACE 1DFA 2C2F 2C5F A7C0-A7C1 A7D0-A7D1 A7D3 A7D5-A7D9 "
    "A7F2-A7F4 FBC2 10570-1057A 1057C-1058A 1058C-10592 10594-10595 10597-105A1 105A3-105B1 "
    "105B3-105B9 105BB-105BC 10780-10785 10787-107B0 107B2-107BA 10F82-10F85 11070 11073-11074 "
    "110C2 1AFF0-1AFF3 1AFF5-1AFFB 1AFFD-1AFFE 1CF00-1CF2D 1CF30-1CF46 1DF00-1DF09 1DF0B-1DF1E "
    "1E2AE"
)


def unknown_to_the_graph(kind, place):
    """Returns the characters that the operations treat otherwise, being of an older Unicode."""
    composed = RECENT_COMPOSED if KINDS[kind].strip_accents else frozenset()
    if not KINDS[kind].do_lower_case:
        return composed
    return composed | (RECENT_BEHIND_SIGMA if place == BEHIND_SIGMA else RECENT_CAPITALS)


def reference(texts, kind):
    options = {name: getattr(KINDS[kind], name) for name in ("do_lower_case", "strip_accents")}
    return [bert_reference.words(text, **options) for text in texts]


def in_graph(texts, kind):
    """Returns the words by the operations that exported models have."""
    normalize = tf.function(lambda texts: graph_normalization.normalize(texts, KINDS[kind]))
    normalized = [text.decode() for text in normalize(tf.constant(texts)).numpy()]
    return WordSplitter(TextCase(do_lower_case=False, strip_accents=False)).words(normalized)


def check_words(kind, place, *, with_ideographs):
    found = list(characters(with_ideographs=with_ideographs))
    texts = [place.format(character) for character in found]
    expected = reference(texts, kind)
    assert differences(texts, WordSplitter(KINDS[kind]).words(texts), expected) == []
    of_graph = in_graph(texts, kind)
    unequal = {c for c, of_one, e in zip(found, of_graph, expected, strict=True) if of_one != e}
    assert unequal == unknown_to_the_graph(kind, place)
    return len(found)


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        *(("uncased", place) for place in PLACES),
        ("cased", BETWEEN_LETTERS),
        *itertools.product(("accents_kept", "accents_stripped"), (BETWEEN_LETTERS,)),
    ],
)
def test_words_are_berts_around_characters_of_all_scripts(kind, place):
    assert check_words(kind, place, with_ideographs=False) > 34_000


@pytest.mark.slow
@every_kind
def test_words_are_berts_around_all_code_points(kind):
    num_characters = check_words(kind, BETWEEN_LETTERS, with_ideographs=True)
    assert num_characters == sys.maxunicode + 1 - 0x800  # surrogates


@pytest.mark.parametrize("language", ["en", "de", "zh", "hi", "th"])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("bert-base-uncased", "uncased"),
        ("bert-base-chinese", "uncased"),
        ("bert-base-chinese", "cased"),
    ],
)
def test_tokens_of_real_text_are_berts(language, name, kind):
    vocabulary, lines = real_vocabulary(name), real_lines(language)
    found = WordpieceTokenizer(vocabulary, KINDS[kind]).tokenize(lines).to_list()
    options = dataclasses.asdict(KINDS[kind])
    expected = [bert_reference.tokens(line, frozenset(vocabulary), **options) for line in lines]
    assert [[vocabulary[token] for token in tokens] for tokens in found] == expected
    normalized = graph_normalization.normalize(tf.constant(lines), KINDS[kind])
    assert make_piece_tokenizer(vocabulary).tokenize(normalized).to_list() == found


def test_the_reference_agrees_with_transformers(tmp_path):
    # It drops unassigned characters too, and has a lower limit for words; real text has neither.
    vocab_file = tmp_path / "vocab.txt"
    vocab_file.write_text("\n".join(real_vocabulary("bert-base-uncased")), "utf-8")
    theirs = BertTokenizer(str(vocab_file))
    vocabulary = frozenset(theirs.vocab)
    for language in ("en", "de", "zh", "hi"):
        for line in real_lines(language)[:60]:
            assert bert_reference.tokens(line, vocabulary, do_lower_case=True) == theirs.tokenize(
                line
            )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\uff0c\uff08\uff09\uff1b", ["\uff0c", "\uff08", "\uff09", "\uff1b"]),
        ("Stra\u00dfe", ["stra\u00dfe"]),
        ("\u039f\u0394\u039f\u03a3", ["\u03bf\u03b4\u03bf\u03c2"]),
        ("\u2026 \u00b2 \u00bd \u2122 \u2116", ["\u2026", "\u00b2", "\u00bd", "\u2122", "\u2116"]),
        (
            "\u0645\u06cc\u200c\u0631\u0648\u0645 so\u00adft",
            ["\u0645\u06cc\u0631\u0648\u0645", "soft"],
        ),
        ("a\x0bb\x0cc\x85d\x1ce", ["abcde"]),
        ("a\u2028b\u00a0c\td", ["a", "b", "c", "d"]),
        ("[MASK] [SEP]", ["[", "mask", "]", "[", "sep", "]"]),
    ],
)
def test_words_of_the_kinds_that_go_wrong_elsewhere(text, words):
    assert bert_reference.words(text, do_lower_case=True) == words  # the reference is right, too
    assert WordSplitter(KINDS["uncased"]).words([text]) == [words]
    assert in_graph([text], "uncased") == [words]


@pytest.mark.parametrize("letter", ["a", "\u00e9", "\u0e01", "\U0001d5ba"])
@pytest.mark.parametrize("rest", ["", " b", ".b", "\u4e2db"])
def test_a_word_is_unknown_for_its_length_from_201_characters_on(letter, rest):
    vocabulary = [*SPECIAL_TOKENS, letter, f"##{letter}", "b", ".", "\u4e2d"]
    texts = [f"b {letter * length}{rest}" for length in (200, 201, 801, 5_000)]
    kind = KINDS["cased"]
    found = WordpieceTokenizer(vocabulary, kind).tokenize(texts).to_list()
    expected = [bert_reference.tokens(text, vocabulary, do_lower_case=False) for text in texts]
    assert [len(tokens) for tokens in expected[:2]] == [len(expected[1]) + 199, len(expected[1])]
    assert [[vocabulary[token] for token in tokens] for tokens in found] == expected
    normalized = graph_normalization.normalize(tf.constant(texts), kind)
    assert make_piece_tokenizer(vocabulary).tokenize(normalized).to_list() == found


def test_tokens_of_two_words_join_no_words():
    vocabulary = [*SPECIAL_TOKENS, "a", "##b", "b", "a b", "a\u00a0b", "##b b", "a.b"]
    texts = ["a b a.b", "a\u00a0b", "ab b"]
    found = WordpieceTokenizer(vocabulary, KINDS["uncased"]).tokenize(texts).to_list()
    expected = [bert_reference.tokens(text, vocabulary, do_lower_case=True) for text in texts]
    assert [[vocabulary[token] for token in tokens] for tokens in found] == expected


def test_what_is_no_utf8_is_left_out_in_the_graph():
    normalized = graph_normalization.normalize(tf.constant([b"a\xffb \xc3"]), KINDS["uncased"])
    assert normalized.numpy().tolist() == [b"ab   "]


def test_any_text_has_berts_words():
    # Every mix of kinds of characters, in one call: lines must not run into each other.
    rng = random.Random(0)
    alphabet = "aB.' \t\r\n\x00\u0391\u03a3\u00df\u00e9\u0130\u01c5\u0301\u0327"
    alphabet += "\u00ad\u200d\u2028\u4e2d\uac00\ufffd"
    texts = ["".join(rng.choices(alphabet, k=rng.randrange(12))) for _ in range(3_000)]
    for kind in KINDS:
        assert WordSplitter(KINDS[kind]).words(texts) == reference(texts, kind)
