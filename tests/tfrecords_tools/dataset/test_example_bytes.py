"""Serialised examples, held against Protocol Buffers' own and TensorFlow's parser."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.pretraining_example import FEATURES, FeatureNames, stored_name
from tfrecords_tools.dataset.example_bytes import MAX_VALUE, encode_examples
from tfrecords_tools.recipe.masking import Features

# The least and the greatest of each number of bytes, and what lies around a vocabulary's end.
EXTREME_IDS = [0, 1, 127, 128, 16_383, 16_384, 119_999, 2**21 - 1, 2**21, 2**28, MAX_VALUE]
NAMINGS: list[FeatureNames] = ["v1", "v2"]


def random_features(
    *, seq_length: int, num_predictions: int, records: int = 50, ids: list[int] | None = None
) -> Features:
    """Records of every length, with `ids` or with any of a vocabulary of 120,000."""
    rng = np.random.default_rng(seq_length)
    pool = np.arange(120_000) if ids is None else np.array(ids)
    lengths = rng.integers(0, seq_length + 1, size=(records, 1))
    counts = rng.integers(0, num_predictions + 1, size=(records, 1))
    in_record = np.arange(seq_length) < lengths
    is_prediction = np.arange(num_predictions) < counts
    positions = np.sort(rng.integers(0, seq_length, is_prediction.shape), axis=1)
    return Features(
        input_ids=(rng.choice(pool, in_record.shape) * in_record).astype(np.int32),
        input_mask=in_record.astype(np.int32),
        segment_ids=(in_record & (np.arange(seq_length) > lengths // 2)).astype(np.int32),
        masked_lm_positions=(positions * is_prediction).astype(np.int32),
        masked_lm_ids=(rng.choice(pool, is_prediction.shape) * is_prediction).astype(np.int32),
        masked_lm_weights=is_prediction.astype(np.float32),
        next_sentence_labels=rng.integers(0, 2, (records, 1)).astype(np.int32),
    )


def reference(features: Features, feature_names: FeatureNames) -> list[bytes]:
    """The records by way of tf.train.Example."""
    examples = []
    for row in range(len(features.input_ids)):
        feature = {}
        for each in FEATURES:
            values = getattr(features, each.name)[row].tolist()
            feature[stored_name(each, feature_names)] = (
                tf.train.Feature(float_list=tf.train.FloatList(value=values))
                if each.dtype == "float32"
                else tf.train.Feature(int64_list=tf.train.Int64List(value=values))
            )
        example = tf.train.Example(features=tf.train.Features(feature=feature))
        examples.append(example.SerializeToString(deterministic=True))
    return examples


@pytest.mark.parametrize("feature_names", NAMINGS)
@pytest.mark.parametrize(("seq_length", "num_predictions"), [(16, 3), (128, 20), (512, 80)])
def test_the_bytes_are_those_of_protocol_buffers(
    feature_names: FeatureNames, seq_length: int, num_predictions: int
):
    features = random_features(seq_length=seq_length, num_predictions=num_predictions)
    expected = reference(features, feature_names)
    assert encode_examples(features, feature_names=feature_names) == expected


@pytest.mark.parametrize("seq_length", [16, 512])
def test_extreme_ids_are_encoded_as_by_protocol_buffers(seq_length: int):
    features = random_features(seq_length=seq_length, num_predictions=8, ids=EXTREME_IDS)
    assert encode_examples(features) == reference(features, "v1")


@pytest.mark.parametrize("extreme", EXTREME_IDS)
def test_an_id_alone_among_small_ones_is_encoded_as_by_protocol_buffers(extreme: int):
    features = random_features(seq_length=16, num_predictions=3, records=3, ids=[5])
    features.input_ids[1, 7] = features.masked_lm_ids[2, 0] = extreme
    assert encode_examples(features) == reference(features, "v1")


@pytest.mark.parametrize("seq_length", [1, 40, 41, 42, 43, 44, 110, 126, 127, 128, 129, 5_600])
def test_messages_of_every_size_get_the_right_lengths(seq_length: int):
    # Around the sizes at which the length of a list, a feature or a record takes a byte more.
    features = random_features(seq_length=seq_length, num_predictions=1, records=20)
    assert encode_examples(features) == reference(features, "v1")


def test_records_without_a_prediction_are_encoded_as_by_protocol_buffers():
    features = random_features(seq_length=16, num_predictions=3)
    features.masked_lm_positions[:] = features.masked_lm_ids[:] = 0
    features.masked_lm_weights[:] = 0.0
    assert encode_examples(features) == reference(features, "v1")
    features = random_features(seq_length=16, num_predictions=0)  # not even room for one
    assert encode_examples(features) == reference(features, "v1")


def test_weights_are_stored_to_the_bit():
    features = random_features(seq_length=16, num_predictions=5, records=2)
    features.masked_lm_weights[:] = [0.1, -0.0, 1e-40, np.inf, -3.5]
    assert encode_examples(features) == reference(features, "v1")


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.uint64])
def test_other_integer_types_make_the_same_bytes(dtype: type):
    features = random_features(seq_length=16, num_predictions=3, ids=[0, 127, 128, 30_000])
    other = dataclasses.replace(features, input_ids=np.asfortranarray(features.input_ids, dtype))
    assert encode_examples(other) == encode_examples(features)


@pytest.mark.parametrize("records", [0, 1, 3])
def test_a_batch_may_have_any_number_of_records(records: int):
    features = random_features(seq_length=16, num_predictions=3, records=records)
    assert encode_examples(features) == reference(features, "v1")


@pytest.mark.parametrize(("name", "value"), [("input_ids", -1), ("masked_lm_ids", MAX_VALUE + 1)])
def test_numbers_that_are_no_ids_are_refused(name: str, value: int):
    features = random_features(seq_length=16, num_predictions=3)
    values = getattr(features, name).astype(np.int64)
    values[1, 2] = value
    with pytest.raises(ValueError, match=f"{value}.*ids are 0 to {MAX_VALUE}"):
        encode_examples(dataclasses.replace(features, **{name: values}))


@pytest.mark.parametrize("feature_names", NAMINGS)
def test_tensorflow_parses_the_records(feature_names: FeatureNames):
    features = random_features(seq_length=128, num_predictions=20)
    expected = {stored_name(each, feature_names): getattr(features, each.name) for each in FEATURES}
    parsed = tf.io.parse_example(
        encode_examples(features, feature_names=feature_names),
        {
            name: tf.io.FixedLenFeature(
                values.shape[1:], tf.float32 if values.dtype == np.float32 else tf.int64
            )
            for name, values in expected.items()
        },
    )
    for name, values in expected.items():
        np.testing.assert_array_equal(parsed[name], values)


def test_the_module_needs_no_tensorflow():
    program = (
        "import sys, tfrecords_tools.dataset.example_bytes; sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
