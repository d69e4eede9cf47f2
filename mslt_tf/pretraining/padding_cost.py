"""What a run saves by leaving out padding, by arithmetic on the lengths of its records."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

from mslt_tf import cost_model
from mslt_tf.config import PretrainingConfig
from mslt_tf.dataset_info import HISTOGRAM_STEP
from mslt_tf.model_config import ModelConfig
from mslt_tf.pretraining import padding
from mslt_tf.stage_plan import Stage


def describe(
    config: PretrainingConfig, histograms: Mapping[int, Sequence[int]], *, num_replicas: int
) -> Iterator[str]:
    """Yields a line for each stage whose padding can be left out, where lengths are known.

    Args:
        config: of the run.
        histograms: by sequence length: records of 1 to 32 tokens, 33 to 64 and so on, or nothing.
        num_replicas: devices that share a batch.
    """
    for span in config.plan.spans if padding.is_wanted(config) else ():
        stage, histogram = span.stage, histograms[span.stage.seq_length]
        portion = config.micro_batch_size_in(span, num_replicas=num_replicas)
        number = stage.batch_size // num_replicas // portion
        if histogram and padding.can_be_trimmed(
            seq_length=stage.seq_length, num_micro_batches=number
        ):
            left = share_left(config.model, stage, histogram, num_micro_batches=number)
            yield (
                f"{stage.name}: its {number} micro-batches go through without their padding, "
                f"which leaves {left:.0%} of the arithmetic"
            )


def share_left(
    model: ModelConfig, stage: Stage, histogram: Sequence[int], *, num_micro_batches: int
) -> float:
    """Returns which share of the FLOPs of a stage is left without padding.

    Args:
        model: what is trained.
        stage: of the plan.
        histogram: records of 1 to 32 tokens, 33 to 64 and so on; at least one record.
        num_micro_batches: of an update on a device.
    """
    trimmed = [
        cost_model.stage_cost(model, dataclasses.replace(stage, seq_length=length)).flops
        for length in trimmed_lengths(histogram, stage.seq_length, num_micro_batches)
    ]
    return sum(trimmed) / (num_micro_batches * cost_model.stage_cost(model, stage).flops)


def trimmed_lengths(histogram: Sequence[int], seq_length: int, num_micro_batches: int) -> list[int]:
    """Returns the tokens to which the micro-batches of an update of typical lengths are cut.

    Args:
        histogram: records of 1 to 32 tokens, 33 to 64 and so on; at least one record.
        seq_length: tokens of a whole sequence.
        num_micro_batches: of an update on a device.
    """
    reached = list(itertools.accumulate(histogram))
    lengths = []
    for number in range(1, num_micro_batches + 1):
        # As many records as go into the micro-batches up to this one are not longer than so much.
        wanted = reached[-1] * number / num_micro_batches
        longest = HISTOGRAM_STEP * (1 + next(i for i, n in enumerate(reached) if n >= wanted))
        units = -(-longest // padding.LENGTH_UNIT)
        lengths.append(min(units * padding.LENGTH_UNIT, seq_length))
    return lengths
