"""What is known of a file of records: how it stores them, where its blocks begin, what they hold.

Large files are cut into blocks of records, so that a run can begin in their middle and need not
hold one whole. Gzip files cannot be entered in the middle and stay one block, so they are read
several times, each time for a part of their records.
"""

import dataclasses

import tensorflow as tf

from mslt_tf.dataset_info import Compression
from mslt_tf.pretraining_example import FEATURES, FeatureNames, feature_length, stored_name

BLOCK_BYTES = 32 * 1024 * 1024  # of records that are permuted, or held, as one

_NAMES_IN_WORDS = {"v1": "BERT's feature names", "v2": "Model Garden's feature names"}
_COMPRESSION_IN_WORDS = {"": "no compression", "GZIP": "gzip compression"}


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a file stores its records."""

    max_seq_length: int
    max_predictions_per_seq: int
    feature_names: FeatureNames
    compression: Compression

    def features(self) -> dict[str, tf.io.FixedLenFeature]:
        """Returns what `tf.io.parse_example` needs, by stored name."""
        return {
            stored_name(feature, self.feature_names): tf.io.FixedLenFeature(
                [
                    feature_length(
                        feature,
                        max_seq_length=self.max_seq_length,
                        max_predictions_per_seq=self.max_predictions_per_seq,
                    )
                ],
                tf.as_dtype(feature.dtype),
            )
            for feature in FEATURES
        }

    @property
    def rows_held(self) -> int:
        """How many records take `BLOCK_BYTES`, if they are as large as records can be."""
        # Ids take three bytes in a record, positions two, weights four, the others one.
        largest = 5 * self.max_seq_length + 9 * self.max_predictions_per_seq + 210
        return max(1, BLOCK_BYTES // largest)

    def in_words(self, *, unlike: "Layout | None" = None) -> str:
        """Returns what the layout is, to stand behind "has"; only what differs from `unlike`.

        >>> Layout(128, 20, "v1", "").in_words(unlike=Layout(512, 20, "v1", "GZIP"))
        '128 tokens, no compression'
        """
        words = {
            "max_seq_length": f"{self.max_seq_length} tokens",
            "max_predictions_per_seq": f"{self.max_predictions_per_seq} predictions",
            "feature_names": _NAMES_IN_WORDS[self.feature_names],
            "compression": _COMPRESSION_IN_WORDS[self.compression],
        }
        return ", ".join(
            text
            for name, text in words.items()
            if unlike is None or getattr(unlike, name) != getattr(self, name)
        )


@dataclasses.dataclass(frozen=True)
class Block:
    """Consecutive records of one file."""

    path: str
    byte_offset: int
    num_records: int


@dataclasses.dataclass(frozen=True)
class FileFacts:
    """What one file holds."""

    layout: Layout
    blocks: tuple[Block, ...]
    vocab_size: int  # of the vocabulary, or the largest token id + 1 if that is all we know
    largest_segment: int  # id
    num_masked: int | None  # tokens to predict; None: not counted, as the file is described
    checksum: str  # of the records, see `dataset_info.extend_checksum`; "" if unknown

    @property
    def num_records(self) -> int:
        """How many records all blocks hold."""
        return sum(block.num_records for block in self.blocks)
