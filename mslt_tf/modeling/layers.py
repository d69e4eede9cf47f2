"""The layers of BERT and ALBERT, from small to large.

Words used in shapes:
    batch        sequences in the batch
    seq          tokens of a sequence, padding included
    embedding    width of a token's vector in the tables: hidden in BERT, less in ALBERT
    hidden       width of a token's vector in the encoder
    intermediate width inside the feed-forward part
    predictions  masked positions per sequence, padding included
    vocab        word pieces of the vocabulary

Variables are float32 always. `dtype` is a Keras policy: "float32", "mixed_bfloat16" or
"mixed_float16".
"""

import functools

import tensorflow as tf

from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling.activations import gelu
from mslt_tf.modeling.attention import SelfAttention
from mslt_tf.modeling.dropout import EMBEDDINGS_SITE, Place, dropout, encoder_site, make_key
from mslt_tf.modeling.initializers import named_truncated_normal
from mslt_tf.modeling.linear import Linear
from mslt_tf.modeling.normalization import LayerNorm


class Embeddings(tf.keras.layers.Layer):
    """Sums word, position and segment embeddings, then LayerNorm and dropout.

    In ALBERT a matrix then widens the vectors from the embedding's to the hidden size.

    Attributes:
        dropout_enabled: set it to False to leave dropout out, from the next call or trace on.
    """

    def __init__(self, config: ModelConfig, *, initializer_seed: int, name: str, dtype: str):
        super().__init__(name=name, dtype=dtype)
        self.dropout_enabled = True
        self._rate = config.hidden_dropout_prob
        add_table = functools.partial(
            self._add_table,
            width=config.embedding_width,
            initializer_range=config.initializer_range,
            initializer_seed=initializer_seed,
        )
        self.word_embeddings = add_table("word_embeddings", config.vocab_size)
        self.position_embeddings = add_table("position_embeddings", config.max_position_embeddings)
        self.segment_embeddings = add_table("segment_embeddings", config.type_vocab_size)
        self.layer_norm = LayerNorm(
            config.embedding_width,
            path=f"{name}/layer_norm",
            epsilon=config.layer_norm_eps,
            dtype=dtype,
        )
        self.projection = None
        if config.projects_embeddings:
            self.projection = Linear(
                config.embedding_width,
                config.hidden_size,
                path=f"{name}/projection",
                initializer_range=config.initializer_range,
                initializer_seed=initializer_seed,
                dtype=dtype,
            )

    def call(
        self,
        input_ids: tf.Tensor,
        segment_ids: tf.Tensor,
        dropout_seed: tf.Tensor,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns vectors [batch, seq, hidden] and the word table [vocab, embedding]."""
        word_table = tf.convert_to_tensor(self.word_embeddings)
        seq_length = input_ids.shape[1] or tf.shape(input_ids)[1]
        num_segments = self.segment_embeddings.shape[0]
        words = tf.gather(word_table, input_ids)  # [batch, seq, embedding]
        positions = self.position_embeddings[:seq_length]  # [seq, embedding]
        # A product with one-hot rows is faster than a lookup in so small a table (as in BERT).
        segments = tf.matmul(
            tf.one_hot(tf.reshape(segment_ids, [-1]), num_segments), self.segment_embeddings
        )
        x = words + positions + tf.reshape(segments, tf.shape(words))
        x = self.layer_norm(tf.cast(x, self.compute_dtype))
        if training and self.dropout_enabled:
            x = dropout(x, self._rate, seed=dropout_seed, site=EMBEDDINGS_SITE)
        return x if self.projection is None else self.projection(x), word_table

    def _add_table(
        self, name: str, rows: int, *, width: int, initializer_range: float, initializer_seed: int
    ) -> tf.Variable:
        path = f"{self.name}/{name}"
        return self.add_weight(
            name=path,
            shape=[rows, width],
            initializer=named_truncated_normal(
                path, stddev=initializer_range, seed=initializer_seed
            ),
            experimental_autocast=False,  # the rows looked up are cast, not the whole table
        )


class EncoderLayer(tf.keras.layers.Layer):
    """Self-attention and a feed-forward part, each with dropout, residual and LayerNorm after it.

    ALBERT applies one such layer several times in a row. What differs between the applications is
    `layer_index`, the depth in the model: it only decides which units are dropped.

    Attributes:
        dropout_enabled: set it to False to leave dropout out, from the next call or trace on.
    """

    def __init__(self, config: ModelConfig, *, initializer_seed: int, name: str, dtype: str):
        super().__init__(name=name, dtype=dtype)
        self.dropout_enabled = True
        self._rate = config.hidden_dropout_prob
        self._activation = gelu(config.hidden_act)
        linear = functools.partial(
            Linear,
            initializer_range=config.initializer_range,
            initializer_seed=initializer_seed,
            dtype=dtype,
        )
        layer_norm = functools.partial(
            LayerNorm, config.hidden_size, epsilon=config.layer_norm_eps, dtype=dtype
        )
        self.attention = SelfAttention(
            config,
            path=f"{name}/attention",
            initializer_seed=initializer_seed,
            dtype=dtype,
        )
        self.attention_layer_norm = layer_norm(path=f"{name}/attention_layer_norm")
        self.intermediate = linear(
            config.hidden_size, config.intermediate_size, path=f"{name}/intermediate"
        )
        self.output_dense = linear(
            config.intermediate_size, config.hidden_size, path=f"{name}/output"
        )
        self.output_layer_norm = layer_norm(path=f"{name}/output_layer_norm")

    def call(
        self,
        x: tf.Tensor,
        input_mask: tf.Tensor,
        dropout_seed: tf.Tensor,
        layer_index: int,
        training: bool = False,
    ) -> tf.Tensor:
        """Transforms x [batch, seq, hidden] into the same shape; input_mask is int [batch, seq]."""
        training = training and self.dropout_enabled
        attended = self.attention(x, input_mask, dropout_seed, layer_index, training=training)

        def key(place: Place) -> tf.Tensor | None:
            if not (training and self._rate):
                return None
            return make_key(dropout_seed, encoder_site(layer_index, place), self._rate)

        x = self.attention_layer_norm(
            attended, self.attention.output_dense.bias, x, key(Place.ATTENTION_OUTPUT)
        )
        transformed = self._activation(
            self.intermediate(x, adds_bias=False), self.intermediate.bias
        )  # [batch, seq, intermediate]
        transformed = self.output_dense(transformed, adds_bias=False)  # [batch, seq, hidden]
        return self.output_layer_norm(
            transformed, self.output_dense.bias, x, key(Place.FEED_FORWARD_OUTPUT)
        )
