"""Only operations that TensorFlow Serving has are exported."""

import pytest
import tensorflow as tf
import tensorflow_text as tf_text
from tensorflow.core.protobuf import saved_model_pb2

from mslt_tf.export import allowed_ops, saved_models
from tests.export import exports


def saved(function, folder, spec):
    """Saves a module that holds a function, and reads what was written."""
    module = tf.Module()
    module.function = tf.function(function, input_signature=[spec])
    tf.saved_model.save(module, str(folder))
    return saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())


def trim(ids):
    rows = tf.RaggedTensor.from_tensor(ids)
    return tf_text.RoundRobinTrimmer(3).trim([rows, rows])[0].to_tensor()


def test_an_operation_that_a_server_lacks_is_refused_by_name(tmp_path):
    graph = saved(trim, tmp_path, tf.TensorSpec([None, None], tf.int32))
    message = r"^bert/1 has operations that TensorFlow Serving 2\.15 lacks: TFText>RoundRobinTrim$"
    with pytest.raises(ValueError, match=message):
        allowed_ops.check(graph, what="bert/1")


def test_calls_back_into_python_are_refused(tmp_path):
    def call_python(x):
        return tf.py_function(lambda value: value + 1, [x], tf.int32)

    graph = saved(call_python, tmp_path, tf.TensorSpec([], tf.int32))
    with pytest.raises(ValueError, match="lacks: EagerPyFunc"):
        allowed_ops.check(graph, what="bert/1")


def test_tensorflows_own_and_older_text_operations_pass(tmp_path):
    def lower(texts):
        return tf_text.normalize_utf8(tf.strings.lower(texts), "NFD")

    graph = saved(lower, tmp_path, tf.TensorSpec([None], tf.string))
    assert allowed_ops.ops_of(graph) >= {"StringLower", "NormalizeUTF8"}
    allowed_ops.check(graph, what="it")


def test_an_export_with_such_an_operation_fails(tmp_path, monkeypatch):
    made = tf.train.Checkpoint()
    made.trim = tf.function(trim, input_signature=[tf.TensorSpec([None, None], tf.int32)])
    monkeypatch.setattr(saved_models, "_parts", lambda *_, **__: {"preprocessor": (made, {})})
    folder = tmp_path / "export"
    with pytest.raises(ValueError, match=r"^preprocessor has operations .*RoundRobinTrim"):
        exports.write(tmp_path, exports.trained_model(exports.tiny_bert()))
    assert not saved_models.exists(str(folder))
