"""A model that another program or another run wrote, in our names."""

import dataclasses
from collections.abc import Sequence

from mslt_tf.errors import UserError
from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling import bert
from mslt_tf.modeling.weights import Weights
from mslt_tf.text_case import TextCase

_NUM_LISTED = 5  # names of tensors in a message


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
    text_case: TextCase | None = None  # None where its files do not tell


def check_encoder(found: FoundModel) -> None:
    """Checks that a model lacks heads at most.

    Raises:
        UserError: names what is missing of the embeddings or blocks.
    """
    missing = [name for name in found.missing if name.partition("/")[0] not in bert.HEADS]
    if missing:
        raise UserError(
            f"{found.path} lacks weights of the embeddings or the encoder: {_listed(missing)}. "
            "Only heads may be missing. Give a checkpoint of the whole encoder."
        )


def unused_notes(found: FoundModel) -> list[str]:
    """Returns a line about tensors of no use, or none."""
    return [f"note: not used of {found.path}: {_listed(found.unused)}"] if found.unused else []


def _listed(names: Sequence[str]) -> str:
    """Returns the first names, and the number of all where there are more.

    >>> _listed([*"abcdefg"])
    'a, b, c, d, e and 2 more'
    """
    more = f" and {len(names) - _NUM_LISTED} more" if len(names) > _NUM_LISTED else ""
    # They come from files, and go to a terminal.
    return ", ".join(ascii(name)[1:-1] for name in names[:_NUM_LISTED]) + more
