"""From sentences to WordPiece ids, by a vocabulary file and tensorflow-text's fast tokenizer."""

import dataclasses
import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_text as tf_text

from mslt_tf.errors import UserError
from mslt_tf.vocabulary import parse_vocabulary
from tfrecords_tools import corpus as corpus_lib
from tfrecords_tools import masking, recipe

_BATCH_SENTENCES = 8_192  # enough to pay for a call of TensorFlow, little memory


@dataclasses.dataclass(frozen=True)
class TokenizedDocuments:
    """A corpus, what was left out of it, and what it was made of."""

    corpus: recipe.Corpus
    num_empty_documents: int  # no sentence, or no token in any
    num_empty_sentences: int  # no token, e.g. control characters only
    sha256: str  # of the text, sentence by sentence


def read_vocabulary(path: str) -> list[str]:
    """Returns the tokens of a vocabulary file, one a line, in order of their ids.

    Raises:
        UserError: there is no such file, it cannot be read, or it is no vocabulary.
    """
    with corpus_lib.reading(f"--vocab_file {path}"):
        if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
            raise UserError(
                f"--vocab_file {path} is no file. Give a WordPiece vocabulary, one token a line, "
                "or make one: python -m tfrecords_tools.build_vocab --help"
            )
        with tf.io.gfile.GFile(path, "rb") as file:
            content = file.read()
    return parse_vocabulary(content, path=path)


def special_tokens(vocabulary: list[str]) -> masking.SpecialTokens:
    """Returns the ids that the recipe places by itself."""
    return masking.SpecialTokens(
        cls_id=vocabulary.index("[CLS]"),
        sep_id=vocabulary.index("[SEP]"),
        mask_id=vocabulary.index("[MASK]"),
        vocab_size=len(vocabulary),
    )


def make_tokenizer(vocabulary: list[str], *, do_lower_case: bool) -> tf_text.FastBertTokenizer:
    """Returns BERT's tokenizer; lower-casing strips accents too."""
    return tf_text.FastBertTokenizer(
        vocabulary, token_out_type=tf.int32, lower_case_nfd_strip_accents=do_lower_case
    )


def tokenize_documents(
    documents: Iterable[corpus_lib.Document], tokenizer: tf_text.FastBertTokenizer
) -> TokenizedDocuments:
    """Splits documents into sentences and tokenises these; leaves out what holds no token."""
    digest = hashlib.sha256()
    lengths: list[npt.NDArray[np.int64]] = []  # tokens of each sentence, a batch an entry
    tokens: list[npt.NDArray[np.int32]] = []
    document_sizes: list[int] = []  # sentences of each document
    batch: list[str] = []

    def tokenize_batch() -> None:
        ragged = tokenizer.tokenize(tf.constant(batch))  # [sentences, (tokens)]
        tokens.append(ragged.values.numpy())
        lengths.append(ragged.row_lengths().numpy())
        batch.clear()

    for document in documents:
        sentences = corpus_lib.split_sentences(document)
        digest.update("\n".join([*sentences, "\n"]).encode("utf-8"))
        document_sizes.append(len(sentences))
        batch.extend(sentences)
        if len(batch) >= _BATCH_SENTENCES:
            tokenize_batch()
    if batch:
        tokenize_batch()
    return _without_empty(
        np.concatenate(tokens) if tokens else np.zeros(0, np.int32),
        np.concatenate(lengths) if lengths else np.zeros(0, np.int64),
        np.array(document_sizes, np.int64),
        sha256=digest.hexdigest(),
    )


def _without_empty(
    tokens: npt.NDArray[np.int32],
    sentence_lengths: npt.NDArray[np.int64],
    document_sizes: npt.NDArray[np.int64],
    *,
    sha256: str,
) -> TokenizedDocuments:
    """Leaves out sentences without a token, then documents without a sentence.

    Args:
        tokens: [tokens] of all sentences.
        sentence_lengths: [sentences] in tokens.
        document_sizes: [documents] in sentences.
        sha256: of the text.
    """
    document_of = np.repeat(np.arange(len(document_sizes)), document_sizes)  # [sentences]
    has_tokens = sentence_lengths > 0
    sizes = np.bincount(document_of[has_tokens], minlength=len(document_sizes))
    return TokenizedDocuments(
        corpus=recipe.Corpus(
            tokens=tokens,
            sentence_starts=_starts(sentence_lengths[has_tokens]),
            document_starts=_starts(sizes[sizes > 0]),
        ),
        num_empty_documents=int((sizes == 0).sum()),
        num_empty_sentences=int((~has_tokens).sum()),
        sha256=sha256,
    )


def _starts(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Returns [items + 1]: where each of the items begins, and where the last one ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
