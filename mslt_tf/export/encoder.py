"""The trained encoder as a SavedModel with the interface of TF Hub's text encoders.

Source: tensorflow/hub, "Common SavedModel APIs for Text". `hub.KerasLayer(path, trainable=True)`
fine-tunes it; TF Serving finds the signature "serving_default".
"""

import dataclasses
import json
import os
import re
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from mslt_tf.config import PretrainingConfig
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, removal
from mslt_tf.modeling import bert, weights
from mslt_tf.modeling.weights import Weights

# TF Hub's names for the model's inputs.
INPUTS = {
    "input_word_ids": "input_ids",
    "input_mask": "input_mask",
    "input_type_ids": "segment_ids",
}
CONFIG_FILE = "bert_config.json"  # in the SavedModel's assets.extra
KIND = "export"  # as the folder's mark calls it
# All that an export's folder holds, before it is marked.
_FILES = re.compile(
    r"(saved_model|fingerprint|keras_metadata)\.pb(\.tmp.*)?|variables/.*|assets/[^/]*|"
    rf"assets\.extra/({CONFIG_FILE})?"
)


def exists(path: str) -> bool:
    """Returns whether a finished export lies at `path`."""
    return bool(tf.io.gfile.exists(os.path.join(path, "saved_model.pb")))


def facts_of(path: str) -> Mapping[str, Any] | None:
    """Returns the facts that `export` was given; None where no export of ours lies."""
    mark = removal.read_mark(path, KIND)
    return mark.facts if mark and exists(path) else None


def is_unmarked(path: str) -> bool:
    """Returns whether an export lies at `path` of a version that wrote no marks."""
    has_config = tf.io.gfile.exists(os.path.join(path, "assets.extra", CONFIG_FILE))
    if not has_config or not exists(path) or removal.read_mark(path, KIND):
        return False
    return not removal.foreign_files(path, _is_ours)


def adopt(path: str, facts: Mapping[str, Any]) -> None:
    """Marks an export that `is_unmarked`.

    Raises:
        tensorflow.errors.OpError: the mark cannot be written.
    """
    removal.mark(path, KIND, facts=facts)


def check_place(path: str) -> None:
    """Checks that an export may be written to `path`: only one of ours may be there.

    Raises:
        UserError: something else is, there or where the export is written first; it is named.
    """
    removal.check_replaceable(path, KIND)
    temporary = removal.partial_path(path)
    foreign = removal.foreign_files(temporary, _is_ours) if tf.io.gfile.isdir(temporary) else []
    if foreign:
        raise UserError(
            f"{temporary} holds {foreign[0]}, not written by this program. The export is to be "
            "written there first. Move it away, or give another --output_dir."
        )


def export(
    config: PretrainingConfig,
    trained: Weights,
    path: str,
    *,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Writes the encoder of a fully grown model to `path`; an export there stays until it is whole.

    The SavedModel takes a dict of int32 [batch, seq] (`input_word_ids`, `input_mask`,
    `input_type_ids`), optionally `training=True`, and returns float32 `sequence_output`
    [batch, seq, hidden], `pooled_output` and `default` [batch, hidden].

    Args:
        config: of the run.
        trained: the weights of its last stage.
        path: a folder that is not there yet, or holds an export.
        facts: JSON values that `facts_of` returns.

    Raises:
        UserError: something else lies at `path`, a weight is no number or far too large, or the
            folder cannot be written to.
    """
    check_place(path)
    advice = "Mend that and start again: the run goes on from its newest checkpoint, and exports."
    with file_errors.naming(f"the export cannot be written to {path}", advice):
        temporary = removal.partial_path(path)
        removal.remove(temporary, _is_ours)  # half written
        _save(config, trained, temporary)
        removal.mark(temporary, KIND, facts=facts)
        removal.replace(temporary, path, KIND)


def _is_ours(path: str) -> bool:
    return path == removal.MARK_FILE or _FILES.fullmatch(path) is not None


def _save(config: PretrainingConfig, trained: Weights, path: str) -> None:
    encoder = _encoder_object(config, trained)
    tf.saved_model.save(encoder, path, signatures={"serving_default": _serving_function(encoder)})
    extra = os.path.join(path, "assets.extra")
    tf.io.gfile.makedirs(extra)
    with tf.io.gfile.GFile(os.path.join(extra, CONFIG_FILE), "w") as file:
        file.write(json.dumps(config.model.to_bert_config(), indent=2) + "\n")


def _encoder_object(config: PretrainingConfig, trained: Weights) -> tf.train.Checkpoint:
    model = _encoder_model(config, trained)

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
    for name, value in dataclasses.asdict(config.text_case).items():
        setattr(encoder, name, tf.Variable(value, trainable=False))
    if config.vocab_file:
        encoder.vocab_file = tf.saved_model.Asset(config.vocab_file)
    return encoder


def _encoder_model(config: PretrainingConfig, trained: Weights) -> tf.keras.Model:
    """Returns the float32 model without its pretraining heads."""
    whole = bert.build_bert(config.model, num_blocks=config.model.num_blocks)
    inputs = {name: whole.input[name] for name in (*INPUTS.values(), "dropout_seed")}
    outputs = {name: whole.output[name] for name in ("sequence_output", "pooled_output")}
    model = tf.keras.Model(inputs, outputs, name="encoder")
    weights.load(model, trained)
    weights.check_usable(model)
    return model


def _serving_function(encoder: tf.train.Checkpoint) -> tf.types.experimental.GenericFunction:
    @tf.function(input_signature=[_input_specs()])
    def serve(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return encoder.__call__(inputs, training=False)

    return serve


def _input_specs() -> dict[str, tf.TensorSpec]:
    return {name: tf.TensorSpec([None, None], tf.int32, name=name) for name in INPUTS}
