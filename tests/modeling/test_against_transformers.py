"""The model against the independent TensorFlow implementation in Hugging Face transformers."""

import os

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling.bert import build_bert
from tests.modeling.small_models import (
    random_inputs,
    randomize_weights,
    tiny_albert_config,
    tiny_config,
)

# Ours -> theirs, relative to the whole model's name; {i} is the layer or group.
_BERT_BLOCK_NAMES = {
    "attention/query": "attention/self/query",
    "attention/key": "attention/self/key",
    "attention/value": "attention/self/value",
    "attention/output": "attention/output/dense",
    "attention_layer_norm": "attention/output/LayerNorm",
    "intermediate": "intermediate/dense",
    "output": "output/dense",
    "output_layer_norm": "output/LayerNorm",
}
_ALBERT_BLOCK_NAMES = {
    "attention/query": "attention/query",
    "attention/key": "attention/key",
    "attention/value": "attention/value",
    "attention/output": "attention/dense",
    "attention_layer_norm": "attention/LayerNorm",
    "intermediate": "ffn",
    "output": "ffn_output",
    "output_layer_norm": "full_layer_layer_norm",
}
_BERT_OTHER_NAMES = {
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
    "sentence_pair/dense/kernel": "nsp___cls/seq_relationship/kernel",
    "sentence_pair/dense/bias": "nsp___cls/seq_relationship/bias",
}
_ALBERT_OTHER_NAMES = {
    "embeddings/word_embeddings": "albert/embeddings/word_embeddings/weight",
    "embeddings/position_embeddings": "albert/embeddings/position_embeddings/embeddings",
    "embeddings/segment_embeddings": "albert/embeddings/token_type_embeddings/embeddings",
    "embeddings/layer_norm/gamma": "albert/embeddings/LayerNorm/gamma",
    "embeddings/layer_norm/beta": "albert/embeddings/LayerNorm/beta",
    "embeddings/projection/kernel": "albert/encoder/embedding_hidden_mapping_in/kernel",
    "embeddings/projection/bias": "albert/encoder/embedding_hidden_mapping_in/bias",
    "pooler/dense/kernel": "albert/pooler/kernel",
    "pooler/dense/bias": "albert/pooler/bias",
    "masked_lm/transform/kernel": "predictions/dense/kernel",
    "masked_lm/transform/bias": "predictions/dense/bias",
    "masked_lm/layer_norm/gamma": "predictions/LayerNorm/gamma",
    "masked_lm/layer_norm/beta": "predictions/LayerNorm/beta",
    "masked_lm/output_bias": "predictions/decoder/bias",
    "sentence_pair/dense/kernel": "sop_classifier/classifier/kernel",
    "sentence_pair/dense/bias": "sop_classifier/classifier/bias",
}
_BERT_BLOCK = "bert/encoder/layer_._{i}"
_ALBERT_BLOCK = "albert/encoder/albert_layer_groups_._{i}/albert_layers_._0"
# Their second bias of the vocabulary: it is made, saved, and used in no output.
_UNUSED_IN_THEIR_ALBERT = "predictions/bias"


@pytest.mark.parametrize(
    ("layers", "hidden", "heads", "hidden_act"),
    [(2, 32, 4, "gelu"), (4, 96, 6, "gelu"), (2, 32, 4, "gelu_new")],
)
def test_outputs_of_bert_equal_those_of_transformers(layers, hidden, heads, hidden_act):
    config = tiny_config(
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=heads,
        hidden_act=hidden_act,
    )
    transformers = _transformers()
    peer = transformers.TFBertForPreTraining(transformers.BertConfig(**_their_sizes(config)))
    names = _BERT_OTHER_NAMES | _block_names(layers, _BERT_BLOCK, _BERT_BLOCK_NAMES)
    _assert_equal_outputs(config, peer, peer.bert, names, unused=set())


@pytest.mark.parametrize(
    ("layers", "groups", "hidden_act"),
    [(4, 1, "gelu_new"), (4, 4, "gelu"), (8, 4, "gelu_new"), (6, 2, "gelu")],
)
def test_outputs_of_albert_equal_those_of_transformers(layers, groups, hidden_act):
    config = tiny_albert_config(
        num_hidden_layers=layers, num_hidden_groups=groups, hidden_act=hidden_act
    )
    transformers = _transformers()
    peer = transformers.TFAlbertForPreTraining(
        transformers.AlbertConfig(
            **_their_sizes(config),
            embedding_size=config.embedding_size,
            num_hidden_groups=groups,
        )
    )
    names = _ALBERT_OTHER_NAMES | _block_names(groups, _ALBERT_BLOCK, _ALBERT_BLOCK_NAMES)
    _assert_equal_outputs(config, peer, peer.albert, names, unused={_UNUSED_IN_THEIR_ALBERT})


def test_gelu_forms_differ_enough_to_be_told_apart():
    outputs = []
    for hidden_act in ("gelu", "gelu_new"):
        config = tiny_config(hidden_act=hidden_act)
        model = build_bert(config, num_blocks=2)
        randomize_weights(model)
        outputs.append(model(random_inputs(config), training=False)["masked_lm_logits"])
    assert np.max(np.abs(outputs[0] - outputs[1])) > 2e-4


def _transformers():
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    transformers = pytest.importorskip("transformers")
    transformers.logging.set_verbosity_error()
    return transformers


def _their_sizes(config: ModelConfig) -> dict[str, object]:
    return {
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "intermediate_size": config.intermediate_size,
        "hidden_act": config.hidden_act,
        "max_position_embeddings": config.max_position_embeddings,
        "layer_norm_eps": config.layer_norm_eps,
    }


def _assert_equal_outputs(config, peer, trunk, names, *, unused: set[str]) -> None:
    """Compares our model with `peer`, whose encoder is `trunk`, under the same random weights."""
    model = build_bert(config, num_blocks=config.num_blocks)
    randomize_weights(model)
    inputs = random_inputs(config)
    features = {
        "input_ids": inputs["input_ids"],
        "attention_mask": inputs["input_mask"],
        "token_type_ids": inputs["segment_ids"],
    }
    peer(features)  # makes the variables
    _copy_weights(model, peer, names, unused=unused)
    ours = model(inputs, training=False)
    theirs = peer(features, output_hidden_states=True)
    expected = {
        "masked_lm_logits": tf.gather(
            theirs.prediction_logits, inputs["masked_lm_positions"], batch_dims=1
        ),
        "sentence_pair_logits": theirs[1],
        "sequence_output": theirs.hidden_states[-1],
        "pooled_output": trunk(features).pooler_output,
    }
    assert ours.keys() == expected.keys()
    assert len(theirs.hidden_states) == 1 + config.num_hidden_layers
    for name, value in expected.items():
        np.testing.assert_allclose(ours[name], value, atol=1e-4, err_msg=name)


def _copy_weights(model, peer, names: dict[str, str], *, unused: set[str]) -> None:
    """Sets each variable of `peer` from the one of ours that `names` gives; NaN where unused."""
    values = {variable.name.removesuffix(":0"): variable for variable in model.variables}
    targets = {v.name.split("/", 1)[1].removesuffix(":0"): v for v in peer.variables}
    assert set(names) == set(values)
    assert len(set(names.values())) == len(names)
    assert set(names.values()) == set(targets) - unused
    assert unused <= set(targets)
    for ours, theirs in names.items():
        targets[theirs].assign(values[ours])
    for name in unused:
        targets[name].assign(tf.fill(targets[name].shape, float("nan")))


def _block_names(num_blocks: int, path: str, block_names: dict[str, str]) -> dict[str, str]:
    names = {}
    for i in range(num_blocks):
        for ours, theirs in block_names.items():
            parts = ("gamma", "beta") if ours.endswith("norm") else ("kernel", "bias")
            for part in parts:
                names[f"encoder_{i}/{ours}/{part}"] = f"{path.format(i=i)}/{theirs}/{part}"
    return names
