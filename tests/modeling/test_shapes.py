"""Shapes as numbers where a graph knows them."""

import tensorflow as tf

from mslt_tf.modeling.shapes import sizes


def test_all_sizes_known_take_no_operation():
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [2, 3, 5])
        before = len(graph.get_operations())
        assert sizes(x) == [2, 3, 5]
        assert len(graph.get_operations()) == before


def test_open_sizes_are_those_of_the_tensor_that_comes():
    @tf.function(input_signature=[tf.TensorSpec([None, 3, None])])
    def regroup(x: tf.Tensor) -> tf.Tensor:
        batch, rows, columns = sizes(x)
        assert rows == 3
        assert batch.dtype == columns.dtype == tf.int32
        return tf.reshape(x, [rows, batch, columns])

    assert regroup(tf.zeros([2, 3, 0])).shape == [3, 2, 0]
    assert regroup(tf.zeros([4, 3, 5])).shape == [3, 4, 5]
