"""Times our encoder layer in each form, and keras-nlp's, in alternation in one run.

    python -m benchmarks.encoder_layer --forms=compiled --forms=definitions --keras_nlp
    python -m benchmarks.encoder_layer --forms=fast --forms=definitions --jit_compile  # on a GPU

The first form is held against each of the others, forward and backward together.
Sizes are BERT-Base's, dropout is 0.1, a padding mask is given. Gradients are taken with respect to
the weights and the input. Absolute times drift on a shared machine; the ratio is the result.
"""

import functools
import statistics
import sys
import time
from collections.abc import Callable

from absl import flags

from mslt_tf import startup
from mslt_tf.bounds import Bounds, check_number

startup.prepare_tensorflow()  # read when it is imported, which the following does

import tensorflow as tf  # noqa: E402

from mslt_tf.model_config import ModelConfig  # noqa: E402
from mslt_tf.modeling.bert import block_name  # noqa: E402
from mslt_tf.modeling.forms import Forms  # noqa: E402
from mslt_tf.modeling.layers import EncoderLayer  # noqa: E402

# Of x, input mask and seed: the output and the variables; what is timed.
Stack = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, list[tf.Variable]]]
Step = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], list[tf.Tensor]]


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this benchmark."""
    integer = functools.partial(flags.DEFINE_integer, flag_values=values)
    boolean = functools.partial(flags.DEFINE_bool, flag_values=values)
    flags.DEFINE_multi_integer("batch_size", [8, 32], "Sequences.", flag_values=values)
    flags.DEFINE_multi_enum(
        "dtype",
        ["float32", "mixed_bfloat16"],
        ["float32", "mixed_bfloat16", "mixed_float16"],
        "Keras policy.",
        flag_values=values,
    )
    integer("seq_length", 128, "Tokens of a sequence.")
    integer("num_layers", 2, "Layers stacked.")
    integer("repeats", 11, "Timed steps of each.")
    flags.DEFINE_multi_enum(
        "forms",
        ["compiled", "definitions"],
        ["compiled", "fast", "definitions"],
        "How our layer is computed.",
        flag_values=values,
    )
    boolean("keras_nlp", False, "Time keras-nlp's layer, too.")
    boolean("jit_compile", False, "Let XLA compile each step as a whole.")
    boolean("forward_only", False, "Leave the backward pass out.")


def main() -> None:
    """Prints one line for each type, batch size and pair."""
    for name, least in (("num_layers", 1), ("repeats", 2)):
        check_number(f"--{name}", flags.FLAGS[name].value, Bounds(at_least=least))
    _write(f"{'dtype':<16}{'batch':>6}  {'ratio of':<26}{'first':>9}{'other':>9}{'ratio':>8}\n")
    for dtype in flags.FLAGS.dtype:
        for batch_size in flags.FLAGS.batch_size:
            steps = {name: _step(_our_stack(dtype, Forms(name))) for name in flags.FLAGS.forms}
            if flags.FLAGS.keras_nlp:
                steps["keras-nlp"] = _step(_keras_nlp_stack(dtype))
            times = _alternate(steps, _inputs(batch_size, dtype))
            first = next(iter(times))
            for name in times:
                if name != first:
                    line = _table_line(f"{first} / {name}", times[first], times[name])
                    _write(f"{dtype:<16}{batch_size:>6}  {line}")


def _our_stack(dtype: str, forms: Forms) -> Stack:
    config = ModelConfig()
    layers = [
        EncoderLayer(config, initializer_seed=0, name=block_name(i), dtype=dtype, forms=forms)
        for i in range(flags.FLAGS.num_layers)
    ]

    def stack(x: tf.Tensor, input_mask: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, list]:
        for index, layer in enumerate(layers):
            x = layer(x, input_mask, seed, index, training=True)
        return x, [v for layer in layers for v in layer.trainable_variables]

    return stack


def _keras_nlp_stack(dtype: str) -> Stack:
    import keras_nlp  # takes seconds

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
        for _ in range(flags.FLAGS.num_layers)
    ]

    def stack(x: tf.Tensor, input_mask: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, list]:
        del seed  # its dropout keeps state
        for layer in layers:
            x = layer(x, padding_mask=input_mask, training=True)
        return x, [v for layer in layers for v in layer.trainable_variables]

    return stack


def _step(stack: Stack) -> Step:
    def step(x: tf.Tensor, input_mask: tf.Tensor, seed: tf.Tensor) -> list[tf.Tensor]:
        if flags.FLAGS.forward_only:
            return [stack(x, input_mask, seed)[0]]
        with tf.GradientTape() as tape:
            tape.watch(x)
            output, variables = stack(x, input_mask, seed)
        return tape.gradient(output, [x, *variables], output_gradients=x)

    return tf.function(step, jit_compile=flags.FLAGS.jit_compile or None)


def _inputs(batch_size: int, dtype: str) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    seq = flags.FLAGS.seq_length
    x = tf.random.stateless_normal([batch_size, seq, ModelConfig().hidden_size], seed=[1, 2])
    x = tf.cast(x, tf.keras.mixed_precision.Policy(dtype).compute_dtype)
    lengths = seq - tf.range(batch_size) % (seq // 4)
    return x, tf.sequence_mask(lengths, seq, dtype=tf.int32), tf.constant([3, 4])


def _alternate(steps: dict[str, Step], inputs: tuple[tf.Tensor, ...]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(flags.FLAGS.repeats + 2):
        for name, step in steps.items():
            start = time.perf_counter()
            step(*inputs)[0].numpy()  # waits for the device
            if repeat >= 2:  # the first traces, the second still fills caches
                times[name].append(time.perf_counter() - start)
    return times


def _table_line(pair: str, ours: list[float], theirs: list[float]) -> str:
    medians = statistics.median(ours), statistics.median(theirs)
    quartiles = statistics.quantiles([a / b for a, b in zip(ours, theirs, strict=True)])
    return (
        f"{pair:<26}{1e3 * medians[0]:>6.1f} ms{1e3 * medians[1]:>6.1f} ms"
        f"{medians[0] / medians[1]:>8.3f}  ({quartiles[0]:.3f} - {quartiles[2]:.3f})\n"
    )


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
