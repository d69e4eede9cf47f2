"""Forms: whether a model in training is computed by its definitions, or by fast forms of them.

Each such piece of the model (`bias_gelu`, `add_and_norm`, ...) is a function whose own lines define
it. It also has a fast form, with a gradient written by hand: that keeps little for the backward
pass, and computes the rest again. Whoever builds a model chooses the form for training; evaluation
and exports always use the definitions. tests/modeling/test_fast_forms.py holds each fast form to
its definition.
"""

import enum
import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf


class Forms(enum.Enum):
    """How a model is computed in training."""

    DEFINITIONS = "definitions"  # as written, differentiated by TensorFlow
    FAST = "fast"  # fast forms; for GPUs, where XLA compiles what calls them as a whole
    COMPILED = "compiled"  # fast forms, of which XLA compiles each chain; for CPUs

    @property
    def are_definitions(self) -> bool:
        """Whether the fast forms are left aside."""
        return self is Forms.DEFINITIONS

    @property
    def are_compiled(self) -> bool:
        """Whether `one_pass` compiles."""
        return self is Forms.COMPILED

    def when(self, training: bool) -> "Forms":
        """Returns these forms in training, else the definitions."""
        return self if training else Forms.DEFINITIONS

    @tf.autograph.experimental.do_not_convert
    def one_pass(self, chain: Callable[..., Any], *args: Any) -> Any:
        """Returns chain(*args), if compiled as one pass over memory.

        TensorFlow runs a chain operation by operation, and each reads and writes whole tensors. XLA
        makes one loop of it, in which nothing but the ends touches memory. Matrix products and the
        softmax of attention stay outside: oneDNN's are faster (benchmarks/results).

        Args:
            chain: a function of a module, without state of its own.
            args: tensors, of static shapes if compiled: each shape compiles anew; of variables
                their handles. Or Python values, which are compiled in.
        """
        return _compiled(chain)(*args) if self.are_compiled else chain(*args)


@functools.cache
def _compiled(chain: Callable[..., Any]) -> Callable[..., Any]:
    return tf.function(chain, jit_compile=True, autograph=False)
