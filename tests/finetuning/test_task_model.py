"""An encoder with a head, against transformers and against NumPy."""

import os

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.conversion import huggingface
from mslt_tf.finetuning import objectives, task_model
from mslt_tf.modeling import bert, weights
from tests.conversion.trained_models import CONFIGS, trained_model
from tests.modeling.small_models import random_inputs

CLASSIFICATION, SPAN = objectives.classification(3), objectives.span()


@pytest.fixture(scope="module")
def transformers():
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    return pytest.importorskip("transformers")


def built(encoder, objective, *, seed=0):
    """Returns a model that starts from an encoder, and its head's kernel and bias."""
    model = task_model.build(encoder.config, objective, seed=seed)
    task_model.start_from(model, encoder)
    head = weights.weights_of(model)[task_model.HEAD]
    return model, head["dense/kernel"], head["dense/bias"]


def outputs_of(model, inputs, *, training=False):
    return model({name: inputs[name] for name in task_model.INPUTS}, training=training).numpy()


def test_reading_cls_alone_gives_what_the_encoder_computed_everywhere_gives():
    encoder = trained_model()
    model, kernel, bias = built(encoder, CLASSIFICATION)
    everywhere = bert.build_bert(encoder.config, num_blocks=encoder.config.num_blocks)
    weights.load(everywhere, encoder.weights)
    inputs = random_inputs(encoder.config)
    expected = everywhere(inputs)["pooled_output"].numpy() @ kernel + bias
    np.testing.assert_allclose(outputs_of(model, inputs), expected, atol=1e-5)


def test_the_encoders_weights_are_taken_and_the_seed_decides_the_heads():
    encoder = trained_model()
    kernels = []
    for seed in (0, 0, 1):
        model, kernel, bias = built(encoder, CLASSIFICATION, seed=seed)
        kernels.append(kernel)
        assert not bias.any()
    found = weights.weights_of(model)
    assert found.keys() - encoder.weights.keys() == {task_model.HEAD}
    for layer in found.keys() & encoder.weights.keys():
        for name, value in found[layer].items():
            np.testing.assert_array_equal(value, encoder.weights[layer][name])
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert (kernels[0] != kernels[2]).all()
    assert np.std(kernels[0]) == pytest.approx(0.02, rel=0.3)  # BERT's, cut at two deviations


def test_dropout_depends_on_its_seed_and_is_off_where_nothing_is_trained():
    model, *_ = built(trained_model(), CLASSIFICATION)
    inputs = random_inputs(trained_model().config)
    others = inputs | {"dropout_seed": tf.constant([11, 13])}
    trained = [outputs_of(model, each, training=True) for each in (inputs, inputs, others)]
    np.testing.assert_array_equal(trained[0], trained[1])
    assert (trained[0] != trained[2]).all()
    np.testing.assert_array_equal(outputs_of(model, inputs), outputs_of(model, others))


@pytest.mark.parametrize(
    ("kind", "name", "objective"),
    [
        ("BertForSequenceClassification", "bert_2_layers", CLASSIFICATION),
        ("BertForQuestionAnswering", "bert_2_layers", SPAN),
        ("AlbertForSequenceClassification", "albert_2_groups_tanh", CLASSIFICATION),
        ("AlbertForQuestionAnswering", "albert_2_groups_tanh", SPAN),
    ],
)
def test_logits_are_those_of_transformers(transformers, tmp_path, kind, name, objective):
    encoder = trained_model(CONFIGS[name])
    model, kernel, _ = built(encoder, objective)
    bias = np.arange(1, 1 + objective.num_outputs, dtype=np.float32)
    model.get_layer(task_model.HEAD).dense.bias.assign(bias)
    huggingface.write(encoder, str(tmp_path / "model"))
    loader = getattr(transformers, f"TF{kind}")
    peer = loader.from_pretrained(tmp_path / "model", num_labels=objective.num_outputs)
    (head,) = [each for each in peer.layers if each.name in ("classifier", "qa_outputs")]
    head.set_weights([kernel, bias])
    inputs = random_inputs(encoder.config)
    theirs = peer(
        {
            "input_ids": inputs["input_ids"],
            "attention_mask": inputs["input_mask"],
            "token_type_ids": inputs["segment_ids"],
        }
    )
    logits = theirs.logits if objective is CLASSIFICATION else tf.stack(theirs[:2], axis=-1)
    ours = outputs_of(model, inputs)
    assert ours.shape == (3, 3) if objective is CLASSIFICATION else (3, 16, 2)
    np.testing.assert_allclose(ours, logits, atol=1e-5)
    assert np.ptp(ours - bias) > 0.01  # or the comparison would prove little
