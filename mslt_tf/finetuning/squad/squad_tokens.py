"""Many texts at once as tokens that know their characters."""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from mslt_tf.finetuning.squad.squad_windows import OffsetTokens
from mslt_tf.text_case import TextCase
from mslt_tf.tokenization.graph_tokenizer import GraphTokenizer

_BATCH = 512  # texts; with these, the calls into TensorFlow no longer count
_SECONDS_BETWEEN_LINES = 5.0


class OffsetTokenizer:
    """Tokenises texts for one encoder."""

    def __init__(self, vocabulary: Sequence[str], text_case: TextCase) -> None:
        self.cls_id, self.sep_id = (vocabulary.index(token) for token in ("[CLS]", "[SEP]"))
        self._tokenize = tf.function(
            GraphTokenizer(vocabulary, text_case).tokenize_with_offsets,
            input_signature=[tf.TensorSpec([None], tf.string)],
            autograph=False,
        )

    def tokenize(
        self, texts: Iterable[str], *, report: Callable[[str], None]
    ) -> dict[str, OffsetTokens]:
        """Returns the tokens of each text, whole Unicode; a text may come more than once.

        Args:
            texts: of any number and length.
            report: takes lines on how far it is, where it takes more than some seconds.
        """
        waiting = list(dict.fromkeys(texts))
        found: dict[str, OffsetTokens] = {}
        last_line = time.monotonic()
        for begin in range(0, len(waiting), _BATCH):
            batch = waiting[begin : begin + _BATCH]
            found.update(zip(batch, self._tokens(batch), strict=True))
            if time.monotonic() - last_line > _SECONDS_BETWEEN_LINES:
                report(f"tokenised {len(found):,} of {len(waiting):,} texts")
                last_line = time.monotonic()
        return found

    def _tokens(self, texts: Sequence[str]) -> Iterator[OffsetTokens]:
        encoded = [text.encode() for text in texts]
        pieces = self._tokenize(tf.constant(encoded, tf.string))
        columns = [column.merge_dims(1, 2) for column in pieces]  # [texts, (tokens)]
        limits = columns[0].row_splits.numpy()  # [texts + 1]
        text_begins = np.cumsum([0, *map(len, encoded)])[:-1]
        begin_of_tokens = np.repeat(text_begins, np.diff(limits))
        characters = _characters_before(b"".join(encoded))
        before_text = characters[begin_of_tokens]
        ids, *places = (column.flat_values.numpy() for column in columns)
        starts, ends = (characters[begin_of_tokens + place] - before_text for place in places)
        for begin, limit in itertools.pairwise(limits):
            yield OffsetTokens(ids[begin:limit], starts[begin:limit], ends[begin:limit])


def _characters_before(text: bytes) -> npt.NDArray[np.int32]:
    """Returns how many characters of UTF-8 begin before each byte, and before the end."""
    begins_one = (np.frombuffer(text, np.uint8) & 0xC0) != 0x80
    return np.append(0, np.cumsum(begins_one)).astype(np.int32)
