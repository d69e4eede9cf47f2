"""LayerNorm over the last axis, with statistics in float32."""

import tensorflow as tf


class LayerNorm(tf.keras.layers.Layer):
    """Brings the last axis to mean 0 and variance 1, then scales by gamma and adds beta."""

    def __init__(self, size: int, *, epsilon: float, path: str, dtype: str):
        super().__init__(name=path.rpartition("/")[-1], dtype=dtype)
        self._epsilon = epsilon
        self.gamma = self.add_weight(
            name=f"{path}/gamma", shape=[size], initializer="ones", experimental_autocast=False
        )
        self.beta = self.add_weight(
            name=f"{path}/beta", shape=[size], initializer="zeros", experimental_autocast=False
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Normalises x [..., size]."""
        dtype = x.dtype
        x = tf.cast(x, tf.float32)
        centered = x - tf.reduce_mean(x, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centered), axis=-1, keepdims=True)
        normalized = centered * tf.math.rsqrt(variance + self._epsilon)
        return tf.cast(normalized * self.gamma + self.beta, dtype)
