"""One table of names: each of our variables, what others call it, and whether it lies transposed.

A new format is one more column. Sources: transformers, modeling_bert.py and modeling_albert.py;
google-research/bert and google-research/albert, modeling.py and run_pretraining.py.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling import bert


class Other(NamedTuple):
    """A variable in another format."""

    name: str
    is_transposed: bool = False


class Tensor(NamedTuple):
    """A variable in all formats."""

    layer: str  # ours, as in `Weights`
    name: str  # ours, within the layer
    huggingface: Other
    google_tf1: Other

    @property
    def saved_model(self) -> Other:
        """In our exports for TensorFlow, which keep our names."""
        return Other(f"{self.layer}/{self.name}")


class _Part(NamedTuple):
    """A variable of a unit: what stands behind the unit's name."""

    ours: str
    huggingface: Other
    google_tf1: Other


_Unit = tuple[_Part, ...]

_TABLE: Final[_Unit] = (_Part("", Other(".weight"), Other("")),)
_VECTOR: Final[_Unit] = (_Part("", Other(""), Other("")),)
_DENSE: Final[_Unit] = (
    _Part("/kernel", Other(".weight", is_transposed=True), Other("/kernel")),
    _Part("/bias", Other(".bias"), Other("/bias")),
)
_NORM: Final[_Unit] = (
    _Part("/gamma", Other(".weight"), Other("/gamma")),
    _Part("/beta", Other(".bias"), Other("/beta")),
)
# Google's code multiplies by the transpose here, as with the table of word embeddings.
_SCORES: Final[_Unit] = (
    _Part(
        "/kernel",
        Other(".weight", is_transposed=True),
        Other("/output_weights", is_transposed=True),
    ),
    _Part("/bias", Other(".bias"), Other("/output_bias")),
)

_Row = tuple[_Unit, str, str, str]  # unit, then its names: ours, Hugging Face's, Google's

_BERT_LAYER: Final[tuple[_Row, ...]] = (
    (_DENSE, "attention/query", "attention.self.query", "attention/self/query"),
    (_DENSE, "attention/key", "attention.self.key", "attention/self/key"),
    (_DENSE, "attention/value", "attention.self.value", "attention/self/value"),
    (_DENSE, "attention/output", "attention.output.dense", "attention/output/dense"),
    (_NORM, "attention_layer_norm", "attention.output.LayerNorm", "attention/output/LayerNorm"),
    (_DENSE, "intermediate", "intermediate.dense", "intermediate/dense"),
    (_DENSE, "output", "output.dense", "output/dense"),
    (_NORM, "output_layer_norm", "output.LayerNorm", "output/LayerNorm"),
)
_ALBERT_GROUP: Final[tuple[_Row, ...]] = (
    (_DENSE, "attention/query", "attention.query", "attention_1/self/query"),
    (_DENSE, "attention/key", "attention.key", "attention_1/self/key"),
    (_DENSE, "attention/value", "attention.value", "attention_1/self/value"),
    (_DENSE, "attention/output", "attention.dense", "attention_1/output/dense"),
    (_NORM, "attention_layer_norm", "attention.LayerNorm", "LayerNorm"),
    (_DENSE, "intermediate", "ffn", "ffn_1/intermediate/dense"),
    (_DENSE, "output", "ffn_output", "ffn_1/intermediate/output/dense"),
    (_NORM, "output_layer_norm", "full_layer_layer_norm", "LayerNorm_1"),
)

_EMBEDDINGS: Final[tuple[_Row, ...]] = tuple(
    (unit, ours, f"embeddings.{theirs}", f"bert/embeddings/{theirs}")
    for unit, ours, theirs in (
        (_TABLE, "word_embeddings", "word_embeddings"),
        (_TABLE, "position_embeddings", "position_embeddings"),
        (_TABLE, "segment_embeddings", "token_type_embeddings"),
        (_NORM, "layer_norm", "LayerNorm"),
    )
)
_PROJECTION: Final[_Row] = (
    _DENSE,
    "projection",
    "encoder.embedding_hidden_mapping_in",
    "bert/encoder/embedding_hidden_mapping_in",
)
_TRANSFORM, _TRANSFORM_NORM = (
    "cls/predictions/transform/dense",
    "cls/predictions/transform/LayerNorm",
)
_BERT_HEADS: Final[tuple[tuple[str, _Row], ...]] = (
    (bert.POOLER, (_DENSE, "dense", "bert.pooler.dense", "bert/pooler/dense")),
    (
        bert.MASKED_LM,
        (_DENSE, "transform", "cls.predictions.transform.dense", _TRANSFORM),
    ),
    (
        bert.MASKED_LM,
        (_NORM, "layer_norm", "cls.predictions.transform.LayerNorm", _TRANSFORM_NORM),
    ),
    (
        bert.MASKED_LM,
        (_VECTOR, "output_bias", "cls.predictions.bias", "cls/predictions/output_bias"),
    ),
    (
        bert.SENTENCE_PAIR,
        (_SCORES, "dense", "cls.seq_relationship", "cls/seq_relationship"),
    ),
)
_ALBERT_HEADS: Final[tuple[tuple[str, _Row], ...]] = (
    (bert.POOLER, (_DENSE, "dense", "albert.pooler", "bert/pooler/dense")),
    (bert.MASKED_LM, (_DENSE, "transform", "predictions.dense", _TRANSFORM)),
    (bert.MASKED_LM, (_NORM, "layer_norm", "predictions.LayerNorm", _TRANSFORM_NORM)),
    (
        bert.MASKED_LM,
        (_VECTOR, "output_bias", "predictions.bias", "cls/predictions/output_bias"),
    ),
    (
        bert.SENTENCE_PAIR,
        (_SCORES, "dense", "sop_classifier.classifier", "cls/seq_relationship"),
    ),
)


class _Family(NamedTuple):
    """What BERT and ALBERT have in common: where the rows of each lie."""

    huggingface: str  # stands before embeddings and blocks
    block: tuple[_Row, ...]
    huggingface_block: str  # {i} is the block
    google_tf1_block: str
    heads: tuple[tuple[str, _Row], ...]


_BERT: Final = _Family(
    "bert.", _BERT_LAYER, "encoder.layer.{i}.", "bert/encoder/layer_{i}/", _BERT_HEADS
)
_ALBERT: Final = _Family(
    "albert.",
    _ALBERT_GROUP,
    "encoder.albert_layer_groups.{i}.albert_layers.0.",
    "bert/encoder/transformer/group_{i}/inner_group_0/",
    _ALBERT_HEADS,
)


def is_albert(config: ModelConfig) -> bool:
    """Returns whether others call the model ALBERT: shared layers or narrower embeddings."""
    return bool(config.num_hidden_groups) or config.projects_embeddings


def tensors(config: ModelConfig) -> list[Tensor]:
    """Returns every variable of a model, with its names in all formats.

    ALBERT of Hugging Face has a matrix behind the embeddings also where they are as wide as the
    layers; ours and Google's have not. It is not among these.
    """
    return list(_expand_all(config, _ALBERT if is_albert(config) else _BERT))


def shapes(config: ModelConfig) -> dict[tuple[str, str], tuple[int, ...]]:
    """Returns the shape of each variable of a model, by layer and name."""
    hidden, width = config.hidden_size, config.embedding_width
    of_norm = {"gamma": (hidden,), "beta": (hidden,)}
    of_layer = _prefixed("attention_layer_norm", of_norm) | _prefixed("output_layer_norm", of_norm)
    for name, (rows, columns) in {
        **dict.fromkeys(
            (f"attention/{part}" for part in ("query", "key", "value", "output")), (hidden, hidden)
        ),
        "intermediate": (hidden, config.intermediate_size),
        "output": (config.intermediate_size, hidden),
    }.items():
        of_layer |= _prefixed(name, _dense(rows, columns))
    of_narrow_norm = _prefixed("layer_norm", {"gamma": (width,), "beta": (width,)})
    layers = {
        bert.EMBEDDINGS: {
            "word_embeddings": (config.vocab_size, width),
            "position_embeddings": (config.max_position_embeddings, width),
            "segment_embeddings": (config.type_vocab_size, width),
            **of_narrow_norm,
            **(_prefixed("projection", _dense(width, hidden)) if width != hidden else {}),
        },
        **{bert.block_name(i): of_layer for i in range(config.num_blocks)},
        bert.POOLER: _prefixed("dense", _dense(hidden, hidden)),
        bert.MASKED_LM: {
            **_prefixed("transform", _dense(hidden, width)),
            **of_narrow_norm,
            "output_bias": (config.vocab_size,),
        },
        bert.SENTENCE_PAIR: _prefixed("dense", _dense(hidden, 2)),
    }
    return {
        (layer, name): shape for layer, named in layers.items() for name, shape in named.items()
    }


def _dense(rows: int, columns: int) -> dict[str, tuple[int, ...]]:
    return {"kernel": (rows, columns), "bias": (columns,)}


def _prefixed(unit: str, parts: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {f"{unit}/{part}": shape for part, shape in parts.items()}


def _expand_all(config: ModelConfig, family: _Family) -> Iterator[Tensor]:
    for row in (*_EMBEDDINGS, *((_PROJECTION,) if config.projects_embeddings else ())):
        yield from _expand(bert.EMBEDDINGS, row, huggingface=family.huggingface)
    for i in range(config.num_blocks):
        for row in family.block:
            yield from _expand(
                bert.block_name(i),
                row,
                huggingface=family.huggingface + family.huggingface_block.format(i=i),
                google_tf1=family.google_tf1_block.format(i=i),
            )
    for layer, row in family.heads:
        yield from _expand(layer, row)


def _expand(
    layer: str, row: _Row, *, huggingface: str = "", google_tf1: str = ""
) -> Iterator[Tensor]:
    """Yields the variables of a unit; the last two stand before its names."""
    parts, ours, theirs, googles = row
    for part in parts:
        yield Tensor(
            layer,
            f"{ours}{part.ours}",
            Other(f"{huggingface}{theirs}{part.huggingface.name}", part.huggingface.is_transposed),
            Other(f"{google_tf1}{googles}{part.google_tf1.name}", part.google_tf1.is_transposed),
        )
