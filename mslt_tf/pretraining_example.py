"""One pretraining record: feature names, types and shapes, shared by its writer and its reader.

A record is a `tf.train.Example` with the features of google-research/bert's
`create_pretraining_data.py`. Padding is 0 everywhere; `masked_lm_weights` is 1.0 for a prediction
and 0.0 for padding; `masked_lm_positions` ascend. TensorFlow Model Garden may call three of the
features by other names ("v2"); writers here use BERT's names, readers accept both.
"""

import dataclasses
from collections.abc import Iterable
from typing import Literal

FeatureNames = Literal["v1", "v2"]
# What a sentence label is about: BERT's next sentence, ALBERT's sentence order.
SentenceObjective = Literal["nsp", "sop"]


@dataclasses.dataclass(frozen=True)
class Feature:
    """One feature of a record; all are fixed-length lists."""

    name: str
    dtype: Literal["int64", "float32"]
    length: Literal["max_seq_length", "max_predictions_per_seq", "one"]
    v2_name: str


FEATURES = (
    Feature("input_ids", "int64", "max_seq_length", "input_word_ids"),
    Feature("input_mask", "int64", "max_seq_length", "input_mask"),
    Feature("segment_ids", "int64", "max_seq_length", "input_type_ids"),
    Feature("masked_lm_positions", "int64", "max_predictions_per_seq", "masked_lm_positions"),
    Feature("masked_lm_ids", "int64", "max_predictions_per_seq", "masked_lm_ids"),
    Feature("masked_lm_weights", "float32", "max_predictions_per_seq", "masked_lm_weights"),
    Feature("next_sentence_labels", "int64", "one", "next_sentence_labels"),
)

# The sentence label of "nsp": 0 = the second segment follows the first, 1 = it is a random one.
IS_NEXT, IS_RANDOM_NEXT = 0, 1
# Of "sop", in the same feature: 0 = the segments stand as in the text, 1 = they are swapped. The
# sense of google-research/albert and of Hugging Face's `sentence_order_label`.
IN_ORDER, SWAPPED = 0, 1


# What stands in the place of a predicted token, as in BERT.
MASK_SHARE = 0.8  # [MASK]; half of the others stay as they are, half are random words
KEEP_SHARE_OF_REST = 0.5


def feature_length(feature: Feature, *, max_seq_length: int, max_predictions_per_seq: int) -> int:
    """Returns how many values `feature` holds in a record of these lengths.

    >>> feature_length(FEATURES[0], max_seq_length=128, max_predictions_per_seq=20)
    128
    """
    lengths = {
        "max_seq_length": max_seq_length,
        "max_predictions_per_seq": max_predictions_per_seq,
        "one": 1,
    }
    return lengths[feature.length]


def stored_name(feature: Feature, feature_names: FeatureNames) -> str:
    """Returns the name under which a file with `feature_names` stores `feature`."""
    return feature.name if feature_names == "v1" else feature.v2_name


def detect_feature_names(stored: Iterable[str]) -> FeatureNames | None:
    """Returns which naming has all its features among the `stored` names, or None if neither.

    >>> detect_feature_names(["input_word_ids"]) is None
    True
    """
    present = set(stored)
    namings: tuple[FeatureNames, ...] = ("v1", "v2")
    for feature_names in namings:
        if present >= {stored_name(feature, feature_names) for feature in FEATURES}:
            return feature_names
    return None
