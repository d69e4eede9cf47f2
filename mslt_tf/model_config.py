"""The shape of a BERT model, under the names of `bert_config.json`."""

import dataclasses
from typing import Literal

from mslt_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Sizes and constants of BERT; the defaults are BERT-Base uncased (Devlin et al., 2018)."""

    vocab_size: int = 30_522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3_072
    hidden_act: Literal["gelu", "gelu_new"] = "gelu"  # erf form; "gelu_new" is the tanh form
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12

    def __post_init__(self) -> None:
        for name in (
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
            "type_vocab_size",
        ):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}. Use at least 1.")
        if self.hidden_size % self.num_attention_heads:
            raise UserError(
                f"hidden_size {self.hidden_size} cannot be split over num_attention_heads "
                f"{self.num_attention_heads}. Use a multiple of {self.num_attention_heads}."
            )
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}. Use 0 or more, below 1.")

    @property
    def num_blocks(self) -> int:
        """The number of blocks that a stage plan counts; in BERT a block is one layer."""
        return self.num_hidden_layers
