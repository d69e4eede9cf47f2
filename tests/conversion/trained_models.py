"""Trained models of a few thousand parameters, each weight with a number of its own."""

import functools

import numpy as np
import tensorflow as tf

from mslt_tf.modeling import weights
from mslt_tf.modeling.bert import build_bert
from mslt_tf.modeling.trained_model import TrainedModel
from mslt_tf.text_case import TextCase
from mslt_tf.vocabulary import SPECIAL_TOKENS
from tests import tiny
from tests.modeling.small_models import randomize_weights, tiny_albert_config, tiny_config

# Of 2 of 4 layers, and of all; ALBERT's layers with shared and with own weights, wide and narrow.
CONFIGS = {
    "bert_2_layers": tiny_config(),
    "bert_4_layers_tanh": tiny_config(
        num_hidden_layers=4, hidden_act="gelu_new", layer_norm_eps=1e-6
    ),
    "albert_1_of_2_groups": tiny_albert_config(num_hidden_layers=2, num_hidden_groups=1),
    "albert_2_groups_tanh": tiny_albert_config(hidden_act="gelu_new"),
    "albert_wide": tiny_albert_config(embedding_size=0),
    "albert_own_weights": tiny_albert_config(num_hidden_groups=0),
}


def vocabulary(size: int = 50) -> tuple[str, ...]:
    """Returns letters, and letters that go on with a word."""
    letters = [chr(ord("a") + i) for i in range(26)]
    return (*SPECIAL_TOKENS, *letters, *(f"##{letter}" for letter in letters))[:size]


MASKED_TEXT = "ab [MASK] c"


def trained_model(config=None, **changes: object) -> TrainedModel:
    config = config or tiny_config()
    run = tiny.config()
    values: dict[str, object] = {
        "config": config,
        "weights": _random_weights(config),
        "text_case": TextCase(),
        "vocabulary": vocabulary(config.vocab_size),
        "step": 3,
        "stage": run.plan.stages[0].name,
        "identity": {**run.identity(), "objective": "mlm+nsp"},
    }
    return TrainedModel(**(values | changes))


@functools.cache
def _random_weights(config):
    model = build_bert(config, num_blocks=config.num_blocks)
    randomize_weights(model)
    return weights.weights_of(model)


def outputs(model, inputs):
    """Returns what our model computes from the weights of whatever has `config` and `weights`."""
    ours = build_bert(model.config, num_blocks=model.config.num_blocks)
    weights.load(ours, model.weights)
    return {name: value.numpy() for name, value in ours(inputs, training=False).items()}


def masked_probabilities(model):
    """Returns the probability of each token in the place of [MASK] in `MASKED_TEXT`."""
    tokens = ("[CLS]", "a", "##b", "[MASK]", "c", "[SEP]")
    ids = [[model.vocabulary.index(token) for token in tokens]]
    inputs = {
        "input_ids": tf.constant(ids),
        "input_mask": tf.ones_like(ids),
        "segment_ids": tf.zeros_like(ids),
        "masked_lm_positions": tf.constant([[tokens.index("[MASK]")]]),
        "dropout_seed": tf.zeros([2], tf.int32),
    }
    scores = np.exp(outputs(model, inputs)["masked_lm_logits"][0, 0])
    return scores / np.sum(scores)
