"""A trained model as a value: what its exports, its conversions and a fine-tuning start from."""

import dataclasses
import itertools
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling.weights import Weights
from mslt_tf.text_case import TextCase


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """A model of any stage, with all that is known of it."""

    config: ModelConfig  # its depth is that of the weights, not of a later stage
    weights: Weights
    text_case: TextCase
    vocabulary: tuple[str, ...] | None  # its tokens by id; None where it is not at hand
    step: int  # of the run that it was trained in; 0 where that is not known
    stage: str  # that made its last update, by name; "" where that is not known
    identity: Mapping[str, Any]  # what the run was: "stages", "model", "seed", "data"; or empty
    evaluation: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """The run's newest evaluation up to that step, a line of metrics.jsonl; empty without one."""

    @property
    def longest_trained_sequence(self) -> int | None:
        """Tokens of the longest sequences that its run has trained on; None if not known."""
        begun = stages_begun(self.identity.get("stages", []), self.step)
        return max((stage["seq_length"] for stage in begun), default=None)


def stages_begun(stages: Sequence[Mapping[str, Any]], step: int) -> list[Mapping[str, Any]]:
    """Returns the stages of a run's identity that made at least one of its first `step` updates."""
    begins = itertools.accumulate((stage["num_steps"] for stage in stages), initial=0)
    return [stage for stage, begin in zip(stages, begins, strict=False) if begin < step]


def fingerprint(config: ModelConfig, vocabulary: Sequence[str] | None, weights: Weights) -> str:
    """Returns a number that tells one model from others: of its weights and its vocabulary."""
    value = zlib.crc32(repr((config, vocabulary)).encode())
    for layer, named in sorted(weights.items()):
        for name, array in sorted(named.items()):
            value = zlib.crc32(f"{layer}/{name} {array.shape}".encode(), value)
            value = zlib.crc32(array.tobytes(), value)
    return f"{value:08x}"
