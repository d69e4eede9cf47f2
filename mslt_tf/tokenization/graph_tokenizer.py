"""BERT's tokenizer as TensorFlow operations, all of which TensorFlow Serving has.

Words used in shapes: batch (texts), words (of a text), pieces (of a word), tokens (of a text).
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from mslt_tf.text_case import TextCase
from mslt_tf.tokenization import graph_normalization
from mslt_tf.tokenization.normalization import MAX_WORD_CHARACTERS
from mslt_tf.tokenization.wordpiece import UNKNOWN, make_piece_tokenizer
from mslt_tf.vocabulary import CONTINUATION


class Pieces(NamedTuple):
    """Tokens, and where they stand."""

    ids: tf.RaggedTensor  # int32
    starts: tf.RaggedTensor  # int64, of the first byte in the text
    limits: tf.RaggedTensor  # int64, of the byte behind the last


class _Characters(NamedTuple):
    """The valid characters of all texts, one after the other, and what becomes of them."""

    starts: tf.Tensor  # int64 [characters], of the first byte in the text
    limits: tf.Tensor  # int64 [characters], of the byte behind the last
    of_bytes: tf.Tensor  # int64 [bytes of all cleaned texts], the character that a byte comes from
    lengths_until: tf.Tensor  # int64 [characters + 1], cleaned characters before it, without blanks


class GraphTokenizer:
    """Gives the tokens of `wordpiece.WordpieceTokenizer`, within a graph."""

    def __init__(self, vocabulary: Sequence[str], case: TextCase) -> None:
        self._pieces = make_piece_tokenizer(list(vocabulary))
        self._case = case
        self._continues = [token.startswith(CONTINUATION) for token in vocabulary]
        self._unknown = vocabulary.index(UNKNOWN)

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of texts [batch] as int32 [batch, (words), (pieces)]."""
        ids = self._pieces.tokenize(graph_normalization.normalize(texts, self._case))
        return _by_words(ids, self._begins(ids))

    def tokenize_with_offsets(self, texts: tf.Tensor) -> Pieces:
        """Returns the same, and where each piece stands in the text, [batch, (words), (pieces)].

        The offsets span whole characters of the text: the letters of a Hangul syllable all stand
        where the syllable does. A mark that is taken off belongs to a piece if more of it follows.
        """
        characters = _characters(texts, self._case)
        cleaned = graph_normalization.clean(texts, self._case)
        ids, starts, limits = self._pieces.tokenize_with_offsets(cleaned)
        # From here on all texts are one; what is not said otherwise is [tokens of all texts].
        begins = self._begins(ids)
        row_begins = tf.gather(tf.cumsum(_byte_counts(cleaned), exclusive=True), ids.value_rowids())
        firsts = tf.gather(characters.of_bytes, row_begins + starts.flat_values)
        lasts = tf.gather(characters.of_bytes, row_begins + limits.flat_values - 1)
        is_long, word_lasts = _long_words(characters, begins, firsts, lasts)
        columns = (
            tf.where(is_long, self._unknown, ids.flat_values),
            tf.gather(characters.starts, firsts),
            tf.gather(characters.limits, tf.where(is_long, word_lasts, lasts)),
        )
        is_kept = begins | ~is_long  # a long word is one unknown token
        rows, kept_begins = ids.with_flat_values(is_kept), tf.boolean_mask(begins, is_kept)
        kept = (tf.ragged.boolean_mask(ids.with_flat_values(column), rows) for column in columns)
        return Pieces(*(_by_words(column, kept_begins) for column in kept))

    def _begins(self, ids: tf.RaggedTensor) -> tf.Tensor:
        """Returns bool [tokens of all texts]: whether each begins a word."""
        return tf.logical_not(tf.gather(self._continues, ids.flat_values))


def _characters(texts: tf.Tensor, case: TextCase) -> _Characters:
    """Cleans each character alone.

    Together they may become another text, but one as long: what a capital sigma becomes depends on
    what stands behind it, and marks are put in order.
    """
    characters, starts = tf.strings.unicode_split_with_offsets(texts, "UTF-8", errors="ignore")
    cleaned = graph_normalization.clean(characters.flat_values, case)
    sizes = tf.strings.length(cleaned)  # in bytes
    lengths = tf.strings.length(tf.strings.regex_replace(cleaned, " ", ""), unit="UTF8_CHAR")
    return _Characters(
        starts=starts.flat_values,
        limits=starts.flat_values + _byte_counts(characters.flat_values),
        of_bytes=tf.repeat(tf.range(tf.size(sizes, tf.int64)), sizes),
        lengths_until=tf.concat([[0], tf.cumsum(tf.cast(lengths, tf.int64))], axis=0),
    )


def _long_words(
    characters: _Characters, begins: tf.Tensor, firsts: tf.Tensor, lasts: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns of each token's word whether BERT takes it for too long, and its last character.

    Args:
        characters: of all texts.
        begins: bool [tokens], whether each begins a word.
        firsts: int64 [tokens], the first character of each.
        lasts: int64 [tokens], its last.
    """
    words = tf.cumsum(tf.cast(begins, tf.int32)) - 1  # [tokens], each one's word
    word_firsts = tf.gather(tf.boolean_mask(firsts, begins), words)
    word_lasts = tf.gather(tf.math.segment_max(lasts, words), words)
    until_first = tf.gather(characters.lengths_until, word_firsts)
    until_end = tf.gather(characters.lengths_until, word_lasts + 1)
    return until_end - until_first > MAX_WORD_CHARACTERS, word_lasts


def _byte_counts(texts: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.strings.length(texts), tf.int64)


def _by_words(tokens: tf.RaggedTensor, begins: tf.Tensor) -> tf.RaggedTensor:
    """Turns [batch, (tokens)] into [batch, (words), (pieces)].

    Args:
        tokens: of the texts.
        begins: bool [tokens of all texts], whether each begins a word.
    """
    words = tf.RaggedTensor.from_row_starts(
        tokens.flat_values, tf.reshape(tf.where(begins), [-1]), validate=False
    )
    counts = tf.reduce_sum(tokens.with_flat_values(tf.cast(begins, tf.int64)), axis=1)
    return tf.RaggedTensor.from_row_lengths(words, counts, validate=False)
