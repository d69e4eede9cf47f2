"""A model of a task of GLUE, with text or ids in, and labels or a score out."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from mslt_tf.export.encoder import input_specs, named_inputs, with_checked_shapes
from mslt_tf.export.text_inputs import TextPacker, as_many, text_spec
from mslt_tf.finetuning.glue.glue_tasks import Task

TEXTS = ("text", "text_pair")

_Tensors = dict[str, tf.Tensor]


def signatures(model: tf.keras.Model, task: Task, packer: TextPacker) -> dict[str, Any]:
    """Returns the signatures by name; batch and length are free.

    `serving_default` and `serve_text` take texts, string [batch]: `TEXTS`, or the first of them
    where the task is on single texts. `serve_ids` takes `encoder.INPUTS`, int32 [batch, seq]. All
    return `label`, string [batch], and `labels` and `probabilities`, string and float32
    [batch, labels]; of a regression `score`, float32 [batch], which may lie a little outside of the
    task's range.

    Args:
        model: from `task_model.build`, trained.
        task: that it was trained on.
        packer: for the encoder's vocabulary, and as long as the sequences were in training.
    """

    def answer(inputs: _Tensors) -> _Tensors:
        outputs = model(named_inputs(inputs), training=False)
        if task.is_regression:
            return {"score": outputs[:, 0]}
        return _labels(outputs, words_of(task))

    names = TEXTS if task.has_pairs else TEXTS[:1]

    @tf.function(autograph=False, input_signature=[{name: text_spec(name) for name in names}])
    def serve_text(texts: _Tensors) -> _Tensors:
        checked = as_many({name: texts[name] for name in names})
        return answer(packer.pack(*map(packer.tokens, checked)))

    @tf.function(autograph=False, input_signature=[input_specs()])
    def serve_ids(inputs: _Tensors) -> _Tensors:
        return answer(with_checked_shapes(inputs))

    return {"serving_default": serve_text, "serve_text": serve_text, "serve_ids": serve_ids}


def words_of(task: Task) -> tuple[str, ...]:
    """Returns the labels as they are answered: what they mean, where the files have numbers."""
    return task.label_names or task.labels


def _labels(outputs: tf.Tensor, words: Sequence[str]) -> _Tensors:
    labels = tf.constant(words)
    return {
        "label": tf.gather(labels, tf.argmax(outputs, axis=1)),
        "labels": tf.tile(labels[tf.newaxis], [tf.shape(outputs)[0], 1]),
        "probabilities": tf.nn.softmax(outputs),
    }
