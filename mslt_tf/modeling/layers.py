"""The layers of BERT and ALBERT, from small to large.

Words used in shapes:
    batch        sequences in the batch
    seq          tokens of a sequence, padding included
    embedding    width of a token's vector in the tables: hidden in BERT, less in ALBERT
    hidden       width of a token's vector in the encoder
    intermediate width inside the feed-forward part
    positions    places in a sequence whose output is wanted
    vocab        word pieces of the vocabulary

Variables are float32 always. `dtype` is a Keras policy: "float32", "mixed_bfloat16" or
"mixed_float16". `forms` says how a layer is computed with `training=True`; without, it is computed
by the definitions.
"""

import functools

import tensorflow as tf

from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling.activations import bias_gelu
from mslt_tf.modeling.attention import SelfAttention
from mslt_tf.modeling.dropout import (
    EMBEDDINGS_SITE,
    Key,
    Place,
    drop,
    encoder_site,
    make_key,
    row_numbers,
)
from mslt_tf.modeling.forms import Forms
from mslt_tf.modeling.initializers import named_truncated_normal
from mslt_tf.modeling.linear import Linear
from mslt_tf.modeling.normalization import LayerNorm
from mslt_tf.modeling.shapes import sizes


class Embeddings(tf.keras.layers.Layer):
    """Sums word, position and segment embeddings, then LayerNorm and dropout.

    In ALBERT a matrix then widens the vectors from the embedding's to the hidden size.
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
        super().__init__(name=name, dtype=dtype)
        self._forms = forms
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
            forms=forms,
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
        num_segments = self.segment_embeddings.shape[0]
        words = tf.gather(word_table, input_ids)  # [batch, seq, embedding]
        positions = self.position_embeddings[: sizes(input_ids)[1]]  # [seq, embedding]
        # A product with one-hot rows is faster than a lookup in so small a table (as in BERT).
        segments = tf.matmul(
            tf.one_hot(tf.reshape(segment_ids, [-1]), num_segments), self.segment_embeddings
        )
        x = words + positions + tf.reshape(segments, sizes(words))
        x = self.layer_norm(tf.cast(x, self.compute_dtype), training=training)
        if training:
            x = drop(x, make_key(dropout_seed, EMBEDDINGS_SITE, self._rate), self._forms)
        return x if self.projection is None else self.projection(x).sum(), word_table

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
        super().__init__(name=name, dtype=dtype)
        self._forms = forms
        self._hidden_act = config.hidden_act
        self._num_heads = config.num_attention_heads
        self._attention_rate = config.attention_probs_dropout_prob
        self._hidden_rate = config.hidden_dropout_prob
        linear = functools.partial(
            Linear,
            initializer_range=config.initializer_range,
            initializer_seed=initializer_seed,
            dtype=dtype,
        )
        layer_norm = functools.partial(
            LayerNorm,
            config.hidden_size,
            epsilon=config.layer_norm_eps,
            dtype=dtype,
            forms=forms,
        )
        self.attention = SelfAttention(
            config,
            path=f"{name}/attention",
            initializer_seed=initializer_seed,
            dtype=dtype,
            forms=forms,
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
        positions: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Transforms [batch, seq, hidden] into the same shape, or [batch, positions, hidden].

        Args:
            x: [batch, seq, hidden].
            input_mask: int [batch, seq], 0 at padding.
            dropout_seed: int [2].
            layer_index: the depth in the model.
            positions: int32 [batch, positions], whose output is wanted; None for all. It is what it
                would be among all; of the other tokens only keys and values are computed.
            training: whether units are dropped, and the forms for training used.
        """
        tokens = x  # that all attend to
        if positions is not None:
            x = tf.gather(tokens, positions, batch_dims=1)

        def rows(heads: int) -> tf.Tensor | None:
            return None if positions is None else row_numbers(positions, sizes(tokens)[1], heads)

        def key(place: Place, rate: float, heads: int = 1) -> Key | None:
            site = encoder_site(layer_index, place)
            return make_key(dropout_seed, site, rate, rows(heads)) if training else None

        probs_key = key(Place.ATTENTION_PROBS, self._attention_rate, self._num_heads)
        attended = self.attention(x, tokens, input_mask, probs_key, training=training)
        attended_key = key(Place.ATTENTION_OUTPUT, self._hidden_rate)
        x = self.attention_layer_norm(attended, x, attended_key, training=training)
        transformed = self.intermediate(x)  # [batch, seq, intermediate]
        transformed = bias_gelu(transformed, self._hidden_act, self._forms.when(training))
        transformed = self.output_dense(transformed)  # [batch, seq, hidden]
        transformed_key = key(Place.FEED_FORWARD_OUTPUT, self._hidden_rate)
        return self.output_layer_norm(transformed, x, transformed_key, training=training)
