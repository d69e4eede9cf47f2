"""Counts over records, and the rates that show whether they follow the recipe."""

import dataclasses
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from mslt_tf.dataset_info import HISTOGRAM_STEP, LENGTH_HISTOGRAM, StoredObjective
from tfrecords_tools.recipe.masking import Features
from tfrecords_tools.recipe.sentence_labels import LABEL_NAMES


@dataclasses.dataclass(frozen=True)
class RecordCounts:
    """Sums over records; counts of two batches add up."""

    records: int = 0
    label_1: int = 0  # records with this sentence label: random next, or swapped
    tokens: int = 0  # special ones included, padding not
    full_length: int = 0  # records without padding
    shortest: int = 0  # tokens; 0 where there is no record
    longest: int = 0
    predictions: int = 0
    masked: int = 0  # predictions that show [MASK]
    kept: int = 0  # that show their own token
    histogram: tuple[int, ...] = ()  # records of 1 to 32 tokens, 33 to 64 and so on; () if unknown

    def __add__(self, other: "RecordCounts") -> "RecordCounts":
        sums = {
            field.name: getattr(self, field.name) + getattr(other, field.name)
            for field in dataclasses.fields(self)
        }
        sums["shortest"] = min(filter(None, (self.shortest, other.shortest)), default=0)
        sums["longest"] = max(self.longest, other.longest)
        sums["histogram"] = _add_histograms(self, other)
        return RecordCounts(**sums)


def _add_histograms(one: RecordCounts, other: RecordCounts) -> tuple[int, ...]:
    if not one.records or not other.records:
        return one.histogram or other.histogram
    if not one.histogram or not other.histogram:  # counted by a version that had none
        return ()
    return tuple(map(operator.add, one.histogram, other.histogram))


def count_records(features: Features, *, mask_id: int) -> RecordCounts:
    """Returns the counts of a batch of at least one record."""
    lengths = features.input_mask.sum(axis=1)
    is_prediction = features.masked_lm_weights > 0  # [records, predictions]
    shown = np.take_along_axis(features.input_ids, features.masked_lm_positions, axis=1)
    shown, label = shown[is_prediction], features.masked_lm_ids[is_prediction]
    return RecordCounts(
        records=len(lengths),
        label_1=int(features.next_sentence_labels.sum()),
        tokens=int(lengths.sum()),
        full_length=int((lengths == features.input_ids.shape[1]).sum()),
        shortest=int(lengths.min()),
        longest=int(lengths.max()),
        predictions=int(is_prediction.sum()),
        masked=int((shown == mask_id).sum()),
        kept=int((shown == label).sum()),
        histogram=_histogram(lengths, features.input_ids.shape[1]),
    )


def _histogram(lengths: np.ndarray, longest: int) -> tuple[int, ...]:
    """Returns how many lengths are 1 to 32, 33 to 64 and so on, up to the longest possible."""
    num_bins = -(-longest // HISTOGRAM_STEP)
    # Records of others may hold padding alone, or masks that are no masks.
    bins = np.clip((lengths - 1) // HISTOGRAM_STEP, 0, num_bins - 1)
    return tuple(np.bincount(bins, minlength=num_bins).tolist())


class RecordCounter:
    """Counts the records of batches on their way to a file.

    Attributes:
        counts: of the batches that are through.
    """

    def __init__(self, *, mask_id: int):
        """Takes the id of [MASK]."""
        self.counts = RecordCounts()
        self._mask_id = mask_id

    def count(
        self,
        batches: Iterable[Features],
        *,
        advance: Callable[[int], None] = lambda num_records: None,
    ) -> Iterator[Features]:
        """Yields the batches; `advance` is called with the number of records of each."""
        for batch in batches:
            yield batch
            self.counts += count_records(batch, mask_id=self._mask_id)
            advance(len(batch.input_ids))


def rates(counts: RecordCounts, sentence_objective: StoredObjective) -> dict[str, Any]:
    """Returns the statistics of at least one record, by name, as `dataset_info.json` has them."""
    label_1_rate = LABEL_NAMES[sentence_objective].statistic
    exchanged = counts.predictions - counts.masked - counts.kept
    predictions = max(counts.predictions, 1)  # of whole words there may be none
    histogram = {LENGTH_HISTOGRAM: list(counts.histogram)} if counts.histogram else {}
    return {
        "records": counts.records,
        label_1_rate: round(counts.label_1 / counts.records, 4),
        "mean_length": round(counts.tokens / counts.records, 2),
        "shortest": counts.shortest,
        "longest": counts.longest,
        "full_length_rate": round(counts.full_length / counts.records, 4),
        "predictions_per_record": round(counts.predictions / counts.records, 2),
        "prediction_rate": round(counts.predictions / counts.tokens, 4),
        "masked_rate": round(counts.masked / predictions, 4),
        "kept_rate": round(counts.kept / predictions, 4),
        "random_word_rate": round(exchanged / predictions, 4),
        **histogram,
    }


def describe(rate: Mapping[str, Any], sentence_objective: StoredObjective) -> list[str]:
    """Returns what `rates` returned as lines for a person."""
    label_1 = LABEL_NAMES[sentence_objective]
    return [
        f"records          {rate['records']:,}",
        f"{label_1.title:<16} {rate[label_1.statistic]:.1%} of the records ({label_1.remark})",
        f"length           {rate['mean_length']:.1f} tokens on average, {rate['shortest']} to "
        f"{rate['longest']}; {rate['full_length_rate']:.1%} of the records without padding",
        f"predictions      {rate['predictions_per_record']:.1f} a record, "
        f"{rate['prediction_rate']:.1%} of the tokens",
        f"they show        [MASK] {rate['masked_rate']:.1%}, their own token "
        f"{rate['kept_rate']:.1%}, another token {rate['random_word_rate']:.1%} "
        "(BERT: 80, 10, 10 %)",
    ]
