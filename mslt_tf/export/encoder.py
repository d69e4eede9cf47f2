"""The trained encoder as a SavedModel with the interface of TF Hub's text encoders.

Source: tensorflow/hub, "Common SavedModel APIs for Text". `hub.KerasLayer(path, trainable=True)`
fine-tunes it; TF Serving finds the signature "serving_default".
"""

import json
import os

import tensorflow as tf

from mslt_tf.config import PretrainingConfig
from mslt_tf.modeling import bert
from mslt_tf.pretraining import stage_model

# TF Hub's names for the model's inputs.
INPUTS = {
    "input_word_ids": "input_ids",
    "input_mask": "input_mask",
    "input_type_ids": "segment_ids",
}
CONFIG_FILE = "bert_config.json"  # in the SavedModel's assets.extra


def exists(path: str) -> bool:
    """Returns whether a finished export lies at `path`."""
    return bool(tf.io.gfile.exists(os.path.join(path, "saved_model.pb")))


def remove(path: str) -> None:
    """Removes an export, if there is one."""
    if tf.io.gfile.exists(path):
        tf.io.gfile.rmtree(path)


def export(config: PretrainingConfig, weights: stage_model.Weights, path: str) -> None:
    """Writes the encoder of a fully grown model to `path`, replacing what is there.

    The SavedModel takes a dict of int32 [batch, seq] (`input_word_ids`, `input_mask`,
    `input_type_ids`), optionally `training=True`, and returns float32 `sequence_output`
    [batch, seq, hidden], `pooled_output` and `default` [batch, hidden].
    """
    temporary = f"{path}.tmp"
    remove(temporary)
    remove(path)
    encoder = _encoder_object(config, weights)
    tf.saved_model.save(
        encoder,
        temporary,
        signatures={"serving_default": _serving_function(encoder)},
        options=tf.saved_model.SaveOptions(experimental_custom_gradients=True),
    )
    extra = os.path.join(temporary, "assets.extra")
    tf.io.gfile.makedirs(extra)
    with tf.io.gfile.GFile(os.path.join(extra, CONFIG_FILE), "w") as file:
        file.write(json.dumps(config.model.to_bert_config(), indent=2) + "\n")
    tf.io.gfile.rename(temporary, path)


def _encoder_object(config: PretrainingConfig, weights: stage_model.Weights) -> tf.train.Checkpoint:
    model = _encoder_model(config, weights)

    @tf.function
    def call(inputs: dict[str, tf.Tensor], training: bool = False) -> dict[str, tf.Tensor]:
        named = {ours: inputs[theirs] for theirs, ours in INPUTS.items()}
        # Fine-tuning draws its dropout anew in each call; nothing has to be repeated there.
        named["dropout_seed"] = tf.random.uniform([2], maxval=tf.int32.max, dtype=tf.int32)
        outputs = model(named, training=training)
        return {**outputs, "default": outputs["pooled_output"]}

    for training in (False, True):
        call.get_concrete_function(_input_specs(), training=training)
    # Loaded objects have only what was an attribute when saved, so the lists are made attributes.
    encoder = tf.train.Checkpoint(model=model)
    encoder.__call__ = call
    encoder.variables = list(model.variables)
    encoder.trainable_variables = list(model.trainable_variables)
    encoder.regularization_losses = []
    encoder.do_lower_case = tf.Variable(config.do_lower_case, trainable=False)
    if config.vocab_file:
        encoder.vocab_file = tf.saved_model.Asset(config.vocab_file)
    return encoder


def _encoder_model(config: PretrainingConfig, weights: stage_model.Weights) -> tf.keras.Model:
    """Returns the float32 model without its pretraining heads."""
    whole = bert.build_bert(config.model, num_blocks=config.model.num_blocks)
    inputs = {name: whole.input[name] for name in (*INPUTS.values(), "dropout_seed")}
    outputs = {name: whole.output[name] for name in ("sequence_output", "pooled_output")}
    model = tf.keras.Model(inputs, outputs, name="encoder")
    stage_model.load(model, weights)
    return model


def _serving_function(encoder: tf.train.Checkpoint) -> tf.types.experimental.GenericFunction:
    @tf.function(input_signature=[_input_specs()])
    def serve(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return encoder.__call__(inputs, training=False)

    return serve


def _input_specs() -> dict[str, tf.TensorSpec]:
    return {name: tf.TensorSpec([None, None], tf.int32, name=name) for name in INPUTS}
