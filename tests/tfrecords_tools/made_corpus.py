"""Corpora that are given as sentence lengths, and the pairs that a recipe makes of them."""

import numpy as np
import numpy.typing as npt

from tfrecords_tools.recipe.corpus import Corpus
from tfrecords_tools.recipe.pairs import DocumentPairs, pairs_of_document
from tfrecords_tools.recipe.recipe import Recipe


def make_corpus(documents: list[list[int]]) -> Corpus:
    """Returns a corpus of documents that are given as lengths of their sentences."""
    lengths = [length for document in documents for length in document]
    return Corpus(
        tokens=np.arange(sum(lengths), dtype=np.int32),
        sentence_starts=np.cumsum([0, *lengths]),
        document_starts=np.cumsum([0, *map(len, documents)]),
    )


def one_token_sentences(num_documents: int, length: int) -> Corpus:
    return make_corpus([[1] * length] * num_documents)


def document_of(corpus: Corpus, token: int) -> int:
    starts = corpus.sentence_starts[corpus.document_starts]
    return max(index for index, start in enumerate(starts) if start <= token)


def all_made(
    corpus: Corpus,
    settings: Recipe,
    *,
    num_passes: int = 1,
    documents: npt.NDArray[np.int64] | None = None,
) -> list[DocumentPairs]:
    """Returns what each pass makes of each document (all by default), pass after pass."""
    if documents is None:
        documents = np.arange(corpus.num_documents)
    return [
        pairs_of_document(corpus, documents, rank, recipe=settings, pass_index=pass_index)
        for pass_index in range(num_passes)
        for rank in range(len(documents))
    ]
