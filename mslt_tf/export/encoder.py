"""The trained encoder with the interface of TF Hub's text encoders.

Source: tensorflow/hub, "Common SavedModel APIs for Text".
"""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling import bert, weights
from mslt_tf.modeling.trained_model import TrainedModel

# TF Hub's names for the model's inputs.
INPUTS = {
    "input_word_ids": "input_ids",
    "input_mask": "input_mask",
    "input_type_ids": "segment_ids",
}
POSITIONS = "masked_lm_positions"  # TF Hub's and ours


def make(trained: TrainedModel, vocab_file: str) -> tf.train.Checkpoint:
    """Returns what is saved as the encoder.

    It takes a dict of int32 [batch, seq] (`INPUTS`), optionally `training=True`, and returns
    float32 `sequence_output` [batch, seq, hidden], `pooled_output` and `default` [batch, hidden],
    and `encoder_outputs`, a list of [batch, seq, hidden], one for each time that a layer is
    applied. Its `mlm` takes `masked_lm_positions`, int32 [batch, predictions], as well, and returns
    `mlm_logits` [batch, predictions, vocab] in place of `default`.

    Args:
        trained: the model.
        vocab_file: to be packed in, read when the encoder is saved; "" for none.

    Raises:
        UserError: a weight is no number or far too large.
    """
    model = bert.build_bert(trained.config, num_blocks=trained.config.num_blocks)
    weights.load(model, trained.weights)
    weights.check_usable(model)
    outputs = {
        "sequence_output": model.output["sequence_output"],
        "pooled_output": model.output["pooled_output"],
        "encoder_outputs": _layer_outputs(model, trained.config),
    }
    default = {"default": model.output["pooled_output"]}
    logits = {"mlm_logits": model.output["masked_lm_logits"]}
    encoder = _callable_part(model, [*INPUTS], outputs | default)
    encoder.mlm = _callable_part(model, [*INPUTS, POSITIONS], outputs | logits)
    for name, value in dataclasses.asdict(trained.text_case).items():
        setattr(encoder, name, tf.Variable(value, trainable=False, name=name))
    if vocab_file:
        encoder.vocab_file = tf.saved_model.Asset(vocab_file)
    return encoder


def input_specs(*names: str) -> dict[str, tf.TensorSpec]:
    """Returns int32 [batch, any length] under each name; of `INPUTS` if none is given."""
    return {name: tf.TensorSpec([None, None], tf.int32, name=name) for name in names or INPUTS}


def with_checked_shapes(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns a graph's inputs, once mask and types were seen to have the shape of the ids.

    Without, a mask of another shape may be taken as it is, and give other vectors.

    Raises:
        tensorflow.errors.InvalidArgumentError: they have not.
    """
    ids, *others = INPUTS
    checks = [
        tf.debugging.assert_equal(
            tf.shape(inputs[name]), tf.shape(inputs[ids]), f"{name} must have the shape of {ids}"
        )
        for name in others
    ]
    with tf.control_dependencies(checks):  # or else another operation may fail first
        return {name: tf.identity(inputs[name]) for name in INPUTS}


def _layer_outputs(model: tf.keras.Model, config: ModelConfig) -> list[tf.Tensor]:
    """Returns the vectors after each layer, the lowest first; ALBERT applies a block repeatedly."""
    blocks = [model.get_layer(bert.block_name(i)) for i in range(config.num_blocks)]
    return [
        block.get_output_at(application)
        for block in blocks
        for application in range(config.layers_per_block)
    ]


def _callable_part(
    model: tf.keras.Model, names: list[str], outputs: dict[str, tf.Tensor | list[tf.Tensor]]
) -> tf.train.Checkpoint:
    """Returns what computes some outputs of the model, and has only the variables for that."""
    inputs = {INPUTS.get(name, name): model.input[INPUTS.get(name, name)] for name in names}
    part_model = tf.keras.Model({**inputs, "dropout_seed": model.input["dropout_seed"]}, outputs)

    @tf.function(autograph=False)
    def call(inputs: dict[str, tf.Tensor], training: bool = False) -> dict[str, tf.Tensor]:
        return part_model(named_inputs(inputs, training=training), training=training)

    for training in (False, True):
        call.get_concrete_function(input_specs(*names), training=training)
    # Loaded objects have only what was an attribute when saved, so the lists are made attributes.
    # The Keras model is none, as it would be loaded again as one, with its layers' classes.
    part = tf.train.Checkpoint()
    part.__call__ = call
    part.variables = list(part_model.variables)
    part.trainable_variables = list(part_model.trainable_variables)
    part.regularization_losses = []
    return part


def named_inputs(
    inputs: Mapping[str, tf.Tensor], *, training: bool = False
) -> dict[str, tf.Tensor]:
    """Returns a model's inputs, under its own names, from those under TF Hub's."""
    named = {INPUTS.get(name, name): tensor for name, tensor in inputs.items()}
    if training:  # fine-tuning draws its dropout anew in each call; nothing has to be repeated
        seed = tf.random.uniform([2], maxval=tf.int64.max, dtype=tf.int64)
    else:
        seed = tf.zeros([2], tf.int64)
    return {**named, "dropout_seed": seed}
