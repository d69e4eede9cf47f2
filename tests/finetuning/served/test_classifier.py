"""Served classifiers: the same ids, predictions and scores as in the run that made them."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.export import encoder
from mslt_tf.export.text_inputs import TextPacker
from mslt_tf.finetuning import prediction, task_model
from mslt_tf.finetuning.glue import glue_data, glue_metrics, glue_tasks
from mslt_tf.finetuning.glue.glue_data import Example
from mslt_tf.finetuning.glue.glue_sequences import PairTokenizer
from mslt_tf.finetuning.glue.glue_task import GlueTask
from mslt_tf.finetuning.served import classifier
from mslt_tf.text_case import TextCase
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer
from tests.finetuning.served import tiny_runs
from tests.finetuning.squad import squad_texts
from tests.modeling.small_models import randomize_weights, tiny_config

VOCABULARY = squad_texts.vocabulary(*tiny_runs.TEXTS)
CASE = TextCase()


def pair_tokenizer(max_length):
    return PairTokenizer(WordpieceTokenizer(VOCABULARY, CASE), VOCABULARY, max_length=max_length)


def packer(max_length=tiny_runs.MAX_LENGTH):
    return TextPacker(VOCABULARY, CASE, max_length=max_length)


def texts_of(examples):
    """Returns what a signature takes."""
    inputs = {"text": tf.constant([each.text for each in examples])}
    if examples[0].text_pair is not None:
        inputs["text_pair"] = tf.constant([each.text_pair for each in examples])
    return inputs


def ask(signature, examples, batch_size):
    """Returns the outputs for all examples, asked for in batches."""
    batches = [examples[i : i + batch_size] for i in range(0, len(examples), batch_size)]
    answers = [signature(**texts_of(batch)) for batch in batches]
    return {name: np.concatenate([each[name] for each in answers]) for name in answers[0]}


@pytest.fixture(scope="module")
def mrpc_dev(mrpc_run):
    glue_dir = mrpc_run.settings.glue_dir
    return glue_data.read(glue_tasks.find("mrpc"), "dev", glue_dir, report=print)


@pytest.fixture(scope="module")
def mrpc(mrpc_run):
    return mrpc_run.load("mrpc").signatures


@pytest.mark.parametrize("batch_size", [5, 99])
def test_the_dev_set_is_answered_with_the_best_trials_score(mrpc_run, mrpc, mrpc_dev, batch_size):
    best, other = mrpc_run.results("mrpc")
    assert best.scores != other.scores  # else it might be the other's model
    found = ask(mrpc["serving_default"], mrpc_dev, batch_size)
    words = [b"not_equivalent", b"equivalent"]
    assert found["labels"].tolist() == [words] * len(mrpc_dev)
    np.testing.assert_allclose(found["probabilities"].sum(axis=1), 1, rtol=1e-5)
    predictions = np.array([words.index(label) for label in found["label"]])
    np.testing.assert_array_equal(predictions, found["probabilities"].argmax(axis=1))
    labels = [each.label for each in mrpc_dev]
    scores = glue_metrics.score(glue_tasks.find("mrpc"), labels, predictions)
    assert scores == pytest.approx(best.scores["dev"])


def test_ids_are_answered_as_their_texts(mrpc, mrpc_dev):
    pack = packer()
    ids = pack.pack(*(pack.tokens(text) for text in texts_of(mrpc_dev).values()))
    by_ids, by_text = mrpc["serve_ids"](**ids), ask(mrpc["serve_text"], mrpc_dev, 99)
    assert set(by_ids) == {"label", "labels", "probabilities"}
    for name, values in by_ids.items():
        np.testing.assert_array_equal(values, by_text[name])


def test_no_texts_have_no_labels(mrpc):
    none = tf.constant([], tf.string)
    found = mrpc["serving_default"](text=none, text_pair=none)
    shapes = {name: values.shape.as_list() for name, values in found.items()}
    assert shapes == {"label": [0], "labels": [0, 2], "probabilities": [0, 2]}


def test_pairs_of_unequal_number_are_refused(mrpc):
    texts, others = tf.constant(["a", "b"]), tf.constant(["a"])
    with pytest.raises(tf.errors.InvalidArgumentError, match="text_pair must have as many"):
        mrpc["serving_default"](text=texts, text_pair=others)


def random_examples(seed, *, has_pairs):
    random = np.random.default_rng(seed)

    def text():
        return " ".join(random.choice(tiny_runs.TEXTS, random.integers(0, 4)))

    return [Example(i, text(), text() if has_pairs else None, 0) for i in range(60)]


@pytest.mark.parametrize("max_length", [5, 24, 64])
@pytest.mark.parametrize("has_pairs", [False, True])
def test_ids_are_those_of_training(max_length, has_pairs):
    examples = random_examples(max_length, has_pairs=has_pairs)
    sequences = pair_tokenizer(max_length).sequences(examples)
    pack = packer(max_length)
    segments = [pack.tokens(text) for text in texts_of(examples).values()]
    found = encoder.named_inputs(pack.pack(*segments))
    for name, ids in sequences.padded(np.arange(len(examples))).items():
        np.testing.assert_array_equal(found[name], ids)


@pytest.mark.parametrize("name", ["cola", "stsb"])
def test_labels_of_single_texts_and_scores_of_pairs_are_those_of_the_model(name):
    task = glue_tasks.find(name)
    examples = random_examples(1, has_pairs=task.has_pairs)
    tokenizer = pair_tokenizer(tiny_runs.MAX_LENGTH)
    objective = GlueTask(task, [], [], tokenizer).objective
    config = tiny_config(vocab_size=len(VOCABULARY), num_hidden_layers=1)
    model = task_model.build(config, objective, seed=0)
    randomize_weights(model)
    predict = prediction.make_predict(model, objective, batch_size=7)
    outputs = np.stack(predict(tokenizer.sequences(examples)))
    found = classifier.signatures(model, task, packer())["serve_text"](texts_of(examples))
    if task.is_regression:
        assert found.keys() == {"score"}
        np.testing.assert_allclose(found["score"], outputs[:, 0], atol=1e-5)
        return
    expected = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)
    labels = [task.label_names[place] for place in outputs.argmax(axis=1)]
    assert [label.decode() for label in found["label"].numpy()] == labels
