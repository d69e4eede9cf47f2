"""Counts over records, and the rates that show whether they follow BERT's recipe."""

import dataclasses
from typing import Any

import numpy as np

from tfrecords_tools.masking import Features


@dataclasses.dataclass(frozen=True)
class RecordCounts:
    """Sums over records; counts of two batches add up."""

    records: int = 0
    random_next: int = 0  # records whose second segment is a random one
    tokens: int = 0  # special ones included, padding not
    full_length: int = 0  # records without padding
    shortest: int = 0  # tokens; 0 where there is no record
    longest: int = 0
    predictions: int = 0
    masked: int = 0  # predictions that show [MASK]
    kept: int = 0  # that show their own token

    def __add__(self, other: "RecordCounts") -> "RecordCounts":
        sums = {
            field.name: getattr(self, field.name) + getattr(other, field.name)
            for field in dataclasses.fields(self)
        }
        sums["shortest"] = min(filter(None, (self.shortest, other.shortest)), default=0)
        sums["longest"] = max(self.longest, other.longest)
        return RecordCounts(**sums)


def count_records(features: Features, *, mask_id: int) -> RecordCounts:
    """Returns the counts of a batch of at least one record."""
    lengths = features.input_mask.sum(axis=1)
    is_prediction = features.masked_lm_weights > 0  # [records, predictions]
    shown = np.take_along_axis(features.input_ids, features.masked_lm_positions, axis=1)
    shown, label = shown[is_prediction], features.masked_lm_ids[is_prediction]
    return RecordCounts(
        records=len(lengths),
        random_next=int(features.next_sentence_labels.sum()),
        tokens=int(lengths.sum()),
        full_length=int((lengths == features.input_ids.shape[1]).sum()),
        shortest=int(lengths.min()),
        longest=int(lengths.max()),
        predictions=int(is_prediction.sum()),
        masked=int((shown == mask_id).sum()),
        kept=int((shown == label).sum()),
    )


def rates(counts: RecordCounts) -> dict[str, Any]:
    """Returns the statistics of at least one record, by name, as `dataset_info.json` has them."""
    exchanged = counts.predictions - counts.masked - counts.kept
    return {
        "records": counts.records,
        "random_next_rate": round(counts.random_next / counts.records, 4),
        "mean_length": round(counts.tokens / counts.records, 2),
        "shortest": counts.shortest,
        "longest": counts.longest,
        "full_length_rate": round(counts.full_length / counts.records, 4),
        "predictions_per_record": round(counts.predictions / counts.records, 2),
        "prediction_rate": round(counts.predictions / counts.tokens, 4),
        "masked_rate": round(counts.masked / counts.predictions, 4),
        "kept_rate": round(counts.kept / counts.predictions, 4),
        "random_word_rate": round(exchanged / counts.predictions, 4),
    }


def describe(counts: RecordCounts) -> list[str]:
    """Returns the statistics of at least one record as lines for a person."""
    rate = rates(counts)
    return [
        f"records          {counts.records:,}",
        f"random next      {rate['random_next_rate']:.1%} of the records (BERT: 50 %, and all "
        "whose first segment has no sentence after it)",
        f"length           {rate['mean_length']:.1f} tokens on average, {counts.shortest} to "
        f"{counts.longest}; {rate['full_length_rate']:.1%} of the records without padding",
        f"predictions      {rate['predictions_per_record']:.1f} a record, "
        f"{rate['prediction_rate']:.1%} of the tokens",
        f"they show        [MASK] {rate['masked_rate']:.1%}, their own token "
        f"{rate['kept_rate']:.1%}, another token {rate['random_word_rate']:.1%} "
        "(BERT: 80, 10, 10 %)",
    ]
