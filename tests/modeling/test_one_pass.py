"""What XLA compiles gives what the plain operations give, and only where training asks for it."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.modeling import one_pass
from mslt_tf.modeling.bert import build_bert
from tests.modeling.small_models import random_inputs, randomize_weights, tiny_config

LOGITS = ("masked_lm_logits", "sentence_pair_logits")


def make_step(model, *, compiles):
    @tf.function
    def step(inputs):
        with one_pass.compiling(compiles), tf.GradientTape() as tape:
            outputs = model(inputs, training=True)
            loss = sum(tf.reduce_mean(tf.square(outputs[name])) for name in LOGITS)
        with one_pass.compiling(compiles):
            gradients = tape.gradient(loss, model.trainable_variables)
        return loss, [tf.convert_to_tensor(g) for g in gradients if g is not None]

    return step


def compiled_functions(step, inputs):
    library = step.get_concrete_function(inputs).graph.as_graph_def().library.function
    return [f for f in library if f.attr["_XlaMustCompile"].b]


@pytest.mark.parametrize("hidden_act", ["gelu", "gelu_new"])
@pytest.mark.parametrize(
    ("compute_dtype", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 0.06)]
)
def test_compiled_and_plain_operations_agree_in_losses_and_gradients(
    hidden_act, compute_dtype, tolerance
):
    config = tiny_config(hidden_act=hidden_act)
    model = build_bert(config, num_blocks=2, compute_dtype=compute_dtype)
    randomize_weights(model)
    inputs = random_inputs(config)
    plain, compiled = (make_step(model, compiles=value) for value in (False, True))
    assert not compiled_functions(plain, inputs)
    assert compiled_functions(compiled, inputs)
    (loss, gradients), (expected_loss, expected) = compiled(inputs), plain(inputs)
    assert float(loss) == pytest.approx(float(expected_loss), rel=tolerance)
    largest = max(float(tf.reduce_max(tf.abs(gradient))) for gradient in expected)
    for variable, found, wanted in zip(model.trainable_variables, gradients, expected, strict=True):
        # Softmax does not heed the key's bias: its gradient is 0, and what is found is rounding.
        is_zero = variable.name.endswith("key/bias:0")
        scale = largest if is_zero else np.max(np.abs(wanted)) + 1e-3
        np.testing.assert_allclose(
            found / scale, wanted / scale, atol=tolerance, err_msg=variable.name
        )


def test_compiling_ends_with_its_block_whatever_happens_in_it():
    @one_pass.one_pass
    def is_compiled():
        return tf.constant(isinstance(tf.compat.v1.get_default_graph(), tf.Graph))

    def traces_anew():
        function = tf.function(lambda: is_compiled())
        library = function.get_concrete_function().graph.as_graph_def().library.function
        return any(f.attr["_XlaMustCompile"].b for f in library)

    def break_off():
        with one_pass.compiling():
            assert traces_anew()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    assert not traces_anew()
