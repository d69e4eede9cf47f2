"""What a stage costs by arithmetic: trainable parameters, all-reduce bytes, FLOPs.

FLOPs count matrix products only, 2 per multiply-add. Symbols: s = tokens, h = hidden size,
i = intermediate size, P = predictions, V = vocabulary. One layer: forward 8sh^2 + 4shi + 4s^2h;
gradient to its input the same plus 4s^2h (attention has two activations in each product); gradient
to its weights 8sh^2 + 4shi. What is not needed is not counted: below the lowest trainable block
nothing, at its edge not the input gradient of query, key and value (6sh^2), and while the
embeddings are frozen no gradient of the tied output matrix.
"""

import dataclasses

from mslt_tf.model_config import ModelConfig
from mslt_tf.stage_plan import Stage, StagePlan, format_table

BYTES_PER_GRADIENT = 4  # gradients are summed over replicas in float32


@dataclasses.dataclass(frozen=True)
class StageCost:
    """The cost of a stage; FLOPs are per sequence."""

    num_trainable_parameters: int
    forward_flops: int
    input_gradient_flops: int
    weight_gradient_flops: int

    @property
    def all_reduce_bytes(self) -> int:
        """Bytes of gradient that each replica contributes per update."""
        return BYTES_PER_GRADIENT * self.num_trainable_parameters

    @property
    def flops(self) -> int:
        """FLOPs per sequence, forward and backward."""
        return self.forward_flops + self.input_gradient_flops + self.weight_gradient_flops


def stage_cost(config: ModelConfig, stage: Stage) -> StageCost:
    """Returns what one sequence and one update cost in `stage`."""
    num_trained = stage.num_blocks - stage.num_frozen_blocks
    s, h = stage.seq_length, config.hidden_size
    dense = 8 * s * h * h + 4 * s * h * config.intermediate_size
    attention = 4 * s * s * h
    decoder = 2 * stage.max_predictions_per_seq * h * config.vocab_size
    transform_and_pooler = 2 * (stage.max_predictions_per_seq + 1) * h * h
    edge = 0 if stage.trains_embeddings else 6 * s * h * h
    return StageCost(
        num_trainable_parameters=trainable_parameters(config, stage),
        forward_flops=stage.num_blocks * (dense + attention) + decoder + transform_and_pooler,
        input_gradient_flops=(
            num_trained * (dense + 2 * attention) - edge + decoder + transform_and_pooler
        ),
        weight_gradient_flops=(
            num_trained * dense + transform_and_pooler + (decoder if stage.trains_embeddings else 0)
        ),
    )


def trainable_parameters(config: ModelConfig, stage: Stage) -> int:
    """Returns the number of parameters that `stage` trains."""
    h, i, vocab = config.hidden_size, config.intermediate_size, config.vocab_size
    layer_norm = 2 * h
    square = h * h + h
    block = 4 * square + (h * i + i) + (i * h + h) + 2 * layer_norm
    pooler_and_sentence = square + 2 * h + 2
    masked_lm = square + layer_norm + vocab
    rows = vocab + config.max_position_embeddings + config.type_vocab_size
    embeddings = rows * h + layer_norm if stage.trains_embeddings else 0
    num_trained = stage.num_blocks - stage.num_frozen_blocks
    return embeddings + num_trained * block + pooler_and_sentence + masked_lm


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


def table(config: ModelConfig, plan: StagePlan) -> str:
    """Returns the cost of each stage as text, and the arithmetic speed-up."""
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
                f"{cost.all_reduce_bytes / 1e6:.0f} MB",
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
