"""BERT and ALBERT for pretraining as a functional Keras model.

A block is what has weights of its own: in BERT a layer, in ALBERT a group of layers that share
them. So ALBERT is a BERT with few blocks, each applied several times, and narrower embeddings.

Words used in shapes: batch (sequences), seq (tokens of a sequence, padding included), hidden,
predictions (masked positions per sequence, padding included), vocab.

The names below are fixed: weights are copied, frozen, decayed and saved by them.
"""

import collections
import dataclasses
import enum
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling.forms import Forms
from mslt_tf.modeling.heads import MaskedLanguageModelHead, Pooler, SentencePairHead
from mslt_tf.modeling.layers import Embeddings, EncoderLayer

EMBEDDINGS = "embeddings"
POOLER = "pooler"
SENTENCE_PAIR = "sentence_pair"
MASKED_LM = "masked_lm"
HEADS = (POOLER, SENTENCE_PAIR, MASKED_LM)  # the output layer: all that stands on the encoder

ComputeDtype = Literal["float32", "mixed_bfloat16", "mixed_float16"]
# By what --precision calls them.
COMPUTE_DTYPES: Mapping[str, ComputeDtype] = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


class ReadAt(enum.Enum):
    """The positions at which the last layer is read, and so computed."""

    EVERYWHERE = "everywhere"  # for exports, and for tasks that judge each token
    CLS = "cls"  # for tasks that judge whole sequences
    CLS_AND_MASKED = "cls and masked"  # all that the losses of pretraining need


def block_name(index: int) -> str:
    """Returns the name of the Keras layer that holds an encoder block; 0 is the lowest.

    >>> block_name(3)
    'encoder_3'
    """
    return f"encoder_{index}"


def build_bert(
    config: ModelConfig,
    *,
    num_blocks: int,
    compute_dtype: ComputeDtype = "float32",
    other_dtypes: Mapping[str, ComputeDtype] | None = None,
    without_dropout: Collection[str] = (),
    read_at: ReadAt = ReadAt.EVERYWHERE,
    forms: Forms = Forms.DEFINITIONS,
    initializer_seed: int = 0,
) -> tf.keras.Model:
    """Builds the model; call it as `model(inputs, training=True)`.

    Inputs, a dict: int32 `input_ids`, `input_mask` (0 at padding) and `segment_ids` [batch, seq],
    int32 `masked_lm_positions` [batch, predictions], and int64 `dropout_seed` [2], which decides
    all of dropout and is ignored outside training. Each call may have lengths of its own.

    Outputs, a dict: `masked_lm_logits` float32 [batch, predictions, vocab], `sentence_pair_logits`
    float32 [batch, 2], and in the compute type `sequence_output` [batch, seq, hidden] and
    `pooled_output` [batch, hidden]. `sequence_output` is there only where the last layer is read
    everywhere. Where it is read at [CLS] alone, the model has no masked LM head, nor its input and
    output.

    Args:
        config: sizes of the model.
        num_blocks: of this model, from 1 to `config.num_blocks`.
        compute_dtype: a Keras policy. Variables and logits are float32 under each of them.
        other_dtypes: policies of single layers, by name, where they differ.
        without_dropout: names of layers that drop no units.
        read_at: where the last layer is read. All outputs that are left stay the same.
        forms: how the model is computed with `training=True`; without, by its definitions always.
        initializer_seed: with a layer's name it decides that layer's initial weights.

    Raises:
        UserError: `num_blocks` is out of range.
    """
    if not 1 <= num_blocks <= config.num_blocks:
        raise UserError(
            f"num_blocks is {num_blocks}. Use 1 to {config.num_blocks}, the {config.block_unit} "
            "of the config."
        )
    dtypes = collections.defaultdict(lambda: compute_dtype, other_dtypes or {})
    still = dataclasses.replace(config, hidden_dropout_prob=0, attention_probs_dropout_prob=0)

    def make(layer: type[tf.keras.layers.Layer], name: str, **options: Forms) -> Any:
        return layer(
            still if name in without_dropout else config,
            name=name,
            initializer_seed=initializer_seed,
            dtype=dtypes[name],
            **options,
        )

    embeddings = make(Embeddings, EMBEDDINGS, forms=forms)
    blocks = [make(EncoderLayer, block_name(i), forms=forms) for i in range(num_blocks)]
    pooler = make(Pooler, POOLER)
    sentence_pair = SentencePairHead(config, name=SENTENCE_PAIR, initializer_seed=initializer_seed)
    masked_lm = make(MaskedLanguageModelHead, MASKED_LM, forms=forms)
    applied = [block for block in blocks for _ in range(config.layers_per_block)]
    return _connect(embeddings, applied, pooler, sentence_pair, masked_lm, read_at)


@tf.autograph.experimental.do_not_convert  # the layers have no loops; converting takes seconds
def _connect(
    embeddings: Embeddings,
    encoder_layers: Sequence[EncoderLayer],
    pooler: Pooler,
    sentence_pair: SentencePairHead,
    masked_lm: MaskedLanguageModelHead,
    read_at: ReadAt,
) -> tf.keras.Model:
    """Returns the model; `encoder_layers` are applied from first to last, some repeatedly."""
    inputs = _inputs(read_at)
    input_mask, dropout_seed = inputs["input_mask"], inputs["dropout_seed"]
    x, word_table = embeddings(inputs["input_ids"], inputs["segment_ids"], dropout_seed)
    *lower, (last_index, last) = enumerate(encoder_layers)
    for layer_index, layer in lower:
        x = layer(x, input_mask, dropout_seed, layer_index)
    positions = _positions_read(inputs, read_at)
    x = last(x, input_mask, dropout_seed, last_index, positions=positions)
    pooled_output = pooler(x)
    outputs = {"sentence_pair_logits": sentence_pair(pooled_output), "pooled_output": pooled_output}
    if read_at is ReadAt.EVERYWHERE:
        outputs["sequence_output"] = x
        x = tf.gather(x, inputs["masked_lm_positions"], batch_dims=1)
    elif read_at is ReadAt.CLS_AND_MASKED:
        x = x[:, 1:]
    if read_at is not ReadAt.CLS:
        outputs["masked_lm_logits"] = masked_lm(x, word_table)
    return tf.keras.Model(inputs, outputs, name="bert")


def _positions_read(inputs: Mapping[str, tf.Tensor], read_at: ReadAt) -> tf.Tensor | None:
    """Returns where the last layer is read, [CLS] first: int32 [batch, positions]; None for all."""
    if read_at is ReadAt.EVERYWHERE:
        return None
    cls = tf.zeros_like(inputs["input_ids"][:, :1])
    if read_at is ReadAt.CLS:
        return cls
    return tf.concat([cls, inputs["masked_lm_positions"]], axis=1)


def _inputs(read_at: ReadAt) -> dict[str, tf.Tensor]:
    names = ["input_ids", "input_mask", "segment_ids"]
    if read_at is not ReadAt.CLS:
        names.append("masked_lm_positions")
    inputs = {name: tf.keras.Input([None], dtype=tf.int32, name=name) for name in names}
    # Not as a batch of two: under a strategy Keras would want to share that out to the replicas.
    seed = tf.TensorSpec([2], tf.int64)
    inputs["dropout_seed"] = tf.keras.Input(type_spec=seed, name="dropout_seed")
    return inputs
