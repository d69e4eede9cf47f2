"""AdamW (Loshchilov and Hutter 2017) as in Keras, in fewer passes over memory.

The update is bound by memory, not by arithmetic: Keras reads or writes each weight and its slots
operation by operation. Here one kernel of TensorFlow updates both moments and the weight, after one
pass for the decay.
"""

import re
from collections.abc import Sequence
from typing import Any

import tensorflow as tf


class AdamW(tf.keras.optimizers.Adam):
    """Keras' AdamW: the same slots and, within rounding, weights; gradients must be dense."""

    def __init__(self, *, decay_rate: float, no_decay_patterns: Sequence[str], **settings: Any):
        """Makes an optimizer without slots.

        Args:
            decay_rate: times the learning rate, the share of a weight that each update takes off.
            no_decay_patterns: of names of variables that do not decay.
            settings: those of Keras' Adam; none may ask for decay or AMSGrad.
        """
        # XLA takes longer to compile the update than it saves.
        super().__init__(**settings, jit_compile=False)
        self._decay_rate, self._no_decay_patterns = decay_rate, tuple(no_decay_patterns)

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        """Updates a variable and its slots."""
        rate = tf.convert_to_tensor(self.learning_rate)
        if not any(re.search(pattern, variable.name) for pattern in self._no_decay_patterns):
            variable.assign(variable * (1.0 - rate * self._decay_rate))
        index = self._index_dict[self._var_key(variable)]
        step = tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )
