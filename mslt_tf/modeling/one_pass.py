"""Chains of element-wise operations and sums as one pass over memory, compiled by XLA, on CPUs.

TensorFlow runs a chain operation by operation, and each reads and writes whole tensors. XLA makes
one loop of it, in which nothing but the ends touches memory. Matrix products and the softmax of
attention stay outside: oneDNN's are faster (benchmarks/README.md).

Compiled code is made anew for each shape, so it is for training, where shapes are fixed. Elsewhere,
in evaluation and in exported models, the same functions run as the plain operations that they are.
"""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

_compiling = contextvars.ContextVar("compiling", default=False)


@contextlib.contextmanager
def compiling(enabled: bool = True) -> Iterator[None]:
    """While entered, what is decorated with `one_pass` is compiled where it is traced."""
    token = _compiling.set(enabled)
    try:
        yield
    finally:
        _compiling.reset(token)


def is_compiling() -> bool:
    """Returns whether functions of `one_pass` are compiled where they are traced now."""
    return _compiling.get()


def one_pass(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a function without variables or state.

    Its arguments are tensors of static shapes, or Python values that are compiled in.
    """
    compiled = tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    @tf.autograph.experimental.do_not_convert
    def call(*args: Any) -> Any:
        return compiled(*args) if is_compiling() else function(*args)

    return call
