"""The bytes of tf.train.Examples, for a whole batch of records at once.

Protocol Buffers' objects cost some 50 microseconds a record, most of the time that writing records
would take. The bytes are simple enough to lay out in NumPy: every record of the batch gets a row
that has room for the longest form of each number, and the bytes that are not needed drop out in
one go at the end.

The format: https://protobuf.dev/programming-guides/encoding and tensorflow/core/example/*.proto.
Legend: records = in the batch, values = of one feature, size = bytes that a row has room for.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mslt_tf.pretraining_example import FEATURES, FeatureNames, stored_name
from tfrecords_tools.recipe.masking import Features

MAX_VALUE = 2**31 - 1  # of an id; greater or negative ones have longer forms, and are no ids

# Field number x 8 + 2: "a length and so many bytes follow".
_FIELD_1, _FIELD_2, _FIELD_3 = b"\x0a", b"\x12", b"\x1a"
_KIND_OF_LIST = {"float32": _FIELD_2, "int64": _FIELD_3}  # in the message tf.train.Feature
_VARINT_BITS = 7  # that a byte of a number holds; its upper bit says that another byte follows


class _Rows(NamedTuple):
    """The same piece of each record; one row stands for all records where they do not differ."""

    content: npt.NDArray[np.uint8]  # [records or 1, size]
    keep: npt.NDArray[np.bool_]  # [records or 1, size] which of these bytes the record has
    lengths: npt.NDArray[np.int64]  # [records or 1] how many it has


def encode_examples(features: Features, *, feature_names: FeatureNames = "v1") -> list[bytes]:
    """Returns each record of a batch as a serialised tf.train.Example.

    The bytes are those of `tf.train.Example.SerializeToString(deterministic=True)`: the features
    are sorted by name.

    Args:
        features: of [records] records, as `masking.make_features` returns them.
        feature_names: under which names the features are stored.

    Raises:
        ValueError: an integer is negative or greater than `MAX_VALUE`.
    """
    num_records = len(features.input_ids)
    if not num_records:
        return []
    stored = {
        stored_name(feature, feature_names): _encode_list(
            feature.dtype, getattr(features, feature.name)
        )
        for feature in FEATURES
    }
    entries = [
        piece
        for name in sorted(stored)
        for piece in _nest(_FIELD_1, _nest(_FIELD_1, [_constant(name.encode())]) + stored[name])
    ]
    return _cut(_nest(_FIELD_1, entries), num_records)


def _encode_list(dtype: str, values: npt.NDArray[np.generic]) -> list[_Rows]:
    """Returns the value of a map entry: a tf.train.Feature of `values` [records, values]."""
    numbers = _floats(values) if dtype == "float32" else _varints(values)
    # A packed list without a value is left out altogether.
    packed = _nest(_FIELD_1, [numbers]) if values.shape[1] else []
    return _nest(_FIELD_2, _nest(_KIND_OF_LIST[dtype], packed))


def _nest(field: bytes, pieces: Sequence[_Rows]) -> list[_Rows]:
    """Returns the field `field` that holds `pieces`: its number, their length, they themselves."""
    length = sum((piece.lengths for piece in pieces), np.zeros(1, np.int64))
    return [_constant(field), _varints(length[:, None]), *pieces]


def _constant(content: bytes) -> _Rows:
    return _all_kept(np.frombuffer(content, np.uint8)[None])


def _floats(values: npt.NDArray[np.generic]) -> _Rows:
    return _all_kept(np.ascontiguousarray(values, "<f4").view(np.uint8))


def _all_kept(content: npt.NDArray[np.uint8]) -> _Rows:
    size = content.shape[1]
    return _Rows(content, np.ones((1, size), np.bool_), np.full(1, size))


def _varints(values: npt.NDArray[np.generic]) -> _Rows:
    """Returns integers [records or 1, values] as varints: 7 bits a byte, the lowest ones first."""
    least, greatest = int(values.min(initial=0)), int(values.max(initial=0))
    if least < 0 or greatest > MAX_VALUE:
        raise ValueError(f"a record holds {least} to {greatest}; ids are 0 to {MAX_VALUE}")
    if greatest < 1 << _VARINT_BITS:
        return _all_kept(values.astype(np.uint8))
    width = -(-greatest.bit_length() // _VARINT_BITS)
    rest = values.astype(np.uint32)  # what is still to be written
    content = np.empty((*values.shape, width), np.uint8)
    keep = np.empty((*values.shape, width), np.bool_)
    keep[..., 0] = True  # zero is one byte
    for place in range(width):
        content[..., place] = rest
        rest >>= _VARINT_BITS
        more = rest > 0
        if place + 1 < width:
            keep[..., place + 1] = more
        np.bitwise_or(content[..., place] & 0x7F, more * np.uint8(0x80), out=content[..., place])
    rows = values.shape[0]
    content, keep = content.reshape(rows, -1), keep.reshape(rows, -1)
    return _Rows(content, keep, np.count_nonzero(keep, axis=1))


def _cut(pieces: Sequence[_Rows], num_records: int) -> list[bytes]:
    """Returns the bytes that each record has of `pieces`."""
    size = sum(piece.content.shape[1] for piece in pieces)
    content = np.empty((num_records, size), np.uint8)
    keep = np.empty((num_records, size), np.bool_)
    begin = 0
    for piece in pieces:
        end = begin + piece.content.shape[1]
        content[:, begin:end], keep[:, begin:end] = piece.content, piece.keep
        begin = end
    joined = content[keep].tobytes()
    lengths = sum(piece.lengths for piece in pieces)
    ends = np.cumsum(np.broadcast_to(lengths, num_records)).tolist()
    return [joined[start:end] for start, end in zip([0, *ends], ends, strict=False)]
