"""`normalization.normalize` as TensorFlow operations, all of which TensorFlow Serving has.

An exported model has only these, and no Python.
"""

import tensorflow as tf
import tensorflow_text as tf_text

from mslt_tf.text_case import TextCase
from mslt_tf.tokenization import characters
from mslt_tf.tokenization.normalization import MAX_WORD_CHARACTERS, TOO_LONG


def normalize(texts: tf.Tensor, case: TextCase) -> tf.Tensor:
    """Returns texts with each word, white space aside, between blanks; too long words as TOO_LONG.

    What is no UTF-8 is left out, as in BERT. Some forty capitals that came with
    Unicode 14 keep their case: TensorFlow's tables are older.

    Args:
        texts: strings of any shape.
        case: what is done to letters.
    """
    long_word = f"[^ ]{{{MAX_WORD_CHARACTERS + 1},}}"
    return tf.strings.regex_replace(clean(texts, case), long_word, TOO_LONG)


def clean(texts: tf.Tensor, case: TextCase) -> tf.Tensor:
    """Returns the same with words of any length."""
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="ignore")
    texts = _replace(texts, characters.is_dropped, "")
    if case.do_lower_case:
        texts = tf.strings.lower(texts, encoding="utf-8")
    if case.strip_accents:
        texts = tf_text.normalize_utf8(texts, "NFD")
        texts = _replace(texts, characters.is_accent, "")
    return _replace(texts, characters.ends_word, r" \0 ")


def _replace(texts: tf.Tensor, is_member: characters.Test, replacement: str) -> tf.Tensor:
    pattern = f"[{characters.class_of(is_member)}]"
    return tf.strings.regex_replace(texts, pattern, replacement)
