"""What is freed of a graph whose operations have gradients of their own."""

import gc
import weakref

import tensorflow as tf

from mslt_tf.training import graph_memory


@tf.custom_gradient
def doubled(x):
    return 2 * x, lambda upstream: 2 * upstream


def traced():
    """Returns a reference to a graph that reads a variable, and one to the variable."""
    variable = tf.Variable(3.0)

    @tf.function(autograph=False)
    def gradient():
        with tf.GradientTape() as tape:
            y = doubled(variable.read_value())
        return tape.gradient(y, variable)

    concrete = gradient.get_concrete_function()
    assert float(concrete()) == 2
    return weakref.ref(concrete.graph)


def test_a_graph_is_freed_that_tensorflow_alone_would_keep():
    kept = traced()
    gc.collect()
    assert kept() is not None
    with graph_memory.released():
        freed = traced()
    assert freed() is None
    assert kept() is not None
