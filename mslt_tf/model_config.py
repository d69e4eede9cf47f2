"""The shape of a BERT or ALBERT model, under the names of `bert_config.json`."""

import dataclasses
from typing import Annotated, Any, Literal

from mslt_tf.bounds import Bounds, NonNegativeInt, PositiveInt, check_numbers
from mslt_tf.errors import UserError
from mslt_tf.flag_fields import flag_field

# Sizes of ALBERT; 0 in BERT.
_OPTIONAL = ("embedding_size", "num_hidden_groups")

# Of a model from elsewhere, too: an absurd number would keep whoever builds it busy for hours.
_NumLayers = Annotated[int, Bounds(at_least=1, at_most=1_000)]
_DropoutProb = Annotated[float, Bounds(at_least=0, below=1)]
_InitializerRange = Annotated[float, Bounds(above=0, at_most=1, hint="BERT's is 0.02.")]
_LayerNormEps = Annotated[float, Bounds(above=0, below=1, hint="BERT's is 1e-12.")]


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Sizes and constants of BERT; the defaults are BERT-Base uncased (Devlin et al., 2018).

    ALBERT (Lan et al., 2019) is the same model with two more sizes: `embedding_size`, of narrower
    embeddings that a matrix widens to `hidden_size`, and `num_hidden_groups`, of neighbouring
    layers that share their weights. The unit that stage plans count is a *block*: a layer of BERT,
    a group of ALBERT.
    """

    vocab_size: PositiveInt = flag_field(30_522, "Number of tokens in the vocabulary.")
    embedding_size: NonNegativeInt = flag_field(
        0, "For ALBERT: width of the embeddings, e.g. 128. 0: hidden_size, as in BERT."
    )
    hidden_size: PositiveInt = flag_field(768, "Width of the layers.")
    num_hidden_layers: _NumLayers = flag_field(12, "Number of layers of the whole model.")
    num_hidden_groups: NonNegativeInt = flag_field(
        0,
        "For ALBERT: number of groups into which the layers are divided. The layers of a group "
        "share their weights, and a stage adds whole groups. 0: every layer has weights of its "
        "own, as in BERT.",
    )
    num_attention_heads: PositiveInt = flag_field(12, "Number of attention heads in each layer.")
    intermediate_size: PositiveInt = flag_field(
        3_072, "Width between the two matrices of a layer's feed-forward part."
    )
    hidden_act: Literal["gelu", "gelu_new"] = flag_field(
        "gelu", "Activation function. gelu: the exact (erf) form. gelu_new: the tanh form."
    )
    hidden_dropout_prob: _DropoutProb = flag_field(
        0.1, "Probability of dropout of the embeddings and of the two outputs in each layer."
    )
    attention_probs_dropout_prob: _DropoutProb = flag_field(
        0.1, "Probability of dropout of the attention weights."
    )
    max_position_embeddings: PositiveInt = flag_field(
        512, "Rows of the position table: the length of the longest possible sequence."
    )
    type_vocab_size: PositiveInt = flag_field(
        2, "Kinds of segments; the records hold two, the first and the second."
    )
    initializer_range: _InitializerRange = flag_field(
        0.02, "Standard deviation of the initial weights, from a truncated normal distribution."
    )
    layer_norm_eps: _LayerNormEps = flag_field(
        1e-12, "Added to the variance in LayerNorm, so that nothing is divided by 0."
    )

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.hidden_size % self.num_attention_heads:
            raise UserError(
                f"hidden_size {self.hidden_size} cannot be split over num_attention_heads "
                f"{self.num_attention_heads}. Use a multiple of {self.num_attention_heads}."
            )
        if self.num_hidden_layers % self.num_blocks:
            raise UserError(
                f"{self.num_hidden_layers} layers cannot be shared out evenly over "
                f"num_hidden_groups {self.num_hidden_groups}. Use a divisor of "
                f"{self.num_hidden_layers}."
            )

    @property
    def embedding_width(self) -> int:
        """The width of the embedding tables and of the output matrix tied to one of them."""
        return self.embedding_size or self.hidden_size

    @property
    def projects_embeddings(self) -> bool:
        """Whether a matrix widens the embeddings to `hidden_size`; as in ALBERT's own code."""
        return self.embedding_width != self.hidden_size

    @property
    def num_blocks(self) -> int:
        """The number of blocks: groups where layers share weights, else layers."""
        return self.num_hidden_groups or self.num_hidden_layers

    @property
    def layers_per_block(self) -> int:
        """How many times in a row a block's weights are applied."""
        return self.num_hidden_layers // self.num_blocks

    @property
    def block_unit(self) -> Literal["layers", "groups"]:
        """What the blocks are called."""
        return "groups" if self.num_hidden_groups else "layers"

    def to_bert_config(self) -> dict[str, Any]:
        """Returns the content of `bert_config.json`; ALBERT's two sizes only where they are set."""
        content = dataclasses.asdict(self)
        return {name: content[name] for name in content if content[name] or name not in _OPTIONAL}

    def summary(self) -> str:
        """Returns the model in a line.

        >>> ModelConfig(embedding_size=128, num_hidden_groups=4).summary()
        '12 layers in 4 groups of equal weights, hidden size 768, embeddings 128, vocabulary 30,522'
        """
        unit = "group" if self.num_blocks == 1 else "groups"
        groups = f" in {self.num_blocks} {unit} of equal weights" if self.num_hidden_groups else ""
        embeddings = f", embeddings {self.embedding_size}" if self.projects_embeddings else ""
        return (
            f"{self.num_hidden_layers} layers{groups}, hidden size {self.hidden_size}"
            f"{embeddings}, vocabulary {self.vocab_size:,}"
        )
