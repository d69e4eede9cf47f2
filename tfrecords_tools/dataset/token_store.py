"""The tokenised corpus on disk: written piece by piece, joined, read through memory maps.

A folder holds arrays as plain files; a joined one has `facts.json` too, written last: where it
stands, the store is complete. Local disk only, as memory maps need it.
"""

import dataclasses
import functools
import hashlib
import mmap
import operator
import os
import shutil
from collections.abc import Iterable, Sequence
from typing import IO

import numpy as np

from mslt_tf.files import removal
from tfrecords_tools.dataset import repeated_documents
from tfrecords_tools.dataset.work_files import read_result, say_damaged, write_json
from tfrecords_tools.recipe.corpus import Corpus
from tfrecords_tools.tokenization import TokenBatch
from tfrecords_tools.unknown_words import UnknownCounts

FACTS_FILE = "facts.json"
_TOKENS, _SENTENCES, _DOCUMENTS = "tokens", "sentences", "documents"
_HASHES = "hashes"  # of the documents of a piece; the joined store has what they tell:
_REPEATS = "repeats"
_OF_PIECE = (_TOKENS, _SENTENCES, _DOCUMENTS, _HASHES)
_OF_JOINED = (_TOKENS, _SENTENCES, _DOCUMENTS, _REPEATS)
_STARTS_DTYPE = np.dtype(np.int64)
_TOKEN_BYTES = (2, 4)  # of the types of `token_dtype`


@dataclasses.dataclass(frozen=True)
class StoreFacts:
    """Counts of what a store holds and of what was left out of it."""

    num_documents: int = 0
    num_sentences: int = 0
    num_tokens: int = 0
    num_unknown_tokens: int = 0
    num_empty_documents: int = 0
    num_empty_sentences: int = 0
    sha256: str = ""  # of the text, sentence by sentence, and of how it was cut into pieces
    num_repeated_documents: int | None = None  # that are an earlier one again; of a joined store
    unknown: UnknownCounts = dataclasses.field(default_factory=UnknownCounts)


class TokenStore:
    """A joined store, open for reading."""

    def __init__(self, folder: str, *, vocab_size: int):
        """Maps the files of `folder` into memory; nothing is read yet."""
        self._maps = {
            name: _map(os.path.join(folder, name)) for name in (_TOKENS, _SENTENCES, _DOCUMENTS)
        }
        self.corpus = Corpus(
            tokens=np.frombuffer(self._maps[_TOKENS], token_dtype(vocab_size)),
            sentence_starts=np.frombuffer(self._maps[_SENTENCES], _STARTS_DTYPE),
            document_starts=np.frombuffer(self._maps[_DOCUMENTS], _STARTS_DTYPE),
        )
        self.repeats = repeated_documents.read(os.path.join(folder, _REPEATS))

    def release(self) -> None:
        """Gives back the memory of what was read; reading it again takes it from the disk cache.

        Without it a process that reads here and there ends up holding the whole corpus.
        """
        for mapped in self._maps.values():
            mapped.madvise(mmap.MADV_DONTNEED)


def token_dtype(vocab_size: int) -> np.dtype[np.generic]:
    """Returns the type in which tokens are stored: two bytes where they do."""
    return np.dtype(np.uint16 if vocab_size <= 1 << 16 else np.int32)


def write_piece(
    folder: str, batches: Iterable[TokenBatch], *, vocab_size: int, unk_id: int
) -> StoreFacts:
    """Writes the tokens of one piece of text as they come; returns all facts but the hash."""
    os.makedirs(folder, exist_ok=True)
    facts = StoreFacts()
    dtype = token_dtype(vocab_size)
    with (
        _create(folder, _TOKENS) as tokens,
        _create(folder, _SENTENCES) as sentences,
        _create(folder, _DOCUMENTS) as documents,
        _create(folder, _HASHES) as hashes,
    ):
        for batch in batches:
            tokens.write(batch.tokens.astype(dtype))
            sentences.write(batch.sentence_lengths.astype(np.int64))
            documents.write(batch.document_sizes.astype(np.int64))
            hashes.write(batch.document_hashes)
            facts = StoreFacts(
                num_documents=facts.num_documents + len(batch.document_sizes),
                num_sentences=facts.num_sentences + len(batch.sentence_lengths),
                num_tokens=facts.num_tokens + len(batch.tokens),
                num_unknown_tokens=facts.num_unknown_tokens + int((batch.tokens == unk_id).sum()),
                num_empty_documents=facts.num_empty_documents + batch.num_empty_documents,
                num_empty_sentences=facts.num_empty_sentences + batch.num_empty_sentences,
            )
    return facts


def is_whole(folder: str, facts: StoreFacts, *, is_joined: bool = False) -> bool:
    """Returns whether the files of a store are as long as its facts say; they may be cut off.

    Args:
        folder: of a piece, or of a joined store.
        facts: of it.
        is_joined: whether it is a joined store.
    """
    names = _OF_JOINED if is_joined else _OF_PIECE
    sizes = {name: _size(os.path.join(folder, name)) for name in names}
    num_ends = int(is_joined)  # one start more than sentences and documents
    wanted = {
        _SENTENCES: (facts.num_sentences + num_ends) * _STARTS_DTYPE.itemsize,
        _DOCUMENTS: (facts.num_documents + num_ends) * _STARTS_DTYPE.itemsize,
        _HASHES: facts.num_documents * repeated_documents.HASH_DTYPE.itemsize,
        _REPEATS: (facts.num_repeated_documents or 0) * repeated_documents.REPEAT_BYTES,
    }
    possible_tokens = [facts.num_tokens * size for size in _TOKEN_BYTES]
    return sizes.pop(_TOKENS) in possible_tokens and all(
        size == wanted[name] for name, size in sizes.items()
    )


def find_joined(folder: str) -> StoreFacts | None:
    """Returns the facts of a joined store; None where there is none, or a damaged one."""
    path = os.path.join(folder, FACTS_FILE)
    facts = read_result(path, StoreFacts)
    if facts is not None and not is_whole(folder, facts, is_joined=True):
        say_damaged(folder, "a file is shorter than it was")
        return None
    return facts


def join(
    pieces: Sequence[str],
    facts: Sequence[StoreFacts],
    folder: str,
    *,
    joined: StoreFacts | None = None,
) -> StoreFacts:
    """Joins the folders of complete pieces, in this order, into a store; then removes them.

    Args:
        pieces: their folders.
        facts: of each.
        folder: of the store.
        joined: what `find_joined` found there: then only leftovers are removed.
    """
    total = joined or _join(pieces, sum_facts(facts), folder)
    for piece in pieces:
        removal.remove(piece, _OF_PIECE.__contains__)
    return total


def _join(pieces: Sequence[str], facts: StoreFacts, folder: str) -> StoreFacts:
    """Writes the store; returns its facts, those of all pieces and how many documents repeat."""
    os.makedirs(folder, exist_ok=True)
    with _create(folder, _TOKENS) as tokens:
        for piece in pieces:
            with open(os.path.join(piece, _TOKENS), "rb") as part:
                shutil.copyfileobj(part, tokens, 1 << 20)
    for name in (_SENTENCES, _DOCUMENTS):
        _join_starts(name, pieces, folder)
    repeats = repeated_documents.find([os.path.join(piece, _HASHES) for piece in pieces])
    with _create(folder, _REPEATS) as file:
        file.write(repeats)
    total = dataclasses.replace(facts, num_repeated_documents=len(repeats))
    write_json(os.path.join(folder, FACTS_FILE), dataclasses.asdict(total))
    return total


def _join_starts(name: str, pieces: Sequence[str], folder: str) -> None:
    """Writes where each sentence or document begins, and where the last one ends."""
    end = 0
    with _create(folder, name) as starts:
        starts.write(np.zeros(1, _STARTS_DTYPE))
        for piece in pieces:
            lengths = np.fromfile(os.path.join(piece, name), np.int64)
            starts.write(end + np.cumsum(lengths, dtype=_STARTS_DTYPE))
            end += int(lengths.sum())


def sum_facts(parts: Sequence[StoreFacts]) -> StoreFacts:
    """Returns the facts of all pieces together; their order decides the hash."""
    counts = [field.name for field in dataclasses.fields(StoreFacts) if field.default == 0]
    digest = hashlib.sha256("\n".join(part.sha256 for part in parts).encode())
    sums = {name: sum(getattr(part, name) for part in parts) for name in counts}
    unknown = functools.reduce(operator.add, (part.unknown for part in parts), UnknownCounts())
    return StoreFacts(**sums, sha256=digest.hexdigest(), unknown=unknown)


def _create(folder: str, name: str) -> IO[bytes]:
    return open(os.path.join(folder, name), "wb")


def _size(path: str) -> int:
    return os.path.getsize(path) if os.path.exists(path) else -1


def _map(path: str) -> mmap.mmap:
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
