"""The exported preprocessor: TF Hub's interface, and the tokens of create_data."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub
import tensorflow_text as tf_text

from mslt_tf.tokenization.wordpiece import WordpieceTokenizer
from tests.export import exports

TEXTS = ("The caf\u00e9 cat sat.", "", "dog[MASK] \u4e2dran", "a b c d e f g h i j k l m n o p")
OTHERS = ("ran ran", "good", "", "\u03a3 bad film, bad")
NAMES = ("input_word_ids", "input_mask", "input_type_ids")


@pytest.fixture(scope="module")
def loaded(bert_export):
    return bert_export.load("preprocessor")


def tokens(texts):
    return WordpieceTokenizer(list(exports.VOCABULARY), exports.CASE).tokenize(texts)


def expected_inputs(seq_length, *texts):
    """Returns the inputs by tensorflow_text's own parts."""
    start, end = map(exports.VOCABULARY.index, ("[CLS]", "[SEP]"))
    trimmer = tf_text.RoundRobinTrimmer(seq_length - 1 - len(texts))
    ids, types = tf_text.combine_segments(trimmer.trim([*map(tokens, texts)]), start, end)
    padded, mask = tf_text.pad_model_inputs(ids, seq_length)
    columns = (padded, mask, tf_text.pad_model_inputs(types, seq_length)[0])
    return dict(zip(NAMES, columns, strict=True))


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])


def test_it_turns_texts_and_pairs_into_the_encoders_inputs(loaded):
    first, second = tf.constant(TEXTS), tf.constant(OTHERS)
    default = 64  # the model's positions, which are less than 128
    assert_equal(loaded(first), expected_inputs(default, TEXTS))
    assert_equal(loaded([first, second]), expected_inputs(default, TEXTS, OTHERS))
    for length in (12, tf.constant(12)):
        assert_equal(loaded(first, seq_length=length), expected_inputs(12, TEXTS))
        pair = loaded((first, second), seq_length=length)
        assert_equal(pair, expected_inputs(12, TEXTS, OTHERS))


def test_training_changes_nothing(loaded):
    for training in (False, True):
        found = loaded(tf.constant(TEXTS), training=training, seq_length=9)
        assert_equal(found, expected_inputs(9, TEXTS))


def test_words_begin_at_pieces_that_continue_none(loaded):
    found = loaded.tokenize(tf.constant(["Cats sat.", "", "zx"])).to_list()
    names = [[[exports.VOCABULARY[i] for i in word] for word in text] for text in found]
    assert names == [[["cat", "##s"], ["sat"], ["."]], [], [["z", "##x"]]]


def test_its_tokens_are_those_of_create_data(loaded):
    found = loaded.tokenize(tf.constant(TEXTS))
    assert found.dtype == tf.int32
    assert found.merge_dims(1, 2).to_list() == tokens(TEXTS).to_list()


def test_offsets_are_bytes_of_the_text(loaded):
    text = "The caf\u00e9 cats"
    ids, starts, limits = loaded.tokenize_with_offsets(tf.constant([text]))
    assert ids.to_list() == loaded.tokenize(tf.constant([text])).to_list()
    spans = zip(starts.flat_values.numpy(), limits.flat_values.numpy(), strict=True)
    parts = [text.encode()[start:limit].decode() for start, limit in spans]
    assert parts == ["The", "c", "a", "f", "\u00e9", "cat", "s"]


def test_it_packs_words_or_tokens_of_one_or_two_segments(loaded):
    words = [loaded.tokenize(tf.constant(texts)) for texts in (TEXTS, OTHERS)]
    for segments in (words, [ids.merge_dims(1, 2) for ids in words]):
        for count, texts in ((1, [TEXTS]), (2, [TEXTS, OTHERS])):
            chosen = segments[:count]
            assert_equal(loaded.bert_pack_inputs(chosen), expected_inputs(64, *texts))
            for length in (11, tf.constant(11)):
                packed = loaded.bert_pack_inputs(chosen, seq_length=length)
                assert_equal(packed, expected_inputs(11, *texts))


def test_it_tells_its_special_tokens(loaded):
    found = loaded.tokenize.get_special_tokens_dict()
    assert all(value.dtype == tf.int32 for value in found.values())
    assert {name: int(value) for name, value in found.items()} == {
        "vocab_size": len(exports.VOCABULARY),
        "padding_id": 0,
        "start_of_sequence_id": 2,
        "end_of_segment_id": 3,
        "mask_id": 4,
    }


def test_it_has_nothing_to_train(loaded):
    assert list(loaded.variables) == list(loaded.trainable_variables) == []


def test_hub_layers_do_the_same_step_by_step(loaded):
    inputs = [tf.keras.Input([], dtype=tf.string) for _ in range(2)]
    tokenize = hub.KerasLayer(loaded.tokenize)
    with pytest.raises(tf.errors.InvalidArgumentError, match="leaves no room for"):
        loaded(tf.constant(TEXTS), seq_length=1)
    pack = hub.KerasLayer(loaded.bert_pack_inputs, arguments={"seq_length": 10})
    model = tf.keras.Model(inputs, pack([tokenize(text) for text in inputs]))
    found = model([tf.constant(TEXTS), tf.constant(OTHERS)])
    assert_equal(found, expected_inputs(10, TEXTS, OTHERS))
    of_root = tf.keras.Model(inputs, hub.KerasLayer(loaded)(inputs))
    assert_equal(
        of_root([tf.constant(TEXTS), tf.constant(OTHERS)]), expected_inputs(64, TEXTS, OTHERS)
    )
