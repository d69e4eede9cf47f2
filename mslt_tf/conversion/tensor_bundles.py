"""Tensors by name, as TensorFlow stores them: PREFIX.index, and PREFIX.data-00000-of-00001 or more.

They come from others, so the index is not believed to have more than the data can hold.
"""

import contextlib
import math
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, pattern_names

INDEX = ".index"  # names, shapes and places of all tensors
_DATA = re.compile(r"\.data-(\d{5})-of-(\d{5})")
_ADVICE = "Copy it again, or take another."


class Bundle(NamedTuple):
    """An open one."""

    prefix: str  # of the names of its files
    shapes: Mapping[str, list[int]]  # by the names of the tensors
    reader: Any
    num_bytes: int  # of all data


def open_bundle(prefix: str) -> Bundle:
    """Opens the files that begin with `prefix`.

    Raises:
        UserError: one is missing, or the index is damaged.
        tensorflow.errors.OpError: the folder cannot be read.
    """
    pattern_names.check(prefix, what="the checkpoint")
    num_bytes = _check_shards(prefix)
    with _reading(prefix):
        reader = tf.train.load_checkpoint(prefix)
        shapes = reader.get_variable_to_shape_map()
    return Bundle(prefix, shapes, reader, num_bytes)


def read(bundle: Bundle, name: str) -> np.ndarray:
    """Returns a tensor.

    Raises:
        UserError: the files are damaged.
    """
    dtype = bundle.reader.get_variable_to_dtype_map()[name]
    shape = bundle.shapes[name]
    if dtype.size * math.prod(shape) > bundle.num_bytes:
        raise UserError(
            f"{bundle.prefix}{INDEX} is damaged: {name} is to have shape {shape}, and all data has "
            f"{bundle.num_bytes:,} bytes. {_ADVICE}"
        )
    with _reading(bundle.prefix):
        return np.asarray(bundle.reader.get_tensor(name))


def _check_shards(prefix: str) -> int:
    """Returns the bytes of a bundle's data, of which no part is missing."""
    folder, name = os.path.split(prefix)
    parts: dict[tuple[int, int], str] = {}
    for file in tf.io.gfile.listdir(folder or "."):
        match = _DATA.fullmatch(file.removeprefix(name)) if file.startswith(name) else None
        if match:
            parts[int(match[1]), int(match[2])] = os.path.join(folder, file)
    count = max((count for _, count in parts), default=1)
    for index in range(count):
        if (index, count) not in parts:
            raise UserError(f"{prefix}.data-{index:05d}-of-{count:05d} is missing. {_ADVICE}")
    return sum(tf.io.gfile.stat(file).length for file in parts.values())


@contextlib.contextmanager
def _reading(prefix: str) -> Iterator[None]:
    """Names a bundle that is damaged; TensorFlow raises errors of many kinds for one."""
    try:
        yield
    except (tf.errors.OpError, RuntimeError, LookupError, ValueError) as error:
        raise UserError(f"{prefix} is damaged ({file_errors.reason(error)}). {_ADVICE}") from error
