"""The affine map that all dense parts of BERT are made of."""

from typing import NamedTuple

import tensorflow as tf

from mslt_tf.modeling.initializers import named_truncated_normal
from mslt_tf.modeling.shapes import sizes


class Product(NamedTuple):
    """The two terms of an affine map, not added yet.

    Whoever takes it adds them in the pass over memory that it makes anyway: a product that adds a
    bias takes oneDNN up to twice the time in bfloat16.
    """

    values: tf.Tensor  # [..., size]
    bias: tf.Tensor  # [size], of the same type

    def sum(self) -> tf.Tensor:
        """Returns values + bias [..., size]."""
        return tf.nn.bias_add(self.values, self.bias)

    def float32_sum(self) -> tf.Tensor:
        """Returns values + bias [..., size] in float32, not rounded to a shorter type."""
        return tf.nn.bias_add(tf.cast(self.values, tf.float32), tf.cast(self.bias, tf.float32))


class Linear(tf.keras.layers.Layer):
    """Multiplies the last axis by a kernel; a bias is to be added."""

    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        path: str,
        initializer_range: float,
        initializer_seed: int,
        dtype: str,
    ):
        """Makes the variables.

        Args:
            input_size: size of the last axis of the input.
            output_size: size of the last axis of the output.
            path: the layer's place in the model, e.g. "encoder_0/attention/query". The variables
                are named after it, and the kernel's initial values depend on it.
            initializer_range: standard deviation of the kernel's initial values.
            initializer_seed: the model's seed.
            dtype: Keras policy.
        """
        super().__init__(name=path.rpartition("/")[-1], dtype=dtype)
        self.kernel = self.add_weight(
            name=f"{path}/kernel",
            shape=[input_size, output_size],
            initializer=named_truncated_normal(
                f"{path}/kernel", stddev=initializer_range, seed=initializer_seed
            ),
        )
        self.bias = self.add_weight(name=f"{path}/bias", shape=[output_size], initializer="zeros")

    def call(self, x: tf.Tensor) -> Product:
        """Maps x [..., input_size] to the two terms of [..., output_size]."""
        # One large product of two matrices; batched products of more axes are slower.
        product = tf.matmul(tf.reshape(x, [-1, self.kernel.shape[0]]), self.kernel)
        product = tf.reshape(product, [*sizes(x)[:-1], self.kernel.shape[1]])
        return Product(product, tf.convert_to_tensor(self.bias))
