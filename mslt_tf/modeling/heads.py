"""What stands on top of the encoder: the pooler and the two pretraining heads.

Words used in shapes: batch, seq (tokens), hidden, embedding (width of the word table),
predictions (masked positions per sequence), vocab (word pieces).
"""

from collections.abc import Callable

import tensorflow as tf

from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling.activations import bias_gelu
from mslt_tf.modeling.forms import Forms
from mslt_tf.modeling.linear import Linear
from mslt_tf.modeling.normalization import LayerNorm
from mslt_tf.modeling.shapes import sizes
from mslt_tf.modeling.sums import bias_gradient


class Pooler(tf.keras.layers.Layer):
    """Turns the vector of the first token, [CLS], into one for the whole sequence."""

    def __init__(self, config: ModelConfig, *, initializer_seed: int, name: str, dtype: str):
        super().__init__(name=name, dtype=dtype)
        self.dense = Linear(
            config.hidden_size,
            config.hidden_size,
            path=f"{name}/dense",
            initializer_range=config.initializer_range,
            initializer_seed=initializer_seed,
            dtype=dtype,
        )

    def call(self, sequence_output: tf.Tensor) -> tf.Tensor:
        """Turns [batch, seq, hidden] into [batch, hidden]."""
        return tf.tanh(self.dense(sequence_output[:, 0]).sum())


class SentencePairHead(tf.keras.layers.Layer):
    """Scores "the second segment follows the first" (index 0) against "it does not" (index 1).

    By the records that it is trained on, 1 means a random segment (next-sentence objective, BERT)
    or that the two were swapped (sentence-order objective, ALBERT).
    """

    def __init__(self, config: ModelConfig, *, initializer_seed: int, name: str):
        # float32 whatever the encoder computes in: logits are never rounded.
        super().__init__(name=name, dtype="float32")
        self.dense = Linear(
            config.hidden_size,
            2,
            path=f"{name}/dense",
            initializer_range=config.initializer_range,
            initializer_seed=initializer_seed,
            dtype="float32",
        )

    def call(self, pooled_output: tf.Tensor) -> tf.Tensor:
        """Turns [batch, hidden] into logits [batch, 2]."""
        return self.dense(pooled_output).sum()


class MaskedLanguageModelHead(tf.keras.layers.Layer):
    """Scores every word piece at the masked positions.

    The decoder matrix is the table of word embeddings. It comes in as a call argument, so this
    layer neither owns it nor decides whether it trains.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        initializer_seed: int,
        name: str,
        dtype: str,
        forms: Forms = Forms.DEFINITIONS,
    ):
        super().__init__(name=name, dtype=dtype, autocast=False)
        self._hidden_act, self._forms = config.hidden_act, forms
        self.transform = Linear(
            config.hidden_size,
            config.embedding_width,
            path=f"{name}/transform",
            initializer_range=config.initializer_range,
            initializer_seed=initializer_seed,
            dtype=dtype,
        )
        self.layer_norm = LayerNorm(
            config.embedding_width,
            path=f"{name}/layer_norm",
            epsilon=config.layer_norm_eps,
            dtype=dtype,
            forms=forms,
        )
        self.output_bias = self.add_weight(
            name=f"{name}/output_bias",
            shape=[config.vocab_size],
            initializer="zeros",
            experimental_autocast=False,
        )

    def call(self, x: tf.Tensor, word_table: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns float32 logits [batch, predictions, vocab].

        Args:
            x: float [batch, predictions, hidden], the encoder's output at the masked positions.
            word_table: float32 [vocab, embedding].
            training: whether the forms for training are used.
        """
        forms = self._forms.when(training)
        shape = [*sizes(x)[:2], word_table.shape[0]]
        x = bias_gelu(self.transform(x), self._hidden_act, forms)
        x = self.layer_norm(x, training=training)
        rows = tf.reshape(x, [-1, word_table.shape[1]])
        logits = float32_logits(rows, word_table, tf.convert_to_tensor(self.output_bias), forms)
        return tf.reshape(logits, shape)


def float32_logits(
    rows: tf.Tensor, word_table: tf.Tensor, bias: tf.Tensor, forms: Forms = Forms.DEFINITIONS
) -> tf.Tensor:
    """Returns rows [masked, embedding] times the table [vocab, embedding], plus bias [vocab].

    In float32 whatever the encoder computes in: bfloat16 would round a logit of 10 to 1/16.
    """
    if not forms.are_definitions:
        return _fast_float32_logits(rows, word_table, bias, forms)
    wide = tf.cast(rows, tf.float32)
    return tf.nn.bias_add(tf.matmul(wide, word_table, transpose_b=True), bias)


def _fast_float32_logits(
    rows: tf.Tensor, word_table: tf.Tensor, bias: tf.Tensor, forms: Forms
) -> tf.Tensor:
    """Rounds the gradients to bfloat16 in an encoder of that type, as those of its products are.

    float16's range is too short for them.
    """
    short = tf.bfloat16 if rows.dtype == tf.bfloat16 else tf.float32

    @tf.custom_gradient
    def logits(
        rows: tf.Tensor, word_table: tf.Tensor, bias: tf.Tensor
    ) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            to_logits = tf.cast(upstream, short)
            to_rows = tf.cast(tf.matmul(to_logits, tf.cast(word_table, short)), rows.dtype)
            to_table = tf.matmul(to_logits, tf.cast(rows, short), transpose_a=True)
            return to_rows, tf.cast(to_table, tf.float32), bias_gradient(upstream, forms)

        return float32_logits(rows, word_table, bias), gradient

    return logits(rows, word_table, bias)
