"""All records of a split in random order, on disk, before they are masked.

Each record's place in the order is a 64-bit key, a hash of its own randomness, so the order is the
same whoever made the records in whatever portions. A portion is a file sorted by key; a range of
keys is then a slice of each file, and the order is global though no process ever holds all of it.
"""

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfrecords_tools.recipe import masking
from tfrecords_tools.recipe.pairs import PAIR_DTYPE

_KEY_STREAM = 7  # of a record's random bits; masking.py uses the lower ones
_LAST_KEY = 2**64 - 1
_DEVIATIONS = 8  # of a binomial count: a key lies within them but for one time in 10^15


def shuffle_keys(pairs: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """Returns [records] the keys of records, PAIR_DTYPE [records]."""
    return masking.random_bits(pairs["mask_key"], num=1, stream=_KEY_STREAM)[:, 0]


def write_portion(path: str, pairs: npt.NDArray[Any]) -> None:
    """Writes PAIR_DTYPE [records] to `path` + .keys.npy and .pairs.npy, sorted by key.

    The pairs come last, so where that file stands the portion is complete.
    """
    keys = shuffle_keys(pairs)
    order = np.argsort(keys, kind="stable")
    for suffix, values in ((".keys.npy", keys[order]), (".pairs.npy", pairs[order])):
        temporary = f"{path}{suffix}.{os.getpid()}.partial"
        with open(temporary, "wb") as file:
            np.lib.format.write_array_header_1_0(
                file, np.lib.format.header_data_from_array_1_0(values)
            )
            file.write(values.tobytes())  # np.save would not say why it cannot write
        os.replace(temporary, path + suffix)


def is_complete(path: str) -> bool:
    """Returns whether a portion was written to `path` whole, and was not cut off since."""
    try:
        keys, pairs = (
            np.load(f"{path}.{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ("keys", "pairs")
        )
    except (FileNotFoundError, ValueError, EOFError):  # EOFError: an empty file
        return False
    return len(keys) == len(pairs) and pairs.dtype == PAIR_DTYPE


class ShuffledPairs:
    """The portions of a split, read as one array that is sorted by key."""

    def __init__(self, paths: Sequence[str]):
        """Opens complete portions."""
        self._keys = [np.load(f"{path}.keys.npy", mmap_mode="r") for path in paths]
        self._pairs = [np.load(f"{path}.pairs.npy", mmap_mode="r") for path in paths]

    def __len__(self) -> int:
        return sum(map(len, self._keys))

    def read(self, begin: int, end: int) -> npt.NDArray[Any]:
        """Returns the records at places `begin` to `end` - 1 of the order: PAIR_DTYPE [records]."""
        first, last = self._key_at(begin), self._key_at(end)
        slices = [self._slice(keys, first, last) for keys in self._keys]
        keys = np.concatenate([k[s] for k, s in zip(self._keys, slices, strict=True)])
        pairs = np.concatenate([p[s] for p, s in zip(self._pairs, slices, strict=True)])
        return pairs[np.argsort(keys, kind="stable")].astype(PAIR_DTYPE, copy=False)

    def _key_at(self, place: int) -> int:
        """Returns the key of the record at `place`; above every key for the end."""
        if place == len(self):
            return _LAST_KEY + 1
        # Keys are uniform, so the one that is sought lies near its share of the key space.
        margin = _DEVIATIONS * math.sqrt(len(self)) + _DEVIATIONS
        low = max(0, int((place - margin) / len(self) * _LAST_KEY))
        high = min(_LAST_KEY + 1, int((place + margin) / len(self) * _LAST_KEY))
        for first, last in ((low, high), (0, _LAST_KEY + 1)):
            slices = [self._slice(keys, first, last) for keys in self._keys]
            before = sum(found.start for found in slices)
            within = np.sort(
                np.concatenate([k[s] for k, s in zip(self._keys, slices, strict=True)])
            )
            if 0 <= place - before < len(within):
                break
        return int(within[place - before])

    @staticmethod
    def _slice(keys: npt.NDArray[np.uint64], first: int, last: int) -> slice:
        """Returns where the keys from `first` to below `last` are."""
        begin, end = (
            len(keys) if key > _LAST_KEY else int(np.searchsorted(keys, np.uint64(key)))
            for key in (first, last)
        )
        return slice(begin, end)
