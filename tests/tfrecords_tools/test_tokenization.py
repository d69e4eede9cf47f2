"""Vocabularies, and the tokenised corpus."""

import dataclasses
import functools
import hashlib
import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from mslt_tf.errors import UserError
from mslt_tf.text_case import TextCase
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer
from tests.tfrecords_tools.numbered_text import SPECIAL_TOKENS
from tfrecords_tools import tokenization
from tfrecords_tools.recipe.corpus import Corpus
from tfrecords_tools.recipe.masking import SpecialTokens

WORDS = ["the", "cat", "sat", "##s", ".", "É"]


def write(path: Path, tokens: list[str], *, line_end: str = "\n") -> str:
    path.write_bytes("".join(token + line_end for token in tokens).encode())
    return str(path)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_tokens_are_the_lines_of_the_file(tmp_path: Path, line_end: str):
    tokens = [*SPECIAL_TOKENS, "a", "\u2028", "\x85"]  # two that str.splitlines() would split at
    path = write(tmp_path / "vocab.txt", tokens, line_end=line_end)
    assert tokenization.read_vocabulary(path) == tokens


def test_the_last_line_needs_no_end(tmp_path: Path):
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIAL_TOKENS, "a"]))
    assert tokenization.read_vocabulary(str(tmp_path / "vocab.txt")) == [*SPECIAL_TOKENS, "a"]


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["[PAD]", "[UNK]", "a", "[SEP]"], r"lacks \[CLS\], \[MASK\]; a vocabulary must"),
        ([*SPECIAL_TOKENS, "a", "b", "a"], "'a' stands on line 6 and again on line 8"),
        ([*SPECIAL_TOKENS, "", "b"], "line 6 is blank"),
        ([], r"lacks \[PAD\]"),
        ([*SPECIAL_TOKENS, "a", "é" * 128 + "a"], "line 7 has 257 bytes; a token must .* 256"),
        ([*SPECIAL_TOKENS, "##" + "a" * 257], "line 6 has 257 bytes; a token must .* 256"),
    ],
)
def test_a_vocabulary_that_cannot_work_is_refused(tmp_path: Path, tokens: list[str], message: str):
    with pytest.raises(UserError, match=message):
        tokenization.read_vocabulary(write(tmp_path / "vocab.txt", tokens))


def test_a_vocabulary_that_is_no_text_or_no_file_is_refused(tmp_path: Path):
    (tmp_path / "vocab.txt").write_bytes(b"[PAD]\n\xff\n")
    with pytest.raises(UserError, match="not UTF-8 text: byte 6 is 0xff"):
        tokenization.read_vocabulary(str(tmp_path / "vocab.txt"))
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UserError, match="is no file"):
            tokenization.read_vocabulary(str(path))


def test_the_longest_tokens_that_are_let_pass_suit_the_tokenizer(tmp_path: Path):
    """Making the tokenizer raises at a token that is one byte longer."""
    tokens = [*SPECIAL_TOKENS, "a" * 256, "##" + "é" * 128]
    vocabulary = tokenization.read_vocabulary(write(tmp_path / "vocab.txt", tokens))
    WordpieceTokenizer(vocabulary, TextCase())


def test_a_pipe_in_place_of_a_vocabulary_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe is no file"):
        tokenization.read_vocabulary(str(tmp_path / "pipe"))


def test_special_tokens_are_found_wherever_they_stand():
    vocabulary = ["a", "[MASK]", "[SEP]", "[UNK]", "[CLS]", "[PAD]"]
    assert tokenization.special_tokens(vocabulary) == SpecialTokens(
        cls_id=4, sep_id=2, mask_id=1, vocab_size=6
    )


@dataclasses.dataclass(frozen=True)
class Tokenized:
    """All batches of some documents as one."""

    corpus: Corpus
    num_empty_documents: int
    num_empty_sentences: int
    sha256: str
    num_batches: int


@functools.cache
def make_tokenizer(do_lower_case: bool) -> WordpieceTokenizer:
    return WordpieceTokenizer(SPECIAL_TOKENS + WORDS, TextCase.of(do_lower_case, None))


def tokenize(
    documents: list[list[str]], *, do_lower_case: bool = True
) -> tuple[Tokenized, list[str]]:
    vocabulary = SPECIAL_TOKENS + WORDS
    tokenizer = make_tokenizer(do_lower_case)
    digest = hashlib.sha256()
    batches = list(tokenization.tokenize_documents(documents, tokenizer, hash_text=digest.update))
    tokens = [int(token) for batch in batches for token in batch.tokens]
    lengths = [int(length) for batch in batches for length in batch.sentence_lengths]
    sizes = [int(size) for batch in batches for size in batch.document_sizes]
    corpus = Corpus(np.array(tokens), np.cumsum([0, *lengths]), np.cumsum([0, *sizes]))
    result = Tokenized(
        corpus,
        num_empty_documents=sum(batch.num_empty_documents for batch in batches),
        num_empty_sentences=sum(batch.num_empty_sentences for batch in batches),
        sha256=digest.hexdigest(),
        num_batches=len(batches),
    )
    return result, [vocabulary[token] for token in tokens]


def test_sentences_and_documents_are_marked_in_one_run_of_tokens():
    result, tokens = tokenize([["The cats sat. The cat sat."], ["Cat", "sat"]])
    assert tokens == ["the", "cat", "##s", "sat", ".", "the", "cat", "sat", ".", "cat", "sat"]
    assert result.corpus.sentence_starts.tolist() == [0, 5, 9, 10, 11]
    assert result.corpus.document_starts.tolist() == [0, 2, 4]


def test_lower_casing_follows_the_setting():
    assert tokenize([["The cat É"]])[1] == ["the", "cat", "[UNK]"]  # the accent is stripped
    assert tokenize([["The cat É"]], do_lower_case=False)[1] == ["[UNK]", "cat", "É"]


@pytest.mark.parametrize(
    ("limit", "value", "num_batches"), [("_BATCH_SENTENCES", 2, 6), ("_BATCH_CHARACTERS", 30, 4)]
)
def test_the_result_does_not_depend_on_the_batches(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int, num_batches: int
):
    documents = [["The cat sat."] * length for length in (3, 1, 5, 2)]  # of 12 characters
    whole, tokens = tokenize(documents)
    monkeypatch.setattr(tokenization, limit, value)
    parts, tokens_of_parts = tokenize(documents)
    assert (whole.num_batches, parts.num_batches) == (1, num_batches)
    assert tokens_of_parts == tokens
    assert parts.corpus.sentence_starts.tolist() == whole.corpus.sentence_starts.tolist()
    assert parts.corpus.document_starts.tolist() == [0, 3, 4, 9, 11]
    assert parts.sha256 == whole.sha256


def test_sentences_and_documents_without_tokens_are_left_out_and_counted():
    accent = "\u0301"  # text for the sentence splitter, stripped by the tokenizer
    result, tokens = tokenize([[], ["cat", accent, "sat"], [accent], ["the"]])
    assert tokens == ["cat", "sat", "the"]
    assert result.corpus.sentence_starts.tolist() == [0, 1, 2, 3]
    assert result.corpus.document_starts.tolist() == [0, 2, 3]
    assert (result.num_empty_documents, result.num_empty_sentences) == (2, 2)


def test_no_documents_at_all_give_an_empty_corpus():
    result, tokens = tokenize([])
    assert tokens == []
    assert result.corpus.num_documents == result.corpus.num_sentences == 0


def test_the_fingerprint_tells_where_sentences_and_documents_end():
    texts = [[["a", "b"]], [["a"], ["b"]], [["ab"]], [["b", "a"]], [["a", "b"], []]]
    assert len({tokenize(documents)[0].sha256 for documents in texts}) == len(texts)


ACCENT = "\u0301"  # a sentence to the sentence splitter; the tokenizer strips it


@pytest.mark.parametrize("batch_sentences", [1, 2, 3])
def test_every_arrangement_of_empty_sentences_and_documents_is_as_if_in_one_batch(
    monkeypatch: pytest.MonkeyPatch, batch_sentences: int
):
    """Documents of up to two sentences, each with a token or without, in all groups of three."""
    kinds = [
        list(sentences)
        for length in range(3)
        for sentences in itertools.product(["The cat sat.", ACCENT], repeat=length)
    ]
    for kind in itertools.product(kinds, repeat=3):
        documents = list(kind)
        with monkeypatch.context() as patch:
            patch.setattr(tokenization, "_BATCH_SENTENCES", batch_sentences)
            parts, _ = tokenize(documents)
        with_tokens = [[s for s in document if s != ACCENT] for document in documents]
        kept = [document for document in with_tokens if document]
        num_kept, num_sentences = sum(map(len, kept)), sum(map(len, documents))
        assert parts.corpus.document_starts.tolist() == np.cumsum([0, *map(len, kept)]).tolist()
        assert parts.corpus.sentence_starts.tolist() == [4 * n for n in range(num_kept + 1)]
        assert parts.num_empty_documents == 3 - len(kept)
        assert parts.num_empty_sentences == num_sentences - num_kept
        assert parts.num_batches >= num_sentences // batch_sentences


def test_a_document_may_span_many_batches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tokenization, "_BATCH_SENTENCES", 3)
    result, tokens = tokenize([["cat"], ["sat"] * 20, [ACCENT] * 7, ["the", "cat"]])
    assert tokens == ["cat", *["sat"] * 20, "the", "cat"]
    assert result.corpus.document_starts.tolist() == [0, 1, 21, 23]
    assert (result.num_empty_documents, result.num_empty_sentences) == (1, 7)
    assert result.num_batches == 11  # of 30 sentences, and a last one that has none
