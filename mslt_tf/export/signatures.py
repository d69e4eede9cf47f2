"""What TensorFlow Serving answers: the signatures of a model, from ids, records or text.

Batch and length are free in all of them. Text is cut where the model's positions end, and padded
to the longest of the batch.
"""

from collections.abc import Callable, Mapping

import tensorflow as tf

from mslt_tf.export.encoder import POSITIONS, input_specs, with_checked_shapes
from mslt_tf.export.text_inputs import TextPacker, as_many, text_spec
from mslt_tf.modeling.trained_model import TrainedModel

MASK = "[MASK]"
NUM_GUESSES = 5  # for each hidden word
# How records name the inputs: as BERT's own do, or as TF Hub and the Model Garden.
RECORD_NAMES = {
    "input_word_ids": ("input_ids", "input_word_ids"),
    "input_mask": ("input_mask",),
    "input_type_ids": ("segment_ids", "input_type_ids"),
}

_Tensors = dict[str, tf.Tensor]
_Signature = tf.types.experimental.GenericFunction


def make(encoder: tf.train.Checkpoint, trained: TrainedModel) -> dict[str, _Signature]:
    """Returns the signatures by name; without a vocabulary, those that take no text.

    Args:
        encoder: from `encoder.make`.
        trained: what it was made of.
    """

    @tf.function(autograph=False, input_signature=[input_specs()])
    def serving_default(inputs: _Tensors) -> _Tensors:
        return _encode(encoder, with_checked_shapes(inputs))

    @tf.function(autograph=False, input_signature=[text_spec("examples")])
    def serve_examples(examples: tf.Tensor) -> _Tensors:
        return _encode(encoder, parse_examples(examples, vocab_size=trained.config.vocab_size))

    signatures = {"serving_default": serving_default, "serve_examples": serve_examples}
    return signatures | (_of_text(encoder, trained) if trained.vocabulary else {})


def _of_text(encoder: tf.train.Checkpoint, trained: TrainedModel) -> dict[str, _Signature]:
    assert trained.vocabulary
    packer = TextPacker(
        trained.vocabulary, trained.text_case, max_length=trained.config.max_position_embeddings
    )
    mask_id = packer.special.mask

    def encode(*texts: tf.Tensor) -> _Tensors:
        inputs = packer.pack(*(packer.tokens(text) for text in texts))
        return {**_encode(encoder, inputs), "input_mask": inputs["input_mask"]}

    @tf.function(autograph=False, input_signature=[text_spec("text")])
    def serve_text(text: tf.Tensor) -> _Tensors:
        return encode(text)

    @tf.function(autograph=False, input_signature=[text_spec("text"), text_spec("text_pair")])
    def serve_text_pair(text: tf.Tensor, text_pair: tf.Tensor) -> _Tensors:
        return encode(*as_many({"text": text, "text_pair": text_pair}))

    @tf.function(autograph=False, input_signature=[text_spec("text")])
    def fill_mask(text: tf.Tensor) -> _Tensors:
        inputs = packer.pack(_tokens_and_masks(text, packer.tokens, mask_id))
        return _fill(encoder, inputs, mask_id, tf.constant(trained.vocabulary))

    return {"serve_text": serve_text, "serve_text_pair": serve_text_pair, "fill_mask": fill_mask}


def parse_examples(examples: tf.Tensor, *, vocab_size: int) -> _Tensors:
    """Returns the encoder's inputs from serialized tf.Examples, padded to the longest.

    What is wrong in an example becomes an error of TensorFlow's that tells it.

    Args:
        examples: string [batch]. Of each feature one of its `RECORD_NAMES`, int64 of any length,
            all features of an example of the same. Without a mask all tokens count, without types
            all are of the first segment.
        vocab_size: above all ids.
    """
    features = {
        name: tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64)
        for names in RECORD_NAMES.values()
        for name in names
    }
    parsed = tf.io.parse_example(examples, features)
    found = {
        name: _only_one([parsed[alias] for alias in aliases], aliases)
        for name, aliases in RECORD_NAMES.items()
    }
    ids, mask = found["input_word_ids"], found["input_mask"]
    _check_examples(found, vocab_size)
    has_mask = tf.expand_dims(mask.row_lengths() > 0, 1)
    shape = tf.stack([-1, tf.maximum(ids.bounding_shape(axis=1), 1)])
    dense = {name: values.to_tensor(shape=shape) for name, values in found.items()}
    all_count = tf.ones_like(ids).to_tensor(shape=shape)
    dense["input_mask"] = tf.where(has_mask, dense["input_mask"], all_count)
    return {name: tf.cast(values, tf.int32) for name, values in dense.items()}


def _only_one(features: list[tf.RaggedTensor], names: tuple[str, ...]) -> tf.RaggedTensor:
    """Returns of each example the one feature of some that it has."""
    counts = sum(tf.cast(feature.row_lengths() > 0, tf.int32) for feature in features)
    message = f"an example has {' and '.join(names)}, which mean the same: leave one out"
    tf.debugging.assert_less_equal(counts, 1, message)
    return tf.concat(features, axis=1)


def _check_examples(found: Mapping[str, tf.RaggedTensor], vocab_size: int) -> None:
    ids = found["input_word_ids"]
    names = " or ".join(RECORD_NAMES["input_word_ids"])
    lengths = ids.row_lengths()
    tf.debugging.assert_positive(lengths, f"an example has no {names}")
    is_in_vocabulary = (ids.flat_values >= 0) & (ids.flat_values < vocab_size)
    tf.debugging.assert_equal(
        is_in_vocabulary, True, f"an id of {names} is not in the vocabulary of {vocab_size}"
    )
    for name in ("input_mask", "input_type_ids"):
        others = found[name].row_lengths()
        tf.debugging.assert_equal(
            tf.where(others > 0, others, lengths),
            lengths,
            f"an example has another number of {' or '.join(RECORD_NAMES[name])} than of {names}",
        )


def _encode(encoder: tf.train.Checkpoint, inputs: _Tensors) -> _Tensors:
    outputs = encoder.__call__(inputs, training=False)
    return {name: outputs[name] for name in ("sequence_output", "pooled_output")}


def _tokens_and_masks(
    texts: tf.Tensor, tokens: Callable[[tf.Tensor], tf.RaggedTensor], mask_id: int
) -> tf.RaggedTensor:
    """Returns ids [batch, (tokens)] in which each MASK of the texts is one token."""
    parts = tf.strings.split(texts, MASK)  # [batch, (parts)]
    ids = tokens(parts.values)  # [parts of all texts, (tokens)]
    masks = tf.fill([ids.nrows(), 1], mask_id)
    behind_masks = parts.with_values(tf.concat([masks, ids], axis=1))
    return behind_masks.merge_dims(1, 2)[:, 1:]  # no mask stands before the first part


def _fill(
    encoder: tf.train.Checkpoint, inputs: _Tensors, mask_id: int, vocabulary: tf.Tensor
) -> _Tensors:
    """Returns `tokens` and `probabilities` [batch, masks, NUM_GUESSES]; padding is "" and 0."""
    is_mask = inputs["input_word_ids"] == mask_id
    every_position = tf.cumsum(tf.ones_like(inputs["input_mask"]), axis=1, exclusive=True)
    found = tf.ragged.boolean_mask(every_position, is_mask)  # [batch, (masks)]
    positions = found.to_tensor()
    logits = encoder.mlm.__call__({**inputs, POSITIONS: positions}, training=False)["mlm_logits"]
    probabilities, ids = tf.math.top_k(tf.nn.softmax(logits), NUM_GUESSES)
    is_real = tf.expand_dims(tf.ones_like(found).to_tensor() > 0, 2)
    return {
        "tokens": tf.where(is_real, tf.gather(vocabulary, ids), ""),
        "probabilities": tf.where(is_real, probabilities, 0.0),
    }
