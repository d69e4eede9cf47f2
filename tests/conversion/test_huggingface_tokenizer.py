"""AutoTokenizer, loaded from a written folder, gives the ids of our own tokenizer."""

import itertools
import random

import pytest

from mslt_tf.conversion import huggingface_tokenizer
from mslt_tf.text_case import TextCase
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer, WordSplitter
from mslt_tf.vocabulary import SPECIAL_TOKENS
from tests import real_text
from tests.tokenization.texts import (
    BETWEEN_LETTERS,
    KINDS,
    LANGUAGES,
    ODD_TEXTS,
    PLACES,
    characters,
    code_points,
    differences,
    every_kind,
    real_vocabulary,
)

# Capitals of Unicode 15 to 17. The library lower-cases those that its version knows.
RECENT_CAPITALS = code_points("1C89 A7CB-A7CC A7CE A7D2 A7D4 A7DA A7DC 10D50-10D65 16EA0-16EB8")


def load(folder, vocabulary, kind, **options):
    transformers = pytest.importorskip("transformers")
    files = huggingface_tokenizer.files(vocabulary, KINDS[kind], max_length=512, num_segments=2)
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())
    return transformers.AutoTokenizer.from_pretrained(folder, **options)


def ids_of(theirs, texts):
    # Texts are longer than the model's sequences here, which they would remark upon.
    return theirs(texts, add_special_tokens=False, verbose=False)["input_ids"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("bert-base-uncased", kind) for kind in KINDS),
        ("bert-base-chinese", "uncased"),
        ("bert-base-chinese", "cased"),
    ],
)
def test_ids_of_real_and_odd_texts_are_ours(tmp_path, name, kind):
    xquad = [real_text.path(f"xquad/{language}.txt") for language in LANGUAGES]
    wikipedia = real_text.path("wikipedia/wiki_00")
    lines = [line for path in xquad for line in path.read_text("utf-8").split("\n") if line]
    lines += [line for line in wikipedia.read_text("utf-8").split("\n")[:2_000] if line][:1_000]
    texts = [*lines, *ODD_TEXTS]
    assert len(texts) > 2_000
    vocabulary = real_vocabulary(name)
    ours = WordpieceTokenizer(vocabulary, KINDS[kind]).tokenize(texts).to_list()
    theirs = load(tmp_path, vocabulary, kind)
    assert differences(texts, ids_of(theirs, texts), ours) == []


def words_of(theirs, texts):
    """Returns the words that the library looks up, with nothing cut into pieces."""
    backend = theirs.backend_tokenizer
    normalize = backend.normalizer.normalize_str
    split = backend.pre_tokenizer.pre_tokenize_str
    return [[word for word, _ in split(normalize(text))] for text in texts]


def check_words(folder, kind, place, *, with_ideographs):
    theirs = load(folder, [*SPECIAL_TOKENS, "a"], kind)
    ours = WordSplitter(KINDS[kind])

    def differing(groups):
        texts = [" ".join(place.format(character) for character in group) for group in groups]
        found = zip(groups, words_of(theirs, texts), ours.words(texts), strict=True)
        return [character for group, t, o in found if t != o for character in group]

    everything = list(characters(with_ideographs=with_ideographs))
    # A hundred at once, as a text costs more than a word; each by itself where these differ.
    suspects = differing([everything[i : i + 100] for i in range(0, len(everything), 100)])
    unequal = set(differing([[character] for character in suspects]))
    assert unequal <= (RECENT_CAPITALS if KINDS[kind].do_lower_case else frozenset())


@pytest.mark.parametrize("place", PLACES)
def test_words_are_ours_around_characters_of_all_scripts(tmp_path, place):
    check_words(tmp_path, "uncased", place, with_ideographs=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "place"), list(itertools.product(KINDS, (BETWEEN_LETTERS, PLACES[2])))
)
def test_words_are_ours_around_all_code_points(tmp_path, kind, place):
    check_words(tmp_path, kind, place, with_ideographs=True)


@every_kind
def test_any_text_has_our_words(tmp_path, kind):
    rng = random.Random(1)
    alphabet = "aB.' \t\r\n\x00\u0391\u03a3:\u00df\u00e9\u0130\u01c5\u0301\u0327\u02b0"
    alphabet += "\u00ad\u200d\u2028\u4e2d\uac00\ufffd\u0378\ue000\U00011938\u0e33\U0001f600"
    texts = ["".join(rng.choices(alphabet, k=rng.randrange(12))) for _ in range(3_000)]
    theirs = words_of(load(tmp_path, [*SPECIAL_TOKENS, "a"], kind), texts)
    assert differences(texts, theirs, WordSplitter(KINDS[kind]).words(texts)) == []


VOCABULARY = [*SPECIAL_TOKENS, "mask", "a", "##b", "[", "]", "sep", "\u2028", "b c"]


def test_special_tokens_in_the_text_are_themselves_or_text_as_asked(tmp_path):
    texts = ["[MASK] a[SEP]", "[mask]", "ab [PAD][UNK] [CLS]"]
    theirs = load(tmp_path, VOCABULARY, "uncased")
    tokens = [[VOCABULARY[i] for i in ids] for ids in ids_of(theirs, texts)]
    assert tokens == [
        ["[MASK]", "a", "[SEP]"],
        ["[", "mask", "]"],
        ["a", "##b", "[PAD]", "[UNK]", "[CLS]"],
    ]
    as_text = load(tmp_path, VOCABULARY, "uncased", split_special_tokens=True)
    ours = WordpieceTokenizer(VOCABULARY, KINDS["uncased"]).tokenize(texts).to_list()
    assert ids_of(as_text, texts) == ours
    assert ours[0] == [
        VOCABULARY.index(token) for token in ["[", "mask", "]", "a", "[", "sep", "]"]
    ]


def test_pairs_have_bert_segments_and_texts_are_cut_at_the_models_length(tmp_path):
    theirs = load(tmp_path, VOCABULARY, "uncased")
    pair = theirs("ab", "a a")
    assert theirs.convert_ids_to_tokens(pair["input_ids"]) == (
        ["[CLS]", "a", "##b", "[SEP]", "a", "a", "[SEP]"]
    )
    assert pair["token_type_ids"] == [0, 0, 0, 0, 1, 1, 1]
    assert pair["attention_mask"] == [1] * 7
    assert theirs.model_max_length == 512
    assert len(theirs("a " * 600, truncation=True)["input_ids"]) == 512
    assert theirs("a", padding="max_length", max_length=4)["input_ids"] == [2, 6, 3, 0]
    assert theirs.decode(pair["input_ids"], skip_special_tokens=True) == "ab a a"


def test_a_model_with_one_kind_of_segment_is_given_no_second(tmp_path):
    transformers = pytest.importorskip("transformers")
    files = huggingface_tokenizer.files(VOCABULARY, TextCase(), max_length=8, num_segments=1)
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode())
    pair = transformers.AutoTokenizer.from_pretrained(tmp_path)("ab", "a")
    assert pair["token_type_ids"] == [0] * 6


def test_the_vocabulary_is_the_same_in_all_files(tmp_path):
    theirs = load(tmp_path, VOCABULARY, "uncased")
    assert theirs.get_vocab() == {token: index for index, token in enumerate(VOCABULARY)}
    assert (tmp_path / "vocab.txt").read_bytes().decode().split("\n") == [*VOCABULARY, ""]
    slow = pytest.importorskip("transformers").BertTokenizer(str(tmp_path / "vocab.txt"))
    assert slow.vocab == theirs.get_vocab()
