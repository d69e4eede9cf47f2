"""What a stage costs by arithmetic: trainable parameters, all-reduce bytes, FLOPs.

FLOPs count matrix products only, 2 per multiply-add. Symbols: s = tokens, h = hidden size,
i = intermediate size, e = embedding size, P = predictions, V = vocabulary. One layer: forward
8sh^2 + 4shi + 4s^2h; gradient to its input the same plus 4s^2h (attention has two activations in
each product); gradient to its weights 8sh^2 + 4shi. Widening embeddings from e to h takes 2seh for
each of the three. What is not needed is not counted: below the lowest trainable block nothing, at
its edge not the input gradient of query, key and value (6sh^2), and while the embeddings are frozen
no gradient of the tied output matrix. Layers that share weights cost as many FLOPs as others.
"""

import dataclasses

from mslt_tf.model_config import ModelConfig
from mslt_tf.stage_plan import Stage, StagePlan, format_table

BYTES_PER_GRADIENT = {"float32": 4, "bfloat16": 2, "float16": 2}  # on the way between replicas
# Masked tokens, sequences and both losses, always float32.
BYTES_OF_SCALARS = 4 * 4


@dataclasses.dataclass(frozen=True)
class StageCost:
    """The cost of a stage; FLOPs are per sequence."""

    num_trainable_parameters: int
    forward_flops: int
    input_gradient_flops: int
    weight_gradient_flops: int

    def all_reduce_bytes(self, transport: str = "float32") -> int:
        """Returns the bytes that each replica contributes to sums over all replicas per update."""
        return BYTES_PER_GRADIENT[transport] * self.num_trainable_parameters + BYTES_OF_SCALARS

    @property
    def flops(self) -> int:
        """FLOPs per sequence, forward and backward."""
        return self.forward_flops + self.input_gradient_flops + self.weight_gradient_flops


def stage_cost(config: ModelConfig, stage: Stage) -> StageCost:
    """Returns what one sequence and one update cost in `stage`."""
    num_layers = stage.num_blocks * config.layers_per_block
    num_trained = num_layers - stage.num_frozen_blocks * config.layers_per_block
    s, h, predictions = stage.seq_length, config.hidden_size, stage.max_predictions_per_seq
    dense = 8 * s * h * h + 4 * s * h * config.intermediate_size
    attention = 4 * s * s * h
    projection = 2 * s * config.embedding_width * h if config.projects_embeddings else 0
    decoder = 2 * predictions * config.embedding_width * config.vocab_size
    heads = 2 * predictions * h * config.embedding_width + 2 * h * h  # transform and pooler
    edge = 0 if stage.trains_embeddings else 6 * s * h * h
    trains_embeddings = int(stage.trains_embeddings)
    return StageCost(
        num_trainable_parameters=trainable_parameters(config, stage),
        forward_flops=num_layers * (dense + attention) + projection + decoder + heads,
        input_gradient_flops=(
            num_trained * (dense + 2 * attention)
            - edge
            + trains_embeddings * projection
            + decoder
            + heads
        ),
        weight_gradient_flops=(
            num_trained * dense + trains_embeddings * (projection + decoder) + heads
        ),
    )


def trainable_parameters(config: ModelConfig, stage: Stage) -> int:
    """Returns the number of parameters that `stage` trains."""
    e, h, i, vocab = (
        config.embedding_width,
        config.hidden_size,
        config.intermediate_size,
        config.vocab_size,
    )
    square = h * h + h
    block = 4 * square + (h * i + i) + (i * h + h) + 2 * (2 * h)
    pooler_and_sentence_pair = square + 2 * h + 2
    masked_lm = (h * e + e) + 2 * e + vocab
    rows = vocab + config.max_position_embeddings + config.type_vocab_size
    projection = e * h + h if config.projects_embeddings else 0
    embeddings = rows * e + 2 * e + projection if stage.trains_embeddings else 0
    num_trained = stage.num_blocks - stage.num_frozen_blocks
    return embeddings + num_trained * block + pooler_and_sentence_pair + masked_lm


def original_stage(config: ModelConfig, stage: Stage) -> Stage:
    """Returns `stage` as the original method would run it: full depth, everything trained."""
    return dataclasses.replace(
        stage, block_sources=(None,) * config.num_blocks, num_frozen_blocks=0
    )


def relative_cost(config: ModelConfig, stage: Stage) -> float:
    """Returns the FLOPs per sequence of `stage` over those of the original method."""
    original = stage_cost(config, original_stage(config, stage))
    return stage_cost(config, stage).flops / original.flops


def speedup_over_original(config: ModelConfig, plan: StagePlan) -> float:
    """Returns FLOPs of the original method over FLOPs of the plan, at equal steps."""
    original = sum(
        stage.num_sequences * stage_cost(config, original_stage(config, stage)).flops
        for stage in plan.stages
    )
    planned = sum(stage.num_sequences * stage_cost(config, stage).flops for stage in plan.stages)
    return original / planned


def checkpoint_bytes(model: ModelConfig, stage: Stage) -> int:
    """Returns the size of a checkpoint: four bytes a weight, and eight of slots if it trains."""
    all_train = dataclasses.replace(stage, num_frozen_blocks=0)
    num_weights = trainable_parameters(model, all_train)
    return 4 * num_weights + 8 * trainable_parameters(model, stage)


def table(config: ModelConfig, plan: StagePlan, *, transport: str = "float32") -> str:
    """Returns the cost of each stage as text, and the arithmetic speed-up.

    Args:
        config: the model.
        plan: its stages.
        transport: the type that gradients have on their way between replicas.
    """
    rows = [
        (
            "stage",
            "trainable",
            "all-reduce",
            "GFLOP/seq forward",
            "backward",
            "total",
            "of original",
        )
    ]
    for stage in plan.stages:
        cost = stage_cost(config, stage)
        rows.append(
            (
                stage.name,
                f"{cost.num_trainable_parameters / 1e6:.3f}M",
                f"{cost.all_reduce_bytes(transport) / 1e6:.0f} MB",
                f"{cost.forward_flops / 1e9:.2f}",
                f"{(cost.flops - cost.forward_flops) / 1e9:.2f}",
                f"{cost.flops / 1e9:.2f}",
                f"{relative_cost(config, stage):.3f}",
            )
        )
    speedup = speedup_over_original(config, plan)
    return (
        f"{format_table(rows)}\n\n"
        f"Arithmetic speed-up over the original method at equal steps: {speedup:.2f}x"
    )
