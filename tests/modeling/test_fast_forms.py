"""Each fast form against the definition beside it: values and gradients, in every type."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.modeling.activations import bias_gelu
from mslt_tf.modeling.attention import attention_bias, attention_probs, split_heads
from mslt_tf.modeling.bert import build_bert
from mslt_tf.modeling.cross_entropy import cross_entropy
from mslt_tf.modeling.dropout import drop, make_key
from mslt_tf.modeling.forms import Forms
from mslt_tf.modeling.heads import float32_logits
from mslt_tf.modeling.linear import Product
from mslt_tf.modeling.normalization import add_and_norm
from tests.modeling.small_models import random_inputs, randomize_weights, tiny_config

BATCH, SEQ, HEADS, HEAD_SIZE = 4, 24, 2, 40
HIDDEN = HEADS * HEAD_SIZE
VOCAB = 300
HEADS_SHAPE = (BATCH, HEADS, SEQ, HEAD_SIZE)
VECTORS, BIAS = (BATCH, SEQ, HIDDEN), (HIDDEN,)
# NumPy: no operation may run when tests are collected, see conftest.
MASK = (np.arange(SEQ) < np.array([[SEQ], [20], [9], [1]])).astype(np.int32)
LABELS = np.arange(BATCH * SEQ, dtype=np.int32) * 7 % VOCAB

# Of a value or a gradient, relative to its largest element. A short type's last place is 2**-8 or
# 2**-11; what is rounded several times, or is a sum of rounded numbers, may be off by some of it.
TOLERANCES = {tf.float32: 1e-5, tf.bfloat16: 4 * 2.0**-8, tf.float16: 4 * 2.0**-11}


@dataclasses.dataclass(frozen=True)
class Piece:
    """A function of the model: of `forms` and of tensors that have gradients."""

    function: Callable[..., tf.Tensor]
    shapes: Sequence[tuple[int, ...]]
    float32: Sequence[int] = ()  # indices of tensors that are float32 whatever the type
    is_fast_in_chains_only: bool = False  # elsewhere the definition is computed in all forms

    def has_case(self, way: str, dtype: tf.DType) -> bool:
        """Returns whether the type and the fast form differ from those of other cases."""
        has_types = len(self.float32) < len(self.shapes) or dtype == tf.float32
        return has_types and (way == "chains" or not self.is_fast_in_chains_only)

    def tensors(self, dtype: tf.DType) -> list[tf.Tensor]:
        """Returns random tensors of the type, rounded to it."""
        return [
            tf.cast(
                tf.random.stateless_normal(shape, seed=[1, index]),
                tf.float32 if index in self.float32 else dtype,
            )
            for index, shape in enumerate(self.shapes)
        ]


def key(rate: float = 0.3, num_rows: int = 0):
    """Returns the key of a place; with `num_rows`, of every third of its rows."""
    rows = tf.range(num_rows) * 3 if num_rows else None
    rows = None if rows is None else tf.cast(rows, tf.uint32)
    return make_key(tf.constant([3, 4], tf.int64), 2, rate, rows)


def norm(rate: float, num_rows: int = 0) -> Callable[..., tf.Tensor]:
    return lambda forms, x, bias, residual, gamma, beta: add_and_norm(
        Product(x, bias), residual, key(rate, num_rows), gamma, beta, 1e-12, forms
    )


def probs(rate: float, num_rows: int = 0) -> Callable[..., tf.Tensor]:
    return lambda forms, query, keys: attention_probs(
        query, keys, attention_bias(MASK, query.dtype), key(rate, num_rows), forms
    )


NORM_SHAPES = [VECTORS, BIAS, VECTORS, BIAS, BIAS]
PIECES = {
    "gelu": Piece(lambda forms, *x: bias_gelu(Product(*x), "gelu", forms), [VECTORS, BIAS]),
    "gelu_new": Piece(lambda forms, *x: bias_gelu(Product(*x), "gelu_new", forms), [VECTORS, BIAS]),
    "split_heads": Piece(lambda forms, *x: split_heads(Product(*x), HEADS, forms), [VECTORS, BIAS]),
    "drop": Piece(lambda forms, x: drop(x, key(), forms), [VECTORS]),
    "add_and_norm": Piece(norm(0), NORM_SHAPES, float32=[3, 4]),
    "add_and_norm with dropout": Piece(norm(0.3), NORM_SHAPES, float32=[3, 4]),
    "add_and_norm with dropout of some rows": Piece(
        norm(0.3, BATCH * SEQ), NORM_SHAPES, float32=[3, 4]
    ),
    "attention_probs": Piece(probs(0), [HEADS_SHAPE, HEADS_SHAPE]),
    "attention_probs with dropout": Piece(probs(0.3), [HEADS_SHAPE, HEADS_SHAPE]),
    "attention_probs with dropout of some rows": Piece(
        probs(0.3, BATCH * HEADS * SEQ), [HEADS_SHAPE, HEADS_SHAPE]
    ),
    "float32_logits": Piece(
        lambda forms, *tensors: float32_logits(*tensors, forms),
        [(BATCH * SEQ, HIDDEN), (VOCAB, HIDDEN), (VOCAB,)],
        float32=[1, 2],
    ),
    "cross_entropy": Piece(
        lambda forms, logits: cross_entropy(logits, LABELS, forms),
        [(BATCH * SEQ, VOCAB)],
        float32=[0],
        is_fast_in_chains_only=True,
    ),
}


def value_and_gradients(
    piece: Piece, forms: Forms, tensors: Sequence[tf.Tensor]
) -> list[tf.Tensor]:
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = piece.function(forms, *tensors)
    upstream = tf.cast(np.random.default_rng(0).normal(size=value.shape), value.dtype)
    return [value, *tape.gradient(value, tensors, output_gradients=upstream)]


def compile_as_a_whole(function: Callable) -> Callable:
    return tf.function(function, jit_compile=True, autograph=False)


WAYS = {
    "plain": (Forms.FAST, lambda function: function),
    "step": (Forms.FAST, compile_as_a_whole),
    "chains": (Forms.COMPILED, lambda function: tf.function(function, autograph=False)),
}
CASES = [
    pytest.param(PIECES[name], dtype, *WAYS[way], id=f"{name}-{dtype.name}-{way}")
    for name, dtype, way in itertools.product(PIECES, TOLERANCES, WAYS)
    if PIECES[name].has_case(way, dtype)
]


@pytest.mark.parametrize(("piece", "dtype", "forms", "run"), CASES)
def test_a_fast_form_gives_the_value_and_the_gradients_of_its_definition(piece, dtype, forms, run):
    tensors = piece.tensors(dtype)
    found = run(lambda *tensors: value_and_gradients(piece, forms, tensors))(*tensors)
    wide = [tf.cast(tensor, tf.float32) for tensor in tensors]
    expected = value_and_gradients(piece, Forms.DEFINITIONS, wide)
    assert [gradient.dtype for gradient in found[1:]] == [tensor.dtype for tensor in tensors]
    for actual, wanted in zip(found, expected, strict=True):
        allowed = TOLERANCES[dtype] * np.max(np.abs(wanted))
        np.testing.assert_allclose(tf.cast(actual, tf.float32), wanted, atol=allowed)


LOGITS = ("masked_lm_logits", "sentence_pair_logits")


def traced_step(forms: Forms, *, training: bool):
    """Returns the model, and a traced step that differentiates it."""
    config = tiny_config()
    model = build_bert(config, num_blocks=2, forms=forms)
    randomize_weights(model)

    @tf.function
    def step(inputs):
        with tf.GradientTape() as tape:
            outputs = model(inputs, training=training)
            loss = sum(tf.reduce_mean(tf.square(outputs[name])) for name in LOGITS)
        gradients = tape.gradient(loss, model.trainable_variables)
        return loss, [tf.convert_to_tensor(gradient) for gradient in gradients]

    return model, step.get_concrete_function(random_inputs(config))


def calls_xla(function: tf.types.experimental.ConcreteFunction) -> bool:
    library = function.graph.as_graph_def().library.function
    return any(f.attr["_XlaMustCompile"].b for f in library)


@pytest.mark.slow
def test_who_builds_the_model_decides_how_it_is_computed_in_training():
    steps = {forms: traced_step(forms, training=True)[1] for forms in Forms}
    assert [forms for forms in Forms if calls_xla(steps[forms])] == [Forms.COMPILED]
    model, _ = traced_step(Forms.DEFINITIONS, training=True)
    inputs = random_inputs(tiny_config())
    loss, gradients = steps[Forms.DEFINITIONS](inputs)
    largest = max(float(tf.reduce_max(tf.abs(gradient))) for gradient in gradients)
    for forms in (Forms.FAST, Forms.COMPILED):
        fast_loss, fast_gradients = steps[forms](inputs)
        assert float(fast_loss) == pytest.approx(float(loss), rel=1e-5)
        for variable, found, wanted in zip(
            model.trainable_variables, fast_gradients, gradients, strict=True
        ):
            np.testing.assert_allclose(found, wanted, atol=1e-5 * largest, err_msg=variable.name)


def test_outside_of_training_a_model_is_computed_by_its_definitions():
    operations = []
    for forms in Forms:
        graph = traced_step(forms, training=False)[1].graph
        operations.append(sorted(operation.type for operation in graph.get_operations()))
    assert operations[0] == operations[1] == operations[2]
    assert "IdentityN" not in operations[0]  # of a custom gradient
