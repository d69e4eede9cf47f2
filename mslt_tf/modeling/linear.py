"""The affine map that all dense parts of BERT are made of."""

import tensorflow as tf

from mslt_tf.modeling.initializers import named_truncated_normal


class Linear(tf.keras.layers.Layer):
    """Multiplies the last axis by a kernel and adds a bias."""

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

    def call(self, x: tf.Tensor, *, adds_bias: bool = True) -> tf.Tensor:
        """Maps x [..., input_size] to [..., output_size].

        Without `adds_bias` the bias is the caller's to add, in a pass over memory that it makes
        anyway: a product that adds one takes oneDNN up to twice the time in bfloat16.
        """
        # One large product of two matrices; batched products of more axes are slower.
        product = tf.matmul(tf.reshape(x, [-1, self.kernel.shape[0]]), self.kernel)
        if adds_bias:
            product = tf.nn.bias_add(product, self.bias)
        return tf.reshape(product, tf.concat([tf.shape(x)[:-1], [self.kernel.shape[1]]], axis=0))


def add_bias(x: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Returns x [..., size] + bias [size] in float32: for whoever leaves it to the next pass."""
    return tf.nn.bias_add(tf.cast(x, tf.float32), tf.cast(bias, tf.float32))
