"""Tiny trained models, their vocabulary, and the exports of them."""

import dataclasses
from pathlib import Path
from typing import Any

import tensorflow as tf

from mslt_tf.export import saved_models
from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling import bert, weights
from mslt_tf.modeling.trained_model import TrainedModel
from mslt_tf.text_case import TextCase
from mslt_tf.vocabulary import SPECIAL_TOKENS
from tests.modeling import small_models

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_WORDS = ("the", "cat", "dog", "sat", "ran", "good", "bad", "film", "\u03c3", "\u03c2", "\u4e2d")
VOCABULARY = (
    *SPECIAL_TOKENS,
    *_LETTERS,
    *(f"##{letter}" for letter in _LETTERS),
    *(".", ",", "[", "]", "#"),
    *_WORDS,
)
CASE = TextCase(do_lower_case=True, strip_accents=True)


@dataclasses.dataclass(frozen=True)
class Export:
    """An export, and what it was made of."""

    folder: Path
    trained: TrainedModel
    lines: list[str]  # that were reported

    def load(self, name: str) -> Any:
        return tf.saved_model.load(str(self.folder / name))


def make_model(config: ModelConfig, *, num_blocks: int | None = None) -> tf.keras.Model:
    """Returns a model whose weights are all different."""
    model = bert.build_bert(config, num_blocks=num_blocks or config.num_blocks)
    small_models.randomize_weights(model)
    return model


def trained_model(config: ModelConfig, *, has_vocabulary: bool = True) -> TrainedModel:
    return TrainedModel(
        config=config,
        weights=weights.weights_of(make_model(config)),
        text_case=CASE,
        vocabulary=VOCABULARY if has_vocabulary else None,
        step=7,
        stage="layers_2",
        identity={"stages": [{"name": "layers_2"}], "data": {"16": {"sha256": "d"}}, "seed": 3},
    )


def tiny_bert() -> ModelConfig:
    return small_models.tiny_config(vocab_size=len(VOCABULARY))


def tiny_albert() -> ModelConfig:
    return small_models.tiny_albert_config(vocab_size=len(VOCABULARY))


def write(folder: Path, trained: TrainedModel, **options: Any) -> Export:
    lines: list[str] = []
    saved_models.write(trained, str(folder / "export"), report=lines.append, **options)
    return Export(folder / "export", trained, lines)


def assert_described(described, specs):
    assert described.keys() == specs.keys()
    for name, spec in specs.items():
        dtype = {"float32": "float"}.get(spec.dtype.name, spec.dtype.name)
        assert described[name] == {"dtype": dtype, "shape": spec.shape.as_list()}
