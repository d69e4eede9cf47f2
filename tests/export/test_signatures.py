"""The signatures for TensorFlow Serving: the model's numbers, from ids, records and text."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.export import signatures
from mslt_tf.modeling import bert, weights
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer
from tests.export import exports

VOCABULARY = exports.VOCABULARY
CLS, SEP, MASK = map(VOCABULARY.index, ("[CLS]", "[SEP]", "[MASK]"))


@pytest.fixture(scope="module")
def served(bert_export):
    return bert_export.load("bert/1").signatures


@pytest.fixture(scope="module")
def model(bert_export):
    trained = bert_export.trained
    model = bert.build_bert(trained.config, num_blocks=trained.config.num_blocks)
    weights.load(model, trained.weights)
    return model


def run(model, ids, types=None, positions=(0,)):
    """Returns the model's outputs for one sequence without padding."""
    inputs = {
        "input_ids": [ids],
        "input_mask": np.ones([1, len(ids)]),
        "segment_ids": [types or [0] * len(ids)],
        "masked_lm_positions": [positions],
        "dropout_seed": [0, 0],
    }
    return model({name: tf.constant(value, tf.int32) for name, value in inputs.items()})


def ids_of(text):
    (ids,) = WordpieceTokenizer(list(VOCABULARY), exports.CASE).tokenize([text]).to_list()
    return ids


def assert_row(found, row, expected):
    """Compares a row of a padded batch with the same sequence alone."""
    length = expected["sequence_output"].shape[1]
    vectors = found["sequence_output"][row, :length]
    np.testing.assert_allclose(vectors, expected["sequence_output"][0], atol=1e-5)
    np.testing.assert_allclose(found["pooled_output"][row], expected["pooled_output"][0], atol=1e-5)


def test_ids_are_answered_with_the_models_vectors(served, model):
    rows = [[CLS, 20, 30, 40, SEP, 50, SEP], [CLS, 60, SEP]]
    types = [[0] * 5 + [1] * 2, [0] * 3]
    found = served["serving_default"](
        input_word_ids=tf.ragged.constant(rows, tf.int32).to_tensor(),
        input_mask=tf.ones_like(tf.ragged.constant(rows, tf.int32)).to_tensor(),
        input_type_ids=tf.ragged.constant(types, tf.int32).to_tensor(),
    )
    for row, (ids, of_row) in enumerate(zip(rows, types, strict=True)):
        assert_row(found, row, run(model, ids, of_row))


def example(**features):
    lists = {
        name: tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        for name, values in features.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=lists)).SerializeToString()


@pytest.mark.parametrize("name", ["input_mask", "input_type_ids"])
@pytest.mark.parametrize("shape", [(1, 2), (1, 4), (2, 3)])
def test_a_mask_or_types_of_another_shape_are_refused(served, name, shape):
    ids = tf.constant([[CLS, SEP, SEP]])
    inputs = {"input_word_ids": ids, "input_mask": ids, "input_type_ids": ids}
    inputs[name] = tf.ones(shape, tf.int32)
    message = f"{name} must have the shape of input_word_ids"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        served["serving_default"](**inputs)


def test_records_are_answered_under_berts_names_and_tf_hubs(served, model):
    ids, types = [CLS, 20, SEP, 50, 51, SEP], [0, 0, 0, 1, 1, 1]
    padded = {"input_ids": [*ids, 0], "input_mask": [1] * 6 + [0], "segment_ids": [*types, 0]}
    examples = [
        example(**padded, masked_lm_ids=[3]),
        example(input_word_ids=ids, input_mask=[1] * 6, input_type_ids=types),
        example(input_ids=ids[:3]),
    ]
    found = served["serve_examples"](examples=tf.constant(examples))
    for row in (0, 1):
        assert_row(found, row, run(model, ids, types))
    assert_row(found, 2, run(model, ids[:3]))
    assert found["sequence_output"].shape[:2] == [3, 7]


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({}, "an example has no input_ids or input_word_ids"),
        ({"masked_lm_ids": [3]}, "an example has no input_ids or input_word_ids"),
        ({"input_ids": [CLS], "input_word_ids": [CLS]}, "has input_ids and input_word_ids"),
        ({"input_ids": [CLS, SEP], "input_mask": [1]}, "another number of input_mask"),
        ({"input_ids": [CLS], "segment_ids": [0, 0]}, "another number of segment_ids or"),
        ({"input_ids": [2**40 + 5]}, "an id of .* is not in the vocabulary"),
        ({"input_ids": [-1]}, "-1 is not in|an id of .* is not in the vocabulary"),
    ],
)
def test_a_wrong_example_is_told_also_beside_a_good_one(served, features, message):
    examples = tf.constant([example(input_ids=[CLS, SEP]), example(**features)])
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        served["serve_examples"](examples=examples)


def test_texts_are_answered_alone_and_in_pairs(served, model):
    texts, others = ["The cat sat", "\u03a3 dog, [MASK].", ""], ["good film", "", "bad"]
    alone = served["serve_text"](text=tf.constant(texts))
    pairs = served["serve_text_pair"](text=tf.constant(texts), text_pair=tf.constant(others))
    lengths = []
    for row, (text, other) in enumerate(zip(texts, others, strict=True)):
        first, second = [CLS, *ids_of(text), SEP], [*ids_of(other), SEP]
        assert_row(alone, row, run(model, first))
        assert_row(pairs, row, run(model, first + second, [0] * len(first) + [1] * len(second)))
        lengths.append(len(first))
    np.testing.assert_array_equal(tf.reduce_sum(alone["input_mask"], axis=1), lengths)
    assert alone["sequence_output"].shape[1] == max(lengths)


def test_pairs_of_unequal_number_are_refused(served):
    texts, others = tf.constant(["the cat sat", "a film"]), tf.constant(["good"])
    with pytest.raises(tf.errors.InvalidArgumentError, match="text_pair must have as many"):
        served["serve_text_pair"](text=texts, text_pair=others)


def test_a_long_text_is_cut_where_the_positions_end(served, model):
    found = served["serve_text"](text=tf.constant(["cat " * 500, "dog"]))
    cat = VOCABULARY.index("cat")
    assert_row(found, 0, run(model, [CLS, *[cat] * 62, SEP]))
    assert_row(found, 1, run(model, [CLS, VOCABULARY.index("dog"), SEP]))


def test_hidden_words_are_guessed(served, model):
    texts = ["the [MASK] sat on[MASK].", "no word", "[MASK]", "[mask]"]
    found = served["fill_mask"](text=tf.constant(texts))
    assert found["tokens"].shape == found["probabilities"].shape == [4, 2, signatures.NUM_GUESSES]
    sequences = {
        (0, 0): ([CLS, *ids_of("the"), MASK, *ids_of("sat on"), MASK, *ids_of("."), SEP], 2),
        (0, 1): ([CLS, *ids_of("the"), MASK, *ids_of("sat on"), MASK, *ids_of("."), SEP], 6),
        (2, 0): ([CLS, MASK, SEP], 1),
    }
    for row, mask in np.ndindex(4, 2):
        words, values = found["tokens"][row, mask].numpy(), found["probabilities"][row, mask]
        if (row, mask) not in sequences:
            assert set(words) == {b""}
            assert not np.any(values)
            continue
        ids, position = sequences[row, mask]
        assert ids[position] == MASK
        logits = run(model, ids, positions=[position])["masked_lm_logits"][0, 0].numpy()
        expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        best = np.argsort(-expected)[: signatures.NUM_GUESSES]
        assert [word.decode() for word in words] == [VOCABULARY[i] for i in best]
        np.testing.assert_allclose(values, expected[best], atol=1e-5)


def test_texts_without_a_hidden_word_have_no_guesses(served):
    found = served["fill_mask"](text=tf.constant(["the cat"]))
    assert found["tokens"].shape == [1, 0, signatures.NUM_GUESSES]


def test_no_texts_are_answered_with_nothing(served):
    for name, argument in (
        ("serve_text", "text"),
        ("fill_mask", "text"),
        ("serve_examples", "examples"),
    ):
        found = served[name](**{argument: tf.constant([], tf.string)})
        assert all(len(values) == 0 for values in found.values())
