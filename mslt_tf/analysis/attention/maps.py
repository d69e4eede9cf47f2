"""The attention of a trained model on sentences, computed by the model's own layers."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from mslt_tf.analysis.attention.text import Sentence
from mslt_tf.modeling import bert, weights
from mslt_tf.modeling.layers import EncoderLayer
from mslt_tf.modeling.trained_model import TrainedModel

Maps = Sequence[np.ndarray]  # of each sentence, [layers, heads, tokens, tokens]; rows sum to 1


def attention_maps(trained: TrainedModel, sentences: Sequence[Sentence]) -> Maps:
    """Returns how much each token attends to each other, without dropout.

    A layer of ALBERT that is applied several times counts each time.

    Args:
        trained: a model of any stage.
        sentences: as the model reads them.

    Returns:
        For each sentence float32 [layers, heads, tokens that attend, tokens attended to].
    """
    model = bert.build_bert(
        trained.config, num_blocks=trained.config.num_blocks, read_at=bert.ReadAt.CLS
    )
    weights.load(model, trained.weights)
    applied = _applied_layers(model, trained)
    hidden_states = tf.keras.Model(model.inputs, [x for _, x in applied])
    return [_maps([layer for layer, _ in applied], hidden_states, each) for each in sentences]


def _applied_layers(
    model: tf.keras.Model, trained: TrainedModel
) -> list[tuple[EncoderLayer, tf.Tensor]]:
    """Returns the encoder's layers as often as they are applied, each with what goes into it."""
    blocks = [model.get_layer(bert.block_name(i)) for i in range(trained.config.num_blocks)]
    return [
        (block, tf.nest.flatten(block.get_input_at(application))[0])
        for block in blocks
        for application in range(trained.config.layers_per_block)
    ]


def _maps(
    layers: Sequence[EncoderLayer], hidden_states: tf.keras.Model, sentence: Sentence
) -> np.ndarray:
    ids = tf.constant([sentence.input_ids], tf.int32)
    inputs = {
        "input_ids": ids,
        "input_mask": tf.ones_like(ids),
        "segment_ids": tf.constant([sentence.segment_ids], tf.int32),
        "dropout_seed": tf.zeros([2], tf.int64),
    }
    states = tf.nest.flatten(hidden_states(inputs, training=False))
    return np.concatenate(
        [
            layer.attention.probs(x, x, inputs["input_mask"]).numpy()
            for layer, x in zip(layers, states, strict=True)
        ]
    )
