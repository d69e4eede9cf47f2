"""Tiny configs, inputs for them, and weights that are all different, for the tests of the model."""

import numpy as np
import tensorflow as tf

from mslt_tf.model_config import ModelConfig


def tiny_config(**changes: object) -> ModelConfig:
    sizes: dict[str, object] = {
        "vocab_size": 50,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": 64,
    }
    return ModelConfig(**(sizes | changes))


def tiny_albert_config(**changes: object) -> ModelConfig:
    """Returns narrow embeddings and two groups of two layers."""
    sizes = {"embedding_size": 12, "num_hidden_layers": 4, "num_hidden_groups": 2}
    return tiny_config(**(sizes | changes))


def random_inputs(config: ModelConfig, *, batch=3, seq=16, predictions=5) -> dict[str, tf.Tensor]:
    """Returns inputs with two segments and with padding in all sequences but the first."""
    rng = np.random.default_rng(7)
    lengths = seq - np.arange(batch) * 3
    token = np.arange(seq)
    features = {
        "input_ids": rng.integers(0, config.vocab_size, [batch, seq]),
        "input_mask": token < lengths[:, None],
        "segment_ids": token >= (lengths // 2)[:, None],
        "masked_lm_positions": np.sort(rng.integers(1, seq - 3 * batch, [batch, predictions])),
        "dropout_seed": np.array([11, 12]),
    }
    return {name: tf.constant(value, tf.int32) for name, value in features.items()}


def randomize_weights(model: tf.keras.Model) -> None:
    """Gives each weight numbers of its own, biases and LayerNorms included."""
    rng = np.random.default_rng(3)
    for variable in model.variables:
        offset = 1.0 if variable.name.endswith("gamma:0") else 0.0
        variable.assign(offset + rng.normal(0, 0.15, variable.shape))
