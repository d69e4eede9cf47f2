"""BERT's tokenizer: text, normalised, to its words and to the ids of their pieces."""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_text as tf_text

from mslt_tf.text_case import TextCase
from mslt_tf.tokenization import characters
from mslt_tf.tokenization.normalization import MAX_WORD_BYTES, clean, normalize

UNKNOWN = "[UNK]"
_NO_CHARACTER = "\U0010ffff"


def make_piece_tokenizer(vocabulary: list[str]) -> tf_text.FastWordpieceTokenizer:
    """Returns what splits normalised text into words as BERT does, and looks up their pieces."""
    return tf_text.FastWordpieceTokenizer(
        [_unless_of_two_words(token, index) for index, token in enumerate(vocabulary)],
        token_out_type=tf.int32,
        unknown_token=UNKNOWN,
        max_bytes_per_word=MAX_WORD_BYTES,
        no_pretokenization=False,
    )


def _unless_of_two_words(token: str, index: int) -> str:
    """Returns a token; for "a b", which no word of BERT's is, one that no normalised text holds."""
    has_space = any(map(characters.is_space, token))
    return f"{characters.REPLACEMENT}{characters.REPLACEMENT}{index}" if has_space else token


class WordpieceTokenizer:
    """Gives the ids that google-research/bert's FullTokenizer gives."""

    def __init__(self, vocabulary: list[str], case: TextCase) -> None:
        self._pieces = make_piece_tokenizer(vocabulary)
        self._case = case

    def tokenize(self, texts: Sequence[str]) -> tf.RaggedTensor:
        """Returns int32 [texts, (tokens)]."""
        normalized = normalize(texts, self._case)
        return self._pieces.tokenize(tf.constant(normalized, tf.string))


class WordSplitter:
    """Gives the words that BERT looks up pieces of; needs no vocabulary."""

    def __init__(self, case: TextCase) -> None:
        # Every word is one unknown token, whose offsets tell where the word stands.
        self._pieces = make_piece_tokenizer([UNKNOWN, _NO_CHARACTER])
        self._case = case

    def words(self, texts: Sequence[str]) -> list[list[str]]:
        """Returns the words of each text, also those that are [UNK] for their length."""
        cleaned = [text.encode() for text in clean(texts, self._case)]
        offsets = self._pieces.tokenize_with_offsets(tf.constant(cleaned, tf.string))
        begins, ends = (of_texts.to_list() for of_texts in offsets[1:])  # bytes
        return [
            [text[first:last].decode() for first, last in zip(firsts, lasts, strict=True)]
            for text, firsts, lasts in zip(cleaned, begins, ends, strict=True)
        ]
