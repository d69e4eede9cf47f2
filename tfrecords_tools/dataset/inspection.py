"""Reads records back, shows them as text and counts them."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from mslt_tf import dataset_info, pretraining_example
from mslt_tf.dataset_info import StoredObjective
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from mslt_tf.terminal import say
from tfrecords_tools import tokenization
from tfrecords_tools.dataset.record_statistics import RecordCounts, count_records, describe, rates
from tfrecords_tools.recipe.masking import Features
from tfrecords_tools.recipe.sentence_labels import LABEL_NAMES
from tfrecords_tools.settings import InspectionSettings

_BATCH_RECORDS = 1_024
_DAMAGE = (tf.errors.DataLossError, tf.errors.InvalidArgumentError)
_ANEW = "Copy it again, or create the records anew."


def inspect(settings: InspectionSettings) -> RecordCounts:
    """Prints some records and the statistics, and returns the counts behind these.

    Raises:
        UserError: there is no such data set or split, a file is damaged, or the vocabulary is not
            the one that the records were made with.
    """
    info = read_info(settings.input_dir)
    vocabulary = tokenization.read_vocabulary(settings.vocab_file)
    if dataset_info.hash_vocabulary(vocabulary) != info.vocab_sha256:
        raise UserError(
            f"--vocab_file {settings.vocab_file} is not the vocabulary that the records in "
            f"{settings.input_dir} were made with ({len(vocabulary)} and {info.vocab_size} "
            "tokens). Give the one that create_data was given."
        )
    paths = shard_paths(info, settings.split, input_dir=settings.input_dir)
    total = sum(shard.num_records for shard in info.splits[settings.split])
    num_counted = min(settings.num_counted or total, total)
    counts = _show_and_count(
        read_batches(paths, info, num_records=max(num_counted, settings.num_shown)),
        vocabulary,
        num_shown=settings.num_shown,
        num_counted=num_counted,
        sentence_objective=info.sentence_objective,
    )
    sample = f", first {num_counted:,} of {total:,} records" if num_counted < total else ""
    say(f"{settings.split} of {settings.input_dir}{sample}:")
    for line in describe(rates(counts, info.sentence_objective), info.sentence_objective):
        say(f"  {line}")
    return counts


def _show_and_count(
    batches: Iterable[Features],
    vocabulary: list[str],
    *,
    num_shown: int,
    num_counted: int,
    sentence_objective: StoredObjective,
) -> RecordCounts:
    """Prints the first `num_shown` records and counts the first `num_counted`."""
    mask_id = vocabulary.index("[MASK]")
    counts = RecordCounts()
    num_read = 0
    for batch in batches:
        length = len(batch.input_ids)
        for row in range(min(num_shown - num_read, length)):
            lines = show_record(
                batch,
                row,
                vocabulary,
                number=num_read + row,
                sentence_objective=sentence_objective,
            )
            for line in lines:
                say(line)
            say("")
        if num_read < num_counted:
            counts += count_records(_first_rows(batch, num_counted - num_read), mask_id=mask_id)
        num_read += length
    return counts


def _first_rows(batch: Features, num_rows: int) -> Features:
    return Features(**{name: values[:num_rows] for name, values in vars(batch).items()})


def read_info(input_dir: str) -> dataset_info.DatasetInfo:
    """Returns what a folder says of itself.

    Raises:
        UserError: it says nothing, or what no reader understands.
    """
    path = f"{input_dir}/{dataset_info.FILE_NAME}"
    advice = "Give a folder that create_data has finished."
    with file_errors.naming(f"--input_dir {input_dir} cannot be read", advice):
        if not tf.io.gfile.exists(path):
            raise UserError(f"--input_dir {input_dir} holds no {dataset_info.FILE_NAME}. {advice}")
        with tf.io.gfile.GFile(path, "rb") as file:
            return dataset_info.DatasetInfo.from_json(file.read(), path=path)


def shard_paths(info: dataset_info.DatasetInfo, split: str, *, input_dir: str) -> list[str]:
    """Returns the files of a split.

    Raises:
        UserError: there is no such split, or a file's size is not what it was.
    """
    if split not in info.splits:
        raise UserError(
            f"--split={split} is not in {input_dir}, which holds {', '.join(sorted(info.splits))}."
        )
    paths = []
    for shard in info.splits[split]:
        path = f"{input_dir}/{shard.name}"
        with _reading(path):
            size = tf.io.gfile.stat(path).length if tf.io.gfile.exists(path) else 0
        if size != shard.num_bytes:
            raise UserError(
                f"{path} has {size:,} bytes; {dataset_info.FILE_NAME} says {shard.num_bytes:,}. "
                "It was cut off or changed: copy it again, or create the records anew."
            )
        paths.append(path)
    return paths


def read_batches(
    paths: list[str], info: dataset_info.DatasetInfo, *, num_records: int
) -> Iterator[Features]:
    """Yields the first `num_records` records of the files, in order; a batch is of one file.

    Raises:
        UserError: a file is damaged, or its records are not as `info` says.
    """
    for path in paths:
        records = tf.data.TFRecordDataset(path, compression_type=info.compression)
        num_read = 0  # of this file
        try:
            with _reading(path):
                for batch in records.take(num_records).batch(_BATCH_RECORDS):
                    features = _parse(batch, info)
                    yield features
                    num_read += len(features.input_ids)
        except _DAMAGE as error:
            raise UserError(
                f"{path} is damaged, somewhere after its first {num_read:,} records, though its "
                f"size is right: {file_errors.reason(error)}. {_ANEW}"
            ) from error
        num_records -= num_read
        if num_records <= 0:
            return


@contextlib.contextmanager
def _reading(path: str) -> Iterator[None]:
    """Turns errors about a file into one for the user, but for those that tell of its content."""
    try:
        yield
    except _DAMAGE:
        raise
    except (tf.errors.OpError, OSError):
        with file_errors.naming(f"{path} cannot be read", _ANEW):
            raise


def _parse(batch: tf.Tensor, info: dataset_info.DatasetInfo) -> Features:
    """Returns the features of serialised records."""
    names = {
        feature: pretraining_example.stored_name(feature, info.feature_names)
        for feature in pretraining_example.FEATURES
    }
    lengths = {
        feature: pretraining_example.feature_length(
            feature,
            max_seq_length=info.max_seq_length,
            max_predictions_per_seq=info.max_predictions_per_seq,
        )
        for feature in names
    }
    parsed: dict[str, Any] = tf.io.parse_example(
        batch,
        {
            name: tf.io.FixedLenFeature([lengths[feature]], tf.dtypes.as_dtype(feature.dtype))
            for feature, name in names.items()
        },
    )
    return Features(
        **{feature.name: _as_stored(parsed[name].numpy()) for feature, name in names.items()}
    )


def _as_stored(values: Any) -> Any:
    return values if values.dtype == np.float32 else values.astype(np.int32)


def show_record(
    features: Features,
    row: int,
    vocabulary: list[str],
    *,
    number: int,
    sentence_objective: StoredObjective,
) -> list[str]:
    """Returns a record as lines of text: number, sentence label, and a line for each segment."""
    tokens = [vocabulary[token] for token in features.input_ids[row]]
    for position, label, weight in zip(
        features.masked_lm_positions[row],
        features.masked_lm_ids[row],
        features.masked_lm_weights[row],
        strict=True,
    ):
        if weight:
            tokens[position] = f"[{vocabulary[label]}->{tokens[position]}]"
    length = int(features.input_mask[row].sum())
    first_length = length - int(features.segment_ids[row].sum())
    label = int(features.next_sentence_labels[row, 0])
    meanings = LABEL_NAMES[sentence_objective].meanings
    meaning = meanings.get(label, "a sentence label that no objective has")
    return [
        f"record {number}: {length} tokens; {meaning} (label {label})",
        "  " + " ".join(tokens[:first_length]),
        "  " + " ".join(tokens[first_length:length]),
    ]
