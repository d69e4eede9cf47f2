"""Tokenised examples as a model reads them: ragged in memory, padded batch by batch.

Words used in shapes: examples, tokens (of all examples together), batch, seq (tokens of the
longest sequence of a batch).
"""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.integer[Any]]


@dataclasses.dataclass(frozen=True)
class Sequences:
    """Examples, one after the other, with what is to be learnt of them."""

    input_ids: npt.NDArray[np.int32]  # [tokens]
    type_ids: npt.NDArray[np.int32]  # [tokens]: 0 in the first segment, 1 in the second
    limits: npt.NDArray[np.int64]  # [examples]: where each ends
    targets: npt.NDArray[Any] | None = None  # [examples, ...]; None where they are not known

    @classmethod
    def of(
        cls,
        examples: Iterable[tuple[Sequence[int] | Integers, Sequence[int] | Integers]],
        targets: npt.NDArray[Any] | None = None,
    ) -> "Sequences":
        """Takes (input_ids, type_ids) of each example, of equal length.

        Raises:
            ValueError: there are not as many targets as examples.
        """
        ids, types = zip(*examples, strict=True)
        lengths = [len(each) for each in ids]
        if targets is not None and len(targets) != len(lengths):
            raise ValueError(f"{len(lengths)} examples need as many targets, not {len(targets)}")
        return cls(
            np.concatenate([np.asarray(each, np.int32) for each in ids]),
            np.concatenate([np.asarray(each, np.int32) for each in types]),
            np.cumsum(lengths, dtype=np.int64),
            targets,
        )

    def __len__(self) -> int:
        return len(self.limits)

    @functools.cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """The tokens of each example, [examples]."""
        return np.diff(self.limits, prepend=0)

    def width(self, examples: Integers, *, multiple: int = 1) -> int:
        """Returns the length that some examples are padded to.

        That is their longest, rounded up to a multiple, but never longer than the longest of all
        examples: models have no more positions.
        """
        lengths = self.lengths
        rounded = -(-int(lengths[examples].max()) // multiple) * multiple
        return min(rounded, int(lengths.max()))

    def padded(self, examples: Integers, *, multiple: int = 1) -> dict[str, npt.NDArray[np.int32]]:
        """Returns `input_ids`, `input_mask` and `segment_ids` of some examples, [batch, seq].

        Args:
            examples: their numbers.
            multiple: the sequence length is one of this number, see `width`.
        """
        lengths = self.lengths[examples]
        width = self.width(examples, multiple=multiple)
        columns = np.arange(width)
        is_real = columns < lengths[:, np.newaxis]  # [batch, seq]
        places = (self.limits[examples] - lengths)[:, np.newaxis] + columns
        places = np.where(is_real, places, 0)
        return {
            "input_ids": np.where(is_real, self.input_ids[places], 0).astype(np.int32),
            "input_mask": is_real.astype(np.int32),
            "segment_ids": np.where(is_real, self.type_ids[places], 0).astype(np.int32),
        }
