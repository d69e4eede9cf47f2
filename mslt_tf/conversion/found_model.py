"""A model that another program or another run wrote, in our names."""

import dataclasses

from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling.weights import Weights


@dataclasses.dataclass(frozen=True)
class FoundModel:
    """What was found at a path. Layers of which a variable is missing are not among the weights."""

    path: str
    config: ModelConfig
    weights: Weights
    missing: tuple[str, ...]  # our variables that it lacks, as "layer/name"
    unused: tuple[str, ...]  # its tensors that nothing of ours is, by its names
    vocabulary: tuple[str, ...] | None  # None where none lies beside it
    vocabulary_sha256: str = ""  # as `hash_vocabulary` has it, where only that is known
    untold: tuple[str, ...] = ()  # fields of `config` that are only taken as usual
