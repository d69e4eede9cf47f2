"""What a record must be: the slow way, record by record, that names the first fault.

Whole files are read in another way, see `record_scan`; where that fails, this one says why.
"""

from collections.abc import Iterator, Mapping

import tensorflow as tf

from mslt_tf.dataset_info import Compression
from mslt_tf.errors import UserError
from mslt_tf.pretraining_example import FEATURES, detect_feature_names, stored_name
from mslt_tf.records.record_facts import Layout


def layout_of(path: str, record: bytes, compression: Compression) -> Layout:
    """Returns the layout that the first record of a file has, and so all must have.

    Raises:
        UserError: it is no record of BERT's pretraining.
    """
    stored = _features_of(record)
    if stored is None:
        raise UserError(f"{path}, record 0 is no tf.train.Example. Give BERT records.")
    layout = _layout_of(stored, compression)
    if layout is None:
        wanted = ", ".join(feature.name for feature in FEATURES)
        raise UserError(
            f"{path}, record 0 has the features {', '.join(sorted(stored)) or '(none)'}. "
            f"BERT pretraining needs {wanted}. Create records with "
            "tfrecords_tools/create_data.py."
        )
    return layout


def largest_values(layout: Layout) -> Mapping[str, float]:
    """Returns the largest value that each feature may have, by BERT's name; the least is 0."""
    return {
        "input_ids": tf.int32.max,
        "input_mask": 1,
        "segment_ids": 1,
        "masked_lm_positions": layout.max_seq_length - 1,
        "masked_lm_ids": tf.int32.max,
        "masked_lm_weights": 1.0,
        "next_sentence_labels": 1,
    }


def check_records(
    path: str, compression: Compression, *, layout: Layout | None, first: int
) -> None:
    """Reads a file record by record, until it finds what is wrong; returns if nothing is.

    Args:
        path: of the file.
        compression: of the file.
        layout: of the first record; None if that was not read.
        first: how many records at the beginning are known to be right.

    Raises:
        UserError: the file is damaged, or a record is not as it must be; names file and record.
    """
    for index, record in _read(path, compression, first):
        layout = layout or layout_of(path, record, compression)
        _check_record(path, record, layout, index)


def _read(path: str, compression: Compression, first: int) -> Iterator[tuple[int, bytes]]:
    """Yields number and bytes of each record from number `first` on."""
    index = first
    try:
        for record in tf.data.TFRecordDataset(path, compression).skip(first).as_numpy_iterator():
            yield index, record
            index += 1
    except (tf.errors.DataLossError, tf.errors.OutOfRangeError) as error:
        raise damage_at(path, index, compression) from error


def damage_at(path: str, index: int, compression: Compression) -> UserError:
    """Returns the error for a file of which the record number `index` cannot be read."""
    or_later = ", or later, as it is compressed" if compression else ""
    return UserError(
        f"{path} is damaged at record {index} (counted from 0{or_later}): truncated or corrupt. "
        "Copy it again or create it anew."
    )


def _check_record(path: str, record: bytes, layout: Layout, index: int) -> None:
    try:
        parsed = tf.io.parse_single_example(record, layout.features())
    except tf.errors.InvalidArgumentError as error:
        raise UserError(
            f"{path}, record {index} (counted from 0) does not have the layout of the first "
            f"record: {_difference(record, layout)}. All records of a file must be alike."
        ) from error
    for feature in FEATURES:
        values = parsed[stored_name(feature, layout.feature_names)].numpy()
        largest = largest_values(layout)[feature.name]
        # Written so that NaN is out of bounds as well.
        if not ((values >= 0) & (values <= largest)).all():
            raise UserError(
                f"{path}, record {index} (counted from 0) has {feature.name} outside "
                f"0..{largest}. It is no BERT pretraining record; create the file anew."
            )


def _difference(record: bytes, layout: Layout) -> str:
    """Returns in words how a record differs from the first one, which has `layout`."""
    stored = _features_of(record)
    found = None if stored is None else _layout_of(stored, layout.compression)
    if found is None or found == layout:
        return f"that has {layout.in_words()}"
    return f"it has {found.in_words(unlike=layout)}, not {layout.in_words(unlike=found)}"


def _features_of(record: bytes) -> Mapping[str, tf.train.Feature] | None:
    """Returns the features of a record by name; None if it is no tf.train.Example."""
    example = tf.train.Example()
    try:
        example.ParseFromString(record)
    except Exception:  # protobuf's DecodeError is not public in every version
        return None
    return example.features.feature


def _layout_of(stored: Mapping[str, tf.train.Feature], compression: Compression) -> Layout | None:
    """Returns the layout of a record by its features; None if one is missing."""
    names = detect_feature_names(stored)
    if names is None:
        return None
    by_length = {feature.length: stored_name(feature, names) for feature in reversed(FEATURES)}
    seq_length, num_predictions = (
        len(stored[by_length[length]].int64_list.value)
        for length in ("max_seq_length", "max_predictions_per_seq")
    )
    return Layout(seq_length, num_predictions, names, compression)
