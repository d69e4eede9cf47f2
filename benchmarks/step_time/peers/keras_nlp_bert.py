"""The process that trains a BERT of keras-nlp's encoder layers with tensorflow-addons' LAMB.

As one would put it together by hand: a functional Keras model, one compiled step, and where ours
saves work by layout, this does too: heads at the masked positions only, logits without a copy of
the table, dense gradients.
"""

import json
import sys
import time
from typing import Any

import keras_nlp
import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

from benchmarks.step_time import pipes
from mslt_tf import startup

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
NO_DECAY_PATTERNS = ["layer_norm", "bias"]
LEARNING_RATE, CLIP_NORM = 1e-4, 1.0


def make_tasks(shapes: dict[str, Any]) -> pipes.Tasks:
    """Returns "step", of the whole model on one batch over and over."""
    tf.keras.mixed_precision.set_global_policy(POLICIES[shapes["precision"]])
    model = build(shapes["model"])
    step = make_step(model)
    batches = iter(tf.data.Dataset.from_tensors(random_batch(shapes)).repeat())

    def timed(num_steps: int) -> dict[str, float]:
        start = time.perf_counter()
        step(batches, tf.constant(num_steps)).numpy()
        return {"seconds": time.perf_counter() - start}

    return {"step": timed, "facts": lambda _: {"parameters": model.count_params()}}


def build(sizes: dict[str, Any]) -> tf.keras.Model:
    """Returns the model; its outputs are logits in float32."""
    ids, mask, segments, positions = (
        tf.keras.Input([None], dtype=tf.int32, name=name)
        for name in ("input_ids", "input_mask", "segment_ids", "masked_lm_positions")
    )
    hidden, dropout = sizes["hidden_size"], sizes["hidden_dropout_prob"]
    word_embedding = tf.keras.layers.Embedding(sizes["vocab_size"], hidden)
    x = word_embedding(ids)
    x += tf.keras.layers.Embedding(sizes["type_vocab_size"], hidden)(segments)
    x += keras_nlp.layers.PositionEmbedding(sizes["max_position_embeddings"])(x)
    x = _layer_norm(sizes, "embeddings_layer_norm")(x)
    x = tf.keras.layers.Dropout(dropout)(x)
    for _ in range(sizes["num_hidden_layers"]):
        x = keras_nlp.layers.TransformerEncoder(
            sizes["intermediate_size"],
            sizes["num_attention_heads"],
            dropout=dropout,
            activation=tf.nn.gelu,
            layer_norm_epsilon=sizes["layer_norm_eps"],
        )(x, padding_mask=mask)
    pooled = tf.keras.layers.Dense(hidden, activation="tanh")(x[:, 0])
    masked = tf.gather(x, positions, batch_dims=1)
    masked = tf.keras.layers.Dense(hidden, activation=tf.nn.gelu)(masked)
    masked = _layer_norm(sizes, "masked_lm_layer_norm")(masked)
    outputs = {
        "masked_lm_logits": TiedDecoder(word_embedding, dtype="float32")(masked),
        "sentence_pair_logits": tf.keras.layers.Dense(2, dtype="float32")(pooled),
    }
    return tf.keras.Model([ids, mask, segments, positions], outputs)


class TiedDecoder(tf.keras.layers.Layer):
    """Scores every word by the table of word embeddings, in float32."""

    def __init__(self, embedding: tf.keras.layers.Embedding, **kwargs: Any):
        super().__init__(**kwargs)
        self._embedding = embedding

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes the bias of each word."""
        del input_shape
        self.bias = self.add_weight("output_bias", [self._embedding.input_dim], initializer="zeros")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Turns [batch, predictions, hidden] into [batch, predictions, vocab]."""
        table = self._embedding.embeddings
        logits = tf.matmul(tf.reshape(x, [-1, table.shape[1]]), table, transpose_b=True)
        return tf.reshape(logits + self.bias, [*tf.unstack(tf.shape(x))[:2], table.shape[0]])


def _layer_norm(sizes: dict[str, Any], name: str) -> tf.keras.layers.Layer:
    return tf.keras.layers.LayerNormalization(epsilon=sizes["layer_norm_eps"], name=name)


def make_step(model: tf.keras.Model) -> Any:
    """Returns the compiled function that trains for a number of steps."""
    optimizer = tfa.optimizers.LAMB(
        LEARNING_RATE,
        weight_decay=0.01,
        exclude_from_weight_decay=NO_DECAY_PATTERNS,
        exclude_from_layer_adaptation=NO_DECAY_PATTERNS,
    )
    variables = model.trainable_variables
    optimizer._create_all_weights(variables)

    @tf.function
    def step(batches: Any, num_steps: tf.Tensor) -> tf.Tensor:
        total = tf.zeros([])
        for _ in tf.range(num_steps):
            batch = next(batches)
            with tf.GradientTape() as tape:
                loss = _loss(model(batch["inputs"], training=True), batch)
            gradients = [tf.convert_to_tensor(g) for g in tape.gradient(loss, variables)]
            gradients, _ = tf.clip_by_global_norm(gradients, CLIP_NORM)
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            total += loss
        return total

    return step


def _loss(outputs: dict[str, tf.Tensor], batch: dict[str, Any]) -> tf.Tensor:
    cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits
    weights = batch["masked_lm_weights"]
    masked_lm = cross_entropy(batch["masked_lm_ids"], outputs["masked_lm_logits"]) * weights
    sentence_pair = cross_entropy(batch["next_sentence_labels"], outputs["sentence_pair_logits"])
    return tf.reduce_sum(masked_lm) / tf.reduce_sum(weights) + tf.reduce_mean(sentence_pair)


def random_batch(shapes: dict[str, Any]) -> dict[str, Any]:
    """Returns random tokens without padding."""
    rng = np.random.default_rng(0)
    batch, seq = shapes["batch_size"], shapes["seq_length"]
    vocab_size = shapes["model"]["vocab_size"]
    predictions = [batch, shapes["max_predictions_per_seq"]]
    ids = rng.integers(vocab_size, size=[batch, seq], dtype=np.int32)
    positions = np.sort(rng.integers(seq, size=predictions, dtype=np.int32), axis=1)
    return {
        "inputs": (ids, np.ones_like(ids), np.zeros_like(ids), positions),
        "masked_lm_ids": rng.integers(vocab_size, size=predictions, dtype=np.int32),
        "masked_lm_weights": np.ones(predictions, np.float32),
        "next_sentence_labels": rng.integers(2, size=[batch], dtype=np.int32),
    }


if __name__ == "__main__":
    startup.prepare_tensorflow()
    pipes.serve(lambda: make_tasks(json.loads(sys.argv[1])))
