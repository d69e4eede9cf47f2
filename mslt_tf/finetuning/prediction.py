"""A model's outputs for all examples of a split."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from mslt_tf.finetuning import length_batches, short_memory, task_model
from mslt_tf.finetuning.objectives import Objective
from mslt_tf.finetuning.sequences import Sequences
from mslt_tf.finetuning.task import Outputs, Predict

_NO_DROPOUT = (0, 0)  # a seed, not looked at outside training


def make_predict(
    model: tf.keras.Model,
    objective: Objective,
    *,
    batch_size: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Predict:
    """Returns a function that computes a model's outputs, whatever the order of examples.

    Args:
        model: from `task_model.build`.
        objective: its own.
        batch_size: examples at once.
        progress: takes how many examples of how many are done.
    """

    @tf.function(autograph=False, input_signature=[task_model.batch_specs()])
    def outputs_of(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        return model({**batch, "dropout_seed": tf.constant(_NO_DROPOUT, tf.int64)}, training=False)

    def predict(sequences: Sequences) -> Outputs:
        lengths = sequences.lengths
        found: list[np.ndarray] = [np.empty(0)] * len(sequences)
        num_done = 0
        for examples in length_batches.sorted_batches(lengths, batch_size=batch_size):
            batch = sequences.padded(examples, multiple=length_batches.LENGTH_MULTIPLE)
            with short_memory.naming("Give a smaller --eval_batch_size."):
                outputs = outputs_of(_tensors(batch)).numpy()
            for index, output in zip(examples, outputs, strict=True):
                found[index] = output[: lengths[index]] if objective.reads_every_token else output
            num_done += len(examples)
            progress(num_done, len(sequences))
        return found

    return predict


def _tensors(batch: dict[str, np.ndarray]) -> dict[str, tf.Tensor]:
    return {name: tf.constant(values) for name, values in batch.items()}
