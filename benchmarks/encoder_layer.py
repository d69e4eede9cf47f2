"""Times our encoder layer against keras-nlp's, forward and backward, in alternation in one run.

    python benchmarks/encoder_layer.py --batch_size=8 --dtype=mixed_bfloat16

Sizes are BERT-Base's, dropout is 0.1, a padding mask is given. Gradients are taken with respect to
the weights and the input. Absolute times drift on a shared machine; the ratio is the result.
"""

import statistics
import sys
import time
from collections.abc import Callable

import keras_nlp
import tensorflow as tf
from absl import app, flags

from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling import one_pass
from mslt_tf.modeling.bert import block_name
from mslt_tf.modeling.layers import EncoderLayer

_BATCH_SIZE = flags.DEFINE_multi_integer("batch_size", [8, 32], "Sequences; may be repeated.")
_DTYPE = flags.DEFINE_multi_enum(
    "dtype",
    ["float32", "mixed_bfloat16"],
    ["float32", "mixed_bfloat16", "mixed_float16"],
    "Keras policy; may be repeated.",
)
_SEQ_LENGTH = flags.DEFINE_integer("seq_length", 128, "Tokens of a sequence.")
_NUM_LAYERS = flags.DEFINE_integer("num_layers", 2, "Layers stacked.")
_REPEATS = flags.DEFINE_integer("repeats", 11, "Timed steps of each of the two.")
_FORWARD_ONLY = flags.DEFINE_bool("forward_only", False, "Leave the backward pass out.")

Step = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], object]


def main(argv: list[str]) -> None:
    """Prints one line for each type and batch size."""
    del argv
    _write(f"{'dtype':<16}{'batch':>6}{'ours [s]':>10}{'keras-nlp':>10}{'ratio':>8}   quartiles\n")
    for dtype in _DTYPE.value:
        for batch_size in _BATCH_SIZE.value:
            steps = [_step(_our_stack(dtype)), _step(_keras_nlp_stack(dtype))]
            times = _alternate(steps, _inputs(batch_size, dtype))
            _write(_table_line(dtype, batch_size, *times))


def _our_stack(dtype: str) -> Step:
    config = ModelConfig()
    layers = [
        EncoderLayer(config, initializer_seed=0, name=block_name(i), dtype=dtype)
        for i in range(_NUM_LAYERS.value)
    ]

    def stack(x: tf.Tensor, input_mask: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, list]:
        for index, layer in enumerate(layers):
            x = layer(x, input_mask, seed, index, training=True)
        return x, [v for layer in layers for v in layer.trainable_variables]

    return stack


def _keras_nlp_stack(dtype: str) -> Step:
    config = ModelConfig()
    layers = [
        keras_nlp.layers.TransformerEncoder(
            config.intermediate_size,
            config.num_attention_heads,
            dropout=config.hidden_dropout_prob,
            activation=tf.nn.gelu,
            layer_norm_epsilon=config.layer_norm_eps,
            dtype=dtype,
        )
        for _ in range(_NUM_LAYERS.value)
    ]

    def stack(x: tf.Tensor, input_mask: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, list]:
        del seed  # its dropout keeps state
        for layer in layers:
            x = layer(x, padding_mask=input_mask, training=True)
        return x, [v for layer in layers for v in layer.trainable_variables]

    return stack


def _step(stack: Step) -> Step:
    def step(x: tf.Tensor, input_mask: tf.Tensor, seed: tf.Tensor) -> object:
        if _FORWARD_ONLY.value:
            with one_pass.compiling():
                return stack(x, input_mask, seed)[0]
        with one_pass.compiling():  # as in training
            with tf.GradientTape() as tape:
                tape.watch(x)
                output, variables = stack(x, input_mask, seed)
            return tape.gradient(output, [x, *variables], output_gradients=x)

    return tf.function(step)


def _inputs(batch_size: int, dtype: str) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    seq = _SEQ_LENGTH.value
    x = tf.random.stateless_normal([batch_size, seq, ModelConfig().hidden_size], seed=[1, 2])
    x = tf.cast(x, tf.keras.mixed_precision.Policy(dtype).compute_dtype)
    lengths = seq - tf.range(batch_size) % (seq // 4)
    return x, tf.sequence_mask(lengths, seq, dtype=tf.int32), tf.constant([3, 4])


def _alternate(steps: list[Step], inputs: tuple[tf.Tensor, ...]) -> list[list[float]]:
    times: list[list[float]] = [[] for _ in steps]
    for repeat in range(_REPEATS.value + 2):
        for step, own_times in zip(steps, times, strict=True):
            start = time.perf_counter()
            tf.nest.map_structure(lambda t: t.device, step(*inputs))
            if repeat >= 2:  # the first traces, the second still fills caches
                own_times.append(time.perf_counter() - start)
    return times


def _table_line(dtype: str, batch_size: int, ours: list[float], theirs: list[float]) -> str:
    ratio = statistics.median(ours) / statistics.median(theirs)
    pairs = statistics.quantiles([a / b for a, b in zip(ours, theirs, strict=True)])
    return (
        f"{dtype:<16}{batch_size:>6}{statistics.median(ours):>10.3f}"
        f"{statistics.median(theirs):>10.3f}{ratio:>8.3f}   {pairs[0]:.3f} {pairs[2]:.3f}\n"
    )


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    app.run(main)
