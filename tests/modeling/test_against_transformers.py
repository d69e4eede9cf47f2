"""The model against the independent TensorFlow implementation in Hugging Face transformers."""

import os

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.modeling.bert import build_bert
from tests.modeling.small_models import random_inputs, randomize_weights, tiny_config

# Ours -> theirs, relative to "tf_bert_for_pre_training/"; {i} is the layer.
_BLOCK_NAMES = {
    "encoder_{i}/attention/query": "attention/self/query",
    "encoder_{i}/attention/key": "attention/self/key",
    "encoder_{i}/attention/value": "attention/self/value",
    "encoder_{i}/attention/output": "attention/output/dense",
    "encoder_{i}/attention_layer_norm": "attention/output/LayerNorm",
    "encoder_{i}/intermediate": "intermediate/dense",
    "encoder_{i}/output": "output/dense",
    "encoder_{i}/output_layer_norm": "output/LayerNorm",
}
_OTHER_NAMES = {
    "embeddings/word_embeddings": "bert/embeddings/word_embeddings/weight",
    "embeddings/position_embeddings": "bert/embeddings/position_embeddings/embeddings",
    "embeddings/segment_embeddings": "bert/embeddings/token_type_embeddings/embeddings",
    "embeddings/layer_norm/gamma": "bert/embeddings/LayerNorm/gamma",
    "embeddings/layer_norm/beta": "bert/embeddings/LayerNorm/beta",
    "pooler/dense/kernel": "bert/pooler/dense/kernel",
    "pooler/dense/bias": "bert/pooler/dense/bias",
    "masked_lm/transform/kernel": "mlm___cls/predictions/transform/dense/kernel",
    "masked_lm/transform/bias": "mlm___cls/predictions/transform/dense/bias",
    "masked_lm/layer_norm/gamma": "mlm___cls/predictions/transform/LayerNorm/gamma",
    "masked_lm/layer_norm/beta": "mlm___cls/predictions/transform/LayerNorm/beta",
    "masked_lm/output_bias": "mlm___cls/predictions/bias",
    "next_sentence/dense/kernel": "nsp___cls/seq_relationship/kernel",
    "next_sentence/dense/bias": "nsp___cls/seq_relationship/bias",
}


@pytest.mark.parametrize(
    ("layers", "hidden", "heads", "hidden_act"),
    [(2, 32, 4, "gelu"), (4, 96, 6, "gelu"), (2, 32, 4, "gelu_new")],
)
def test_outputs_equal_those_of_transformers(layers, hidden, heads, hidden_act):
    config = tiny_config(
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=heads,
        hidden_act=hidden_act,
    )
    model = build_bert(config, num_blocks=layers)
    randomize_weights(model)
    inputs = random_inputs(config)

    ours = model(inputs, training=False)
    theirs = _run_transformers(config, model, inputs)

    positions = inputs["masked_lm_positions"]
    mlm_logits = tf.gather(theirs.prediction_logits, positions, batch_dims=1)
    np.testing.assert_allclose(ours["masked_lm_logits"], mlm_logits, atol=1e-4)
    nsp_logits = theirs.seq_relationship_logits
    np.testing.assert_allclose(ours["next_sentence_logits"], nsp_logits, atol=1e-4)
    np.testing.assert_allclose(ours["sequence_output"], theirs.hidden_states[-1], atol=1e-4)
    np.testing.assert_allclose(ours["pooled_output"], theirs.pooled_output, atol=1e-4)


def test_gelu_forms_differ_enough_to_be_told_apart():
    outputs = []
    for hidden_act in ("gelu", "gelu_new"):
        config = tiny_config(hidden_act=hidden_act)
        model = build_bert(config, num_blocks=2)
        randomize_weights(model)
        outputs.append(model(random_inputs(config), training=False)["masked_lm_logits"])
    assert np.max(np.abs(outputs[0] - outputs[1])) > 2e-4


def _run_transformers(config, model, inputs):
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    transformers = pytest.importorskip("transformers")
    transformers.logging.set_verbosity_error()
    peer = transformers.TFBertForPreTraining(
        transformers.BertConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            num_hidden_layers=config.num_hidden_layers,
            num_attention_heads=config.num_attention_heads,
            intermediate_size=config.intermediate_size,
            hidden_act=config.hidden_act,
            max_position_embeddings=config.max_position_embeddings,
            layer_norm_eps=config.layer_norm_eps,
        )
    )
    features = {
        "input_ids": inputs["input_ids"],
        "attention_mask": inputs["input_mask"],
        "token_type_ids": inputs["segment_ids"],
    }
    peer(features)  # makes the variables
    values = {variable.name.removesuffix(":0"): variable for variable in model.variables}
    names = _names(config.num_hidden_layers)
    assert set(names) == set(values)
    targets = {v.name.split("/", 1)[1].removesuffix(":0"): v for v in peer.variables}
    assert set(names.values()) == set(targets)
    for ours, theirs in names.items():
        targets[theirs].assign(values[ours])
    outputs = peer(features, output_hidden_states=True)
    outputs.pooled_output = peer.bert(features).pooler_output
    return outputs


def _names(num_layers: int) -> dict[str, str]:
    names = dict(_OTHER_NAMES)
    for i in range(num_layers):
        for ours, theirs in _BLOCK_NAMES.items():
            parts = ("gamma", "beta") if ours.endswith("norm") else ("kernel", "bias")
            for part in parts:
                path = f"bert/encoder/layer_._{i}/{theirs}/{part}"
                names[f"{ours.format(i=i)}/{part}"] = path
    return names
