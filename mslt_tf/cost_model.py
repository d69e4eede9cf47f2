"""What a stage costs by arithmetic: trainable parameters, all-reduce bytes, FLOPs.

FLOPs count matrix products only, 2 per multiply-add. Symbols: s = tokens, h = hidden size,
i = intermediate size, e = embedding size, P = predictions, V = vocabulary, r = positions at which a
layer is read: P + 1 of the last layer ([CLS] and the masked ones), s of the others. One layer:
forward 4sh^2 for keys and values, 4rh^2 for query and output, 4rhi and 4rsh; gradient to its input
the same plus 4rsh (attention has two activations in each product); gradient to its weights the same
less 4rsh. Widening embeddings from e to h takes 2seh for each of the three. What is not needed is
not counted: below the lowest trainable block nothing, at its edge not the input gradient of query,
key and value (2rh^2 + 4sh^2), and while the embeddings are frozen no gradient of the tied output
matrix. Layers that share weights cost as many FLOPs as others.

Most code for BERT computes the last layer at every position. The functions below tell what that
costs with `reads_everywhere`.
"""

import dataclasses
from collections.abc import Sequence

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


@dataclasses.dataclass(frozen=True)
class _LayerFlops:
    """The forward FLOPs of a layer."""

    dense: int  # products with weights
    attention: int  # products of activations with each other
    of_input: int  # of `dense`: query, key and value


def stage_cost(config: ModelConfig, stage: Stage, *, reads_everywhere: bool = False) -> StageCost:
    """Returns what one sequence and one update cost in `stage`."""
    s, h, predictions = stage.seq_length, config.hidden_size, stage.max_predictions_per_seq
    layer = _layer_flops(config, s, s)
    last = _layer_flops(config, s, s if reads_everywhere else predictions + 1)
    layers = [*[layer] * (stage.num_blocks * config.layers_per_block - 1), last]
    trained = layers[stage.num_frozen_blocks * config.layers_per_block :]
    projection = 2 * s * config.embedding_width * h if config.projects_embeddings else 0
    decoder = 2 * predictions * config.embedding_width * config.vocab_size
    heads = 2 * predictions * h * config.embedding_width + 2 * h * h  # transform and pooler
    forward = sum(each.dense + each.attention for each in layers)
    input_gradient = sum(each.dense + 2 * each.attention for each in trained)
    weight_gradient = sum(each.dense for each in trained)
    if stage.trains_embeddings:
        input_gradient += projection
        weight_gradient += projection + decoder
    else:
        input_gradient -= trained[0].of_input  # nothing below it trains
    return StageCost(
        num_trainable_parameters=trainable_parameters(config, stage),
        forward_flops=forward + projection + decoder + heads,
        input_gradient_flops=input_gradient + decoder + heads,
        weight_gradient_flops=weight_gradient + heads,
    )


def _layer_flops(config: ModelConfig, seq_length: int, num_read: int) -> _LayerFlops:
    """Returns the FLOPs of a layer that is read at some of its positions."""
    s, r, h = seq_length, num_read, config.hidden_size
    of_input = (2 * r + 4 * s) * h * h
    dense = of_input + 2 * r * h * h + 4 * r * h * config.intermediate_size
    return _LayerFlops(dense=dense, attention=4 * r * s * h, of_input=of_input)


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


def relative_cost(config: ModelConfig, stage: Stage, *, reads_everywhere: bool = False) -> float:
    """Returns the FLOPs per sequence of `stage` over those of the original method."""
    stages = (stage, original_stage(config, stage))
    ours, original = (stage_cost(config, s, reads_everywhere=reads_everywhere) for s in stages)
    return ours.flops / original.flops


def speedup_over_original(config: ModelConfig, plan: StagePlan) -> float:
    """Returns FLOPs of the original method over FLOPs of the plan, at equal steps."""
    original = [original_stage(config, stage) for stage in plan.stages]
    return _total_flops(config, original) / _total_flops(config, plan.stages)


def speedup_over_ordinary(config: ModelConfig, plan: StagePlan) -> float:
    """Returns the same over the original method as others compute it, all of the last layer."""
    original = [original_stage(config, stage) for stage in plan.stages]
    ordinary = _total_flops(config, original, reads_everywhere=True)
    return ordinary / _total_flops(config, plan.stages)


def plan_flops(config: ModelConfig, plan: StagePlan) -> int:
    """Returns the FLOPs of a whole run."""
    return _total_flops(config, plan.stages)


def stage_flops(config: ModelConfig, stage: Stage, *, reads_everywhere: bool = False) -> int:
    """Returns the FLOPs of a whole stage."""
    cost = stage_cost(config, stage, reads_everywhere=reads_everywhere)
    return stage.num_sequences * cost.flops


def _total_flops(
    config: ModelConfig, stages: Sequence[Stage], *, reads_everywhere: bool = False
) -> int:
    return sum(stage_flops(config, stage, reads_everywhere=reads_everywhere) for stage in stages)


def checkpoint_bytes(model: ModelConfig, stage: Stage) -> int:
    """Returns the size of a checkpoint: four bytes a weight, and eight of slots if it trains."""
    all_train = dataclasses.replace(stage, num_frozen_blocks=0)
    num_weights = trainable_parameters(model, all_train)
    return 4 * num_weights + 8 * trainable_parameters(model, stage)


def table(config: ModelConfig, plan: StagePlan, *, transport: str = "float32") -> str:
    """Returns the cost of each stage as text, and the arithmetic speed-ups.

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
            "of the run",
        )
    ]
    of_all = plan_flops(config, plan)
    for stage in plan.stages:
        cost = stage_cost(config, stage)
        rows.append(
            (
                stage.name,
                f"{cost.num_trainable_parameters / 1e6:.3f}M",
                f"{cost.all_reduce_bytes(transport) / 1e6:.0f} MB",
                _giga(cost.forward_flops),
                _giga(cost.flops - cost.forward_flops),
                _giga(cost.flops),
                f"{relative_cost(config, stage):.3f}",
                f"{stage_flops(config, stage) / of_all:.3f}",
            )
        )
    over_original = speedup_over_original(config, plan)
    over_ordinary = speedup_over_ordinary(config, plan)
    return (
        f"{format_table(rows)}\n\n"
        "of original: over the total of --method=original. Both compute the last layer only where\n"
        "the losses read it: at [CLS] and the masked positions.\n"
        "of the run: the stage's share of the FLOPs of all stages.\n\n"
        "Arithmetic speed-up at equal steps\n"
        f"  over --method=original: {over_original:.2f}x\n"
        f"  over ordinary pretraining, which computes all of the last layer: {over_ordinary:.2f}x"
    )


def _giga(flops: int) -> str:
    """Returns a number in billions with two decimals, of narrow models with four."""
    return f"{flops / 1e9:.{2 if flops >= 1e8 else 4}f}"
