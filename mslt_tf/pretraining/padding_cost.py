"""What a run saves by leaving out padding, by arithmetic on the lengths of its records."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

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
            left = share_left(
                config.model,
                stage,
                histogram,
                num_micro_batches=number,
                micro_batch_size=portion,
            )
            unit = padding.trimmed_lengths(stage.seq_length)[0]
            yield (
                f"{stage.name}: sorted by length, its {number} micro-batches are cut to multiples "
                f"of {unit} tokens, which leaves about {left:.0%} of the arithmetic"
            )


def share_left(
    model: ModelConfig,
    stage: Stage,
    histogram: Sequence[int],
    *,
    num_micro_batches: int,
    micro_batch_size: int,
) -> float:
    """Returns which share of the FLOPs of a stage is left without padding, on average.

    Args:
        model: what is trained.
        stage: of the plan.
        histogram: records of 1 to 32 tokens, 33 to 64 and so on; at least one record.
        num_micro_batches: of an update on a device.
        micro_batch_size: sequences of each.
    """
    lengths = padding.trimmed_lengths(stage.seq_length)
    flops = [
        cost_model.stage_cost(model, dataclasses.replace(stage, seq_length=length)).flops
        for length in lengths
    ]
    reached = [sum(histogram[: length // HISTOGRAM_STEP]) for length in lengths[:-1]]
    fits = [
        _fit(number / sum(histogram), num_micro_batches, micro_batch_size)
        for number in (*reached, sum(histogram))
    ]
    shares = np.diff(fits, axis=0, prepend=0).mean(axis=1)  # of the micro-batches, by length
    return float(shares @ flops / flops[-1])


def _fit(share: float, num_micro_batches: int, micro_batch_size: int) -> np.ndarray:
    """Returns how likely each micro-batch of an update fits into a length: [micro-batches].

    Sorted, micro-batch i ends in the (i * size)th shortest sequence. It fits where at least so many
    of all sequences do, each of which does so by `share`: the tail of a binomial distribution.
    """
    number = num_micro_batches * micro_batch_size
    if share in (0, 1):
        return np.full(num_micro_batches, share)
    count = np.arange(number + 1)
    factorials = np.cumsum(np.log(np.maximum(count, 1)))  # logarithms: the numbers are huge
    ways = factorials[-1] - factorials - factorials[::-1]
    exactly = np.exp(ways + count * math.log(share) + count[::-1] * math.log1p(-share))
    at_least = np.cumsum(exactly[::-1])[::-1]
    return at_least[micro_batch_size::micro_batch_size]
