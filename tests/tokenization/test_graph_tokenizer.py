"""The tokens of exported models are those of the records, and stand where they say."""

import random

import pytest
import tensorflow as tf

from mslt_tf.text_case import TextCase
from mslt_tf.tokenization import graph_normalization, graph_tokenizer
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer
from tests import real_text
from tests.tokenization import bert_reference

CASES = {
    "uncased": TextCase(do_lower_case=True, strip_accents=True),
    "cased": TextCase(do_lower_case=False, strip_accents=False),
}
VOCABULARY = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "[", "]", "A", "\u00e9"),
    *(piece for c in "abcdex\u03c3\u03c2\u4e2d\u1112" for piece in (c, f"##{c}")),
    *("cafe", "##\u00e9", "##\u1161", "##\u11ab", "ab"),
]
TEXTS = [
    *("", " ", "caf\u00e9 ab", "e\u0301e\u0301. a", "[MASK]", "a\u00adb\u200db", "\ta\u2028b"),
    *("\u0391\u03a3 \u03a3\u0391\u03a3", "\u4e2d\u4e2da", "\ud55c", "a\x00b", "\ufffda"),
    *("x" * 201 + "." + "\u00e9" * 200, "a " + "\u00e9" * 900 + "b", "b" * 200),
]


def random_texts(count):
    """Returns texts of characters that need care: marks, control, ideographs, any others."""
    rng = random.Random(5)
    ranges = [(32, 127), (0, 0x300), (0x300, 0x370), (0x4E00, 0x4E20), (0xAC00, 0xAC40)]
    ranges += [(0, 0xD800), (0xE000, 0x110000)]
    return [
        "".join(chr(rng.randrange(*rng.choice(ranges))) for _ in range(rng.randrange(40)))
        for _ in range(count)
    ]


def real_lines():
    folder = real_text.path("xquad")
    return [
        line
        for language in ("en", "de", "zh", "hi", "th")
        for line in (folder / f"{language}.txt").read_text("utf-8").split("\n")[:40]
    ]


def make(vocabulary, case):
    """Returns both functions as exports have them: traced, without a batch size."""
    tokenizer = graph_tokenizer.GraphTokenizer(vocabulary, case)
    spec = [tf.TensorSpec([None], tf.string)]
    return (
        tf.function(tokenizer.tokenize, input_signature=spec, autograph=False),
        tf.function(tokenizer.tokenize_with_offsets, input_signature=spec, autograph=False),
    )


def check(vocabulary, case, texts):
    """Checks tokens, words and offsets; returns the number of tokens."""
    tokenize, tokenize_with_offsets = make(vocabulary, case)
    found, pieces = tokenize(tf.constant(texts)), tokenize_with_offsets(tf.constant(texts))
    assert pieces.ids.to_list() == found.to_list()
    expected = WordpieceTokenizer(vocabulary, case).tokenize(texts).to_list()
    flat = [rows.merge_dims(1, 2).to_list() for rows in pieces]
    assert flat[0] == expected
    for text, *columns in zip(texts, *flat, strict=True):
        for piece, start, limit in zip(*columns, strict=True):
            check_place(vocabulary[piece], text.encode()[start:limit].decode(), case)
    return sum(map(len, expected))


def check_place(piece, part, case):
    """Checks that a piece, but for what [UNK] stands for, is what BERT makes of its part."""
    (word,) = bert_reference.words(part, do_lower_case=case.do_lower_case)
    letters = piece.removeprefix("##").replace("\u03c2", "\u03c3")  # no part tells what is behind
    if piece != "[UNK]":
        # A Hangul syllable is one character, and up to three letters when it is decomposed.
        is_hangul = "\u1100" <= letters <= "\u11ff"
        assert letters in word if is_hangul else letters == word.replace("\u03c2", "\u03c3")


@pytest.mark.parametrize("kind", CASES)
def test_hard_texts_have_the_tokens_of_the_records_at_their_places(kind):
    assert check(VOCABULARY, CASES[kind], [*TEXTS, *random_texts(300)]) > 3_000


@pytest.mark.parametrize(
    ("name", "kind"), [("bert-base-uncased", "uncased"), ("bert-base-chinese", "cased")]
)
def test_real_texts_have_the_tokens_of_the_records_at_their_places(name, kind):
    content = real_text.path(f"vocab/{name}-vocab.txt").read_text("utf-8")
    assert check(content.rstrip("\n").split("\n"), CASES[kind], real_lines()) > 10_000


def test_words_hold_their_pieces():
    tokenize, _ = make(VOCABULARY, CASES["uncased"])
    found = tokenize(tf.constant(["abc ab.", "", "Caf\u00e9d"])).to_list()
    names = [[[VOCABULARY[i] for i in word] for word in text] for text in found]
    assert names == [[["ab", "##c"], ["ab"], ["."]], [], [["cafe", "##d"]]]


def test_a_word_that_is_unknown_for_its_length_is_one_token_of_all_its_bytes():
    _, tokenize_with_offsets = make(VOCABULARY, CASES["uncased"])
    for length in (201, 801, 5_000):
        text = f"a {'b' * length}. ab"
        ids, starts, limits = tokenize_with_offsets(tf.constant([text]))
        end = 2 + length
        assert [VOCABULARY[i] for i in ids.flat_values] == ["a", "[UNK]", ".", "ab"]
        assert starts.to_list() == [[[0], [2], [end], [end + 2]]]
        assert limits.to_list() == [[[1], [end], [end + 1], [end + 4]]]


def test_a_word_may_have_too_many_characters_only_when_it_is_decomposed():
    tokenize, tokenize_with_offsets = make(VOCABULARY, CASES["uncased"])
    text = "\ud55c" * 67  # of three letters each
    assert tokenize(tf.constant([text])).to_list() == [[[1]]]
    ids, starts, limits = tokenize_with_offsets(tf.constant([text]))
    assert (ids.to_list(), starts.to_list(), limits.to_list()) == ([[[1]]], [[[0]]], [[[201]]])


def test_bytes_that_are_no_character_count_in_offsets():
    _, tokenize_with_offsets = make(VOCABULARY, CASES["uncased"])
    _, starts, limits = tokenize_with_offsets(tf.constant([b"\xff\xfea \xc3b"]))
    assert (starts.to_list(), limits.to_list()) == ([[[2], [5]]], [[[3], [6]]])


def test_no_texts_have_no_tokens():
    for function in make(VOCABULARY, CASES["uncased"]):
        ids = function(tf.constant([], tf.string))
        assert getattr(ids, "ids", ids).to_list() == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("place", ["a{}B", "\u0391\u03a3{}", "\u03a3{}\u0391", "e\u0301{}\u0302"])
def test_no_character_becomes_longer_or_shorter_by_what_stands_beside_it(kind, place):
    # The map from cleaned bytes to characters of the text rests on it.
    codes = [*range(0xD800), *range(0xE000, 0x110000)]
    clean = tf.function(lambda texts: graph_normalization.clean(texts, CASES[kind]))
    alone = tf.strings.length(clean(tf.constant([chr(code) for code in codes])))
    around = tf.reduce_sum(tf.strings.length(clean(tf.constant(list(place.replace("{}", ""))))))
    whole = tf.strings.length(clean(tf.constant([place.format(chr(code)) for code in codes])))
    assert bool(tf.reduce_all(whole == alone + around))
