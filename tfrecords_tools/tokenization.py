"""From documents to WordPiece ids, sentence by sentence."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from mslt_tf.vocabulary import parse_vocabulary
from tfrecords_tools.recipe import masking
from tfrecords_tools.text.files import file_access
from tfrecords_tools.text.formats.text_formats import Document
from tfrecords_tools.text.read_report import ReadReport
from tfrecords_tools.text.sentences.sentence_ends import SentenceSplitting
from tfrecords_tools.text.sentences.sentence_splitting import split_sentences

# Enough to pay for a call of TensorFlow, little memory; the latter where sentences are long.
_BATCH_SENTENCES, _BATCH_CHARACTERS = 8_192, 4_000_000


class Tokenizer(Protocol):
    """What gives the ids of texts."""

    def tokenize(self, texts: Sequence[str]) -> tf.RaggedTensor:
        """Returns int32 [texts, (tokens)]."""


class TokenBatch(NamedTuple):
    """Sentences in the order of the text; a document may go on in the next batch."""

    tokens: npt.NDArray[np.int32]  # [tokens]
    sentence_lengths: npt.NDArray[np.int64]  # [sentences] in tokens, none 0
    document_sizes: npt.NDArray[np.int64]  # [documents that end here] in sentences, none 0
    document_hashes: npt.NDArray[np.uint64]  # [documents that end here]
    num_empty_sentences: int  # left out: no token, e.g. control characters only
    num_empty_documents: int  # left out: no sentence, or no token in any


def read_vocabulary(path: str) -> list[str]:
    """Returns the tokens of a vocabulary file, one a line, in order of their ids.

    Raises:
        UserError: there is no such file, it cannot be read, or it is no vocabulary.
    """
    with file_errors.reading(f"--vocab_file {path}"):
        if not tf.io.gfile.exists(path) or file_access.look_at(path).kind != "file":
            raise UserError(
                f"--vocab_file {path} is no file. Give a WordPiece vocabulary, one token a line, "
                "or make one: python -m tfrecords_tools.build_vocab --help"
            )
        with tf.io.gfile.GFile(path, "rb") as file:
            content = file.read()
    return parse_vocabulary(content, name=f"--vocab_file {path}")


def special_tokens(vocabulary: list[str]) -> masking.SpecialTokens:
    """Returns the ids that the recipe places by itself."""
    return masking.SpecialTokens(
        cls_id=vocabulary.index("[CLS]"),
        sep_id=vocabulary.index("[SEP]"),
        mask_id=vocabulary.index("[MASK]"),
        vocab_size=len(vocabulary),
    )


def hash_document(document: Document) -> int:
    """Returns 64 bits that are the same for documents of the same lines."""
    digest = hashlib.sha256("\n".join(document).encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "little")


def tokenize_documents(
    documents: Iterable[Document],
    tokenizer: Tokenizer,
    *,
    sentence_splitting: SentenceSplitting = "auto",
    report: ReadReport | None = None,
    hash_text: Callable[[bytes], None] = lambda text: None,
) -> Iterator[TokenBatch]:
    """Splits documents into sentences and tokenises these, leaving out what holds no token.

    Args:
        documents: see `corpus`.
        tokenizer: of the vocabulary.
        sentence_splitting: see `split_sentences`, as for the next.
        report: of what had to be cut.
        hash_text: is called with the text, document by document.
    """
    sentences: list[str] = []
    ends: list[int] = []  # how many sentences of the batch stand before each document's end
    hashes: list[int] = []  # of these documents
    carried = 0  # sentences that the document has in earlier batches
    num_characters = 0  # of the sentences

    def tokenize_batch() -> TokenBatch:
        nonlocal carried, num_characters
        ragged = tokenizer.tokenize(sentences)  # [sentences, (tokens)]
        lengths = ragged.row_lengths().numpy()
        kept = np.concatenate([[0], np.cumsum(lengths > 0)])  # [sentences + 1] of those before
        sizes = np.diff(kept[[0, *ends]])
        if ends:
            sizes[0] += carried
        carried = int(kept[-1] - kept[ends[-1]]) if ends else carried + int(kept[-1])
        document_hashes = np.array(hashes, np.uint64)[sizes > 0]
        for begun in (sentences, ends, hashes):
            begun.clear()
        num_characters = 0
        return TokenBatch(
            tokens=ragged.values.numpy(),
            sentence_lengths=lengths[lengths > 0],
            document_sizes=sizes[sizes > 0],
            document_hashes=document_hashes,
            num_empty_sentences=int((lengths == 0).sum()),
            num_empty_documents=int((sizes == 0).sum()),
        )

    for document in documents:
        split = split_sentences(document, sentence_splitting, report=report)
        hash_text("\n".join([*split, "\n\n"] if split else ["\n\n"]).encode("utf-8"))
        for sentence in split:
            sentences.append(sentence)
            num_characters += len(sentence)
            if len(sentences) == _BATCH_SENTENCES or num_characters >= _BATCH_CHARACTERS:
                yield tokenize_batch()
        ends.append(len(sentences))
        hashes.append(hash_document(document))
    if ends:
        yield tokenize_batch()
