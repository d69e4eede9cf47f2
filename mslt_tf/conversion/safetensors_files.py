"""Files of the safetensors format, which hold numbers and no code: read a tensor at a time.

The format: the header's length in 8 bytes, a JSON header with type, shape and place of each
tensor, then the tensors' bytes without gaps. All of that is checked before any of it is used.
Source: huggingface/safetensors, README.md.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import safetensors.numpy
import tensorflow as tf

from mslt_tf import json_values
from mslt_tf.errors import UserError

_LENGTH_BYTES: Final = 8
_MAX_HEADER_BYTES: Final = 100_000_000  # what the format's own reader allows
_MAX_DIMENSIONS: Final = 8
_MAX_SHOWN: Final = 100  # characters of a wrong shape
_BFLOAT16: Final = "BF16"  # NumPy has none: read as whole numbers of as many bits
_TYPES: Final = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", _BFLOAT16: "<u2", "BOOL": "?"},
    **{"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1"},
    **{"U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1"},
}


class StoredTensor(NamedTuple):
    """Where a tensor lies."""

    path: str
    dtype: str  # the format's word for it
    shape: tuple[int, ...]
    begin: int  # in bytes from the file's beginning
    num_bytes: int


@dataclasses.dataclass(frozen=True)
class _Described:
    """A tensor in the header."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, ...]  # first byte and end, behind the header


def write(path: str, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes a file.

    Raises:
        tensorflow.errors.OpError: it cannot be written.
    """
    # transformers takes a file only if it says which framework's layout its tensors have.
    content = safetensors.numpy.save(dict(tensors), metadata={"format": "pt"})
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(content)


def open_file(path: str) -> dict[str, StoredTensor]:
    """Returns the tensors of a file by name.

    Raises:
        UserError: the file is damaged, or no such file.
        tensorflow.errors.OpError: it cannot be read.
    """
    size = tf.io.gfile.stat(path).length
    with tf.io.gfile.GFile(path, "rb") as file:
        header_bytes = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        begin = _LENGTH_BYTES + header_bytes
        if begin > size or header_bytes > _MAX_HEADER_BYTES:
            raise _damaged(path, f"its header would have {header_bytes:,} bytes of {size:,}")
        header = file.read(header_bytes)
    try:
        content = json_values.parse(Mapping[str, Any], json_values.loads(header))
        described = {
            name: json_values.parse(_Described, value, name=name)
            for name, value in content.items()
            if name != "__metadata__"
        }
    except json_values.JsonValueError as error:
        raise _damaged(path, f"in its header {error}") from error
    _check_places(path, described, size - begin)
    return {name: _stored(path, name, found, begin) for name, found in described.items()}


def read(tensor: StoredTensor) -> np.ndarray:
    """Returns a tensor's values; bfloat16 becomes float32.

    Raises:
        UserError: the file has become shorter.
        tensorflow.errors.OpError: it cannot be read.
    """
    with tf.io.gfile.GFile(tensor.path, "rb") as file:
        file.seek(tensor.begin)
        content = file.read(tensor.num_bytes)
    if len(content) != tensor.num_bytes:
        raise _damaged(tensor.path, "it was cut short while it was read")
    values = np.frombuffer(content, _TYPES[tensor.dtype]).reshape(tensor.shape)
    if tensor.dtype == _BFLOAT16:  # the upper half of a float32
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values


def _check_places(path: str, described: Mapping[str, _Described], num_bytes: int) -> None:
    """Checks that the tensors follow each other without overlaps or gaps, to the file's end."""
    end = 0
    for name, found in sorted(described.items(), key=lambda item: item[1].data_offsets):
        if len(found.data_offsets) != 2 or found.data_offsets[0] != end:
            raise _damaged(path, f"{name} lies at bytes {found.data_offsets}, not from {end:,} on")
        end = max(end, found.data_offsets[1])
    if end != num_bytes:
        raise _damaged(path, f"its tensors would have {end:,} bytes and have {num_bytes:,}")


def _stored(path: str, name: str, found: _Described, begin: int) -> StoredTensor:
    if found.dtype not in _TYPES:
        raise UserError(
            f"{path} holds {name} as {found.dtype}; read are {', '.join(_TYPES)}. Save the model "
            "as float32."
        )
    first, end = found.data_offsets
    num_bytes = end - first
    # No dimension is greater than the number of bytes: products of thousands of digits take hours.
    is_shape = len(found.shape) <= _MAX_DIMENSIONS and all(0 < n <= num_bytes for n in found.shape)
    item_bytes = np.dtype(_TYPES[found.dtype]).itemsize
    if not is_shape or num_bytes != math.prod(found.shape) * item_bytes:
        raise _damaged(
            path,
            f"{name} has {num_bytes:,} bytes, which is not what {found.dtype} "
            f"{str(list(found.shape[:_MAX_DIMENSIONS]))[:_MAX_SHOWN]} takes",
        )
    return StoredTensor(path, found.dtype, found.shape, begin + first, num_bytes)


def _damaged(path: str, reason: str) -> UserError:
    return UserError(
        f"{path} is no whole safetensors file: {reason}. Fetch it again, or save the model anew "
        "by save_pretrained of transformers."
    )
