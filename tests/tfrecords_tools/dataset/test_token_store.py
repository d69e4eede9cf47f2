"""The tokenised text on disk, held against tokenising all at once."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mslt_tf.text_case import TextCase
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer
from tests.tfrecords_tools.numbered_text import SPECIAL_TOKENS
from tfrecords_tools import tokenization
from tfrecords_tools.dataset import token_store
from tfrecords_tools.dataset.token_store import StoreFacts, TokenStore
from tfrecords_tools.tokenization import TokenBatch

VOCABULARY = [*SPECIAL_TOKENS, "the", "cat", "sat", "."]
ACCENT = "\u0301"  # a sentence without a token
SENTENCES = ["The cat sat.", "cat", ACCENT, "Zebra."]
VOCAB_SIZES = [len(VOCABULARY), 1 << 16, (1 << 16) + 1]


def make_documents(count: int, seed: int) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    return [[str(line) for line in rng.choice(SENTENCES, rng.integers(0, 9))] for _ in range(count)]


def batches_of(documents: list[list[str]]) -> Iterator[TokenBatch]:
    tokenizer = WordpieceTokenizer(VOCABULARY, TextCase())
    return tokenization.tokenize_documents(documents, tokenizer)


def write(folder: Path, documents: list[list[str]], vocab_size: int) -> StoreFacts:
    return token_store.write_piece(
        str(folder), batches_of(documents), vocab_size=vocab_size, unk_id=1
    )


def expected_tokens(documents: list[list[str]]) -> list[list[list[int]]]:
    """Returns the ids by document and sentence, those without tokens left out."""
    ids = {"The cat sat.": [5, 6, 7, 8], "cat": [6], ACCENT: [], "Zebra.": [1, 8]}
    of_documents = [[ids[line] for line in document if ids[line]] for document in documents]
    return [document for document in of_documents if document]


def stored_tokens(store: TokenStore) -> list[list[list[int]]]:
    tokens, corpus = store.corpus.tokens.tolist(), store.corpus
    sentences = [tokens[begin:end] for begin, end in itertools.pairwise(corpus.sentence_starts)]
    return [sentences[begin:end] for begin, end in itertools.pairwise(corpus.document_starts)]


@pytest.mark.parametrize("vocab_size", VOCAB_SIZES)
@pytest.mark.parametrize("cuts", [[], [20], [0, 1, 1, 13, 30, 40]])
@pytest.mark.parametrize("batch_sentences", [1, 3, 8_192])
def test_joined_pieces_are_the_whole_text(
    tmp_path: Path,
    vocab_size: int,
    cuts: list[int],
    batch_sentences: int,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(tokenization, "_BATCH_SENTENCES", batch_sentences)
    documents = make_documents(40, seed=1)
    edges = [0, *cuts, 40]
    parts = [documents[a:b] for a, b in itertools.pairwise(edges)]
    folders = [tmp_path / f"piece-{index}" for index in range(len(parts))]
    facts = [write(*pair, vocab_size) for pair in zip(folders, parts, strict=True)]
    total = token_store.join([str(folder) for folder in folders], facts, str(tmp_path / "store"))
    store = TokenStore(str(tmp_path / "store"), vocab_size=vocab_size)
    expected = expected_tokens(documents)
    assert stored_tokens(store) == expected
    assert store.corpus.tokens.dtype == (np.uint16 if vocab_size <= 1 << 16 else np.int32)
    assert total.num_documents == store.corpus.num_documents == len(expected)
    assert total.num_sentences == store.corpus.num_sentences == sum(map(len, expected))
    assert total.num_tokens == len(store.corpus.tokens)
    assert total.num_unknown_tokens == sum(document.count("Zebra.") for document in documents)
    assert total.num_empty_documents == 40 - len(expected)
    assert total.num_empty_sentences == sum(document.count(ACCENT) for document in documents)
    assert not any(folder.exists() for folder in folders)


@pytest.mark.parametrize(("vocab_size", "largest"), [(1 << 16, (1 << 16) - 1), (100_000, 99_999)])
def test_the_largest_token_of_a_vocabulary_is_kept(tmp_path: Path, vocab_size: int, largest: int):
    batch = TokenBatch(
        np.array([0, largest], np.int32), np.array([2]), np.array([1]), np.zeros(1, np.uint64), 0, 0
    )
    folder = str(tmp_path / "piece")
    facts = token_store.write_piece(folder, [batch], vocab_size=vocab_size, unk_id=0)
    token_store.join([folder], [facts], str(tmp_path / "store"))
    store = TokenStore(str(tmp_path / "store"), vocab_size=vocab_size)
    assert store.corpus.tokens.tolist() == [0, largest]


def test_memory_that_is_given_back_is_read_again(tmp_path: Path):
    facts = write(tmp_path / "piece", make_documents(50, seed=2), len(VOCABULARY))
    token_store.join([str(tmp_path / "piece")], [facts], str(tmp_path / "store"))
    store = TokenStore(str(tmp_path / "store"), vocab_size=len(VOCABULARY))
    before = stored_tokens(store)
    for _ in range(2):
        store.release()
        assert stored_tokens(store) == before


@pytest.fixture
def pieces(tmp_path: Path) -> tuple[list[str], list[StoreFacts]]:
    """Three pieces on disk."""
    folders = [tmp_path / f"piece-{index}" for index in range(3)]
    facts = [
        write(folder, make_documents(9, seed=seed), len(VOCABULARY))
        for seed, folder in enumerate(folders)
    ]
    return [str(folder) for folder in folders], facts


@pytest.mark.parametrize("stop_at", range(1, 6))
def test_joining_that_was_stopped_begins_anew(
    tmp_path: Path,
    pieces: tuple[list[str], list[StoreFacts]],
    stop_at: int,
    monkeypatch: pytest.MonkeyPatch,
):
    """Before each of the four arrays, and before the facts."""
    calls = []

    def stopping(function: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object) -> object:
            calls.append(args)
            if len(calls) == stop_at:
                raise KeyboardInterrupt
            return function(*args)

        return call

    folder = str(tmp_path / "store")
    with monkeypatch.context() as patch:
        for name in ("_create", "write_json"):
            patch.setattr(token_store, name, stopping(getattr(token_store, name)))
        with pytest.raises(KeyboardInterrupt):
            token_store.join(*pieces, folder)
    total = token_store.join(*pieces, folder)
    documents = [document for seed in range(3) for document in make_documents(9, seed=seed)]
    store = TokenStore(folder, vocab_size=len(VOCABULARY))
    assert stored_tokens(store) == expected_tokens(documents)
    assert total.num_documents == store.corpus.num_documents


def test_a_complete_store_is_not_written_again(
    tmp_path: Path, pieces: tuple[list[str], list[StoreFacts]]
):
    folder = tmp_path / "store"
    total = token_store.join(*pieces, str(folder))
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    joined = token_store.find_joined(str(folder))
    assert joined == total
    assert token_store.join(*pieces, str(folder), joined=joined) == total  # the pieces are gone
    assert before == {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_the_fingerprint_follows_the_order_of_the_pieces(tmp_path: Path):
    parts = [StoreFacts(1, 1, 1, sha256=name) for name in ("a", "b", "ab")]
    orders = [parts[:2], parts[1::-1], parts[2:], parts]
    prints = {
        token_store.join([], order, str(tmp_path / f"store-{index}")).sha256
        for index, order in enumerate(orders)
    }
    assert len(prints) == len(orders)
