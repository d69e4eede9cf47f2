"""Documents that stand in the text more than once, found by hashes of their lines.

A document costs 8 bytes on the disk, and about 30 of memory for the moment in which all hashes are
compared. Of 6.4 million different documents (English Wikipedia), two have the same hash of 64 bits
once in a million data sets.
"""

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

HASH_DTYPE = np.dtype(np.uint64)
_INDEX_DTYPE = np.dtype(np.int64)
REPEAT_BYTES = 2 * _INDEX_DTYPE.itemsize

# [repeats, 2] indices of documents: one that stands there again, ascending, and where it stood
# first.
Repeats = npt.NDArray[np.int64]
NONE: Repeats = np.zeros((0, 2), _INDEX_DTYPE)


def find(paths: Sequence[str]) -> Repeats:
    """Returns which documents repeat an earlier one.

    Args:
        paths: files of the hashes, in the order of the text.
    """
    parts = [np.fromfile(path, HASH_DTYPE) for path in paths]
    hashes = np.concatenate([np.zeros(0, HASH_DTYPE), *parts])
    del parts
    order = np.argsort(hashes, kind="stable")  # of equal ones the first document first
    hashes = hashes[order]
    repeated = np.flatnonzero(hashes[1:] == hashes[:-1]) + 1
    first = np.searchsorted(hashes, hashes[repeated])
    repeats = np.stack([order[repeated], order[first]], axis=1).astype(_INDEX_DTYPE)
    return repeats[np.argsort(repeats[:, 0])]


def read(path: str) -> Repeats:
    """Returns what `find` returned, from a file."""
    if not os.path.getsize(path):
        return NONE  # no memory can be mapped
    return np.memmap(path, _INDEX_DTYPE, mode="r").reshape(-1, 2)
