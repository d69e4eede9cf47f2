"""What turns text into the encoder's inputs, with the interface of TF Hub's text preprocessors.

Source: tensorflow/hub, "Common SavedModel APIs for Text".
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from mslt_tf.export.packing import SpecialIds, pack
from mslt_tf.export.text_inputs import text_spec
from mslt_tf.text_case import TextCase
from mslt_tf.tokenization.graph_tokenizer import GraphTokenizer

_DEFAULT_LENGTH = 128
_TEXTS = text_spec("text")
_PAIRS = [_TEXTS, text_spec("text_pair")]
_LENGTH = tf.TensorSpec([], tf.int32, name="seq_length")


def make(
    vocabulary: Sequence[str], text_case: TextCase, *, max_length: int, vocab_file: str
) -> tf.train.Checkpoint:
    """Returns what is saved as the preprocessor; it has no trainable variables.

    It takes texts, string [batch], or a pair of such tensors, optionally `seq_length=`, and returns
    `input_word_ids`, `input_mask` and `input_type_ids`, int32 [batch, seq_length]. Its `tokenize`,
    `tokenize_with_offsets` and `bert_pack_inputs` do the same step by step.

    Args:
        vocabulary: tokens by id.
        text_case: what is done to letters.
        max_length: of the encoder's sequences; the default `seq_length` if it is below 128.
        vocab_file: the vocabulary, to be packed in; it is read when the preprocessor is saved.
    """
    default_length = min(_DEFAULT_LENGTH, max_length)
    tokenizer, special = GraphTokenizer(vocabulary, text_case), SpecialIds.of(vocabulary)
    tokenize = _tokenizing_part(tokenizer, special, vocab_size=len(vocabulary))
    bert_pack_inputs = _packing_part(special, default_length)
    preprocessor = _part(tokenize=tokenize, bert_pack_inputs=bert_pack_inputs)
    preprocessor.tokenize_with_offsets = _of_texts(tokenizer.tokenize_with_offsets)
    preprocessor.vocab_file = tf.saved_model.Asset(vocab_file)

    @tf.function(autograph=False)
    def call(
        inputs: tf.Tensor | Sequence[tf.Tensor],
        training: bool = False,  # of no effect; Keras tells it to whatever takes it
        seq_length: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        texts = inputs if isinstance(inputs, list | tuple) else [inputs]
        length = default_length if seq_length is None else seq_length
        return bert_pack_inputs.__call__([tokenize.__call__(text) for text in texts], length)

    for inputs in (_TEXTS, [_TEXTS], _PAIRS, tuple(_PAIRS)):
        for training in (False, True):
            for seq_length in (None, _LENGTH):
                call.get_concrete_function(inputs, training=training, seq_length=seq_length)
    preprocessor.__call__ = call
    return preprocessor


def _tokenizing_part(
    tokenizer: GraphTokenizer, special: SpecialIds, *, vocab_size: int
) -> tf.train.Checkpoint:
    """Returns what gives ids of texts, int32 [batch, (words), (pieces)]."""
    facts = {
        "vocab_size": vocab_size,
        "padding_id": special.padding,
        "start_of_sequence_id": special.start,
        "end_of_segment_id": special.end,
        "mask_id": special.mask,
    }

    @tf.function(autograph=False, input_signature=[])
    def get_special_tokens_dict() -> dict[str, tf.Tensor]:
        return {name: tf.constant(value, tf.int32) for name, value in facts.items()}

    part = _part(get_special_tokens_dict=get_special_tokens_dict)
    part.__call__ = _of_texts(tokenizer.tokenize)
    return part


def _of_texts(function: Callable[[tf.Tensor], Any]) -> tf.types.experimental.GenericFunction:
    return tf.function(function, autograph=False, input_signature=[_TEXTS])


def _packing_part(special: SpecialIds, default_length: int) -> tf.train.Checkpoint:
    """Returns what packs one or two segments, [batch, (tokens)] or [batch, (words), (pieces)]."""

    # A function of its own, so that it is traced and saved once for all that call it.
    @tf.function(autograph=False)
    def pack_tokens(segments: list[tf.RaggedTensor], seq_length: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.debugging.assert_greater(
            seq_length, len(segments), "seq_length leaves no room for [CLS] and each [SEP]"
        )
        return pack(segments, special, max_length=seq_length, pads=True)

    @tf.function(autograph=False)
    def call(
        inputs: Sequence[tf.RaggedTensor], seq_length: tf.Tensor | int = default_length
    ) -> dict[str, tf.Tensor]:
        segments = [ids.merge_dims(1, -1) if ids.ragged_rank > 1 else ids for ids in inputs]
        return pack_tokens(segments, tf.convert_to_tensor(seq_length, tf.int32))

    for ragged_rank in (1, 2):
        shape = [None] * (ragged_rank + 1)
        ids = tf.RaggedTensorSpec(shape, tf.int32, ragged_rank=ragged_rank)
        for inputs in ([ids], [ids, ids], (ids,), (ids, ids)):
            for seq_length in (default_length, _LENGTH):
                call.get_concrete_function(inputs, seq_length)
    part = _part()
    part.__call__ = call
    return part


def _part(**attributes: object) -> tf.train.Checkpoint:
    """Returns an object with attributes, and the lists that Keras asks for."""
    part = tf.train.Checkpoint(**attributes)
    part.variables, part.trainable_variables, part.regularization_losses = [], [], []
    return part
