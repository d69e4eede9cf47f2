"""A pretrained encoder with a task's head on it."""

import tensorflow as tf

from mslt_tf.finetuning.objectives import Objective
from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling import bert, weights
from mslt_tf.modeling.bert import ComputeDtype, ReadAt
from mslt_tf.modeling.dropout import TASK_HEAD_SITE, drop, make_key
from mslt_tf.modeling.linear import Linear
from mslt_tf.modeling.trained_model import TrainedModel

HEAD = "task_head"
BATCH = ("input_ids", "input_mask", "segment_ids")
INPUTS = (*BATCH, "dropout_seed")


class TaskHead(tf.keras.layers.Layer):
    """Dropout, then an affine map to float32 outputs, as BERT's fine-tuning has it."""

    def __init__(
        self, config: ModelConfig, *, num_outputs: int, dropout_prob: float, initializer_seed: int
    ):
        super().__init__(name=HEAD, dtype="float32")
        self._rate = dropout_prob
        self.dense = Linear(
            config.hidden_size,
            num_outputs,
            path=f"{HEAD}/dense",
            initializer_range=config.initializer_range,
            initializer_seed=initializer_seed,
            dtype="float32",
        )

    def call(self, x: tf.Tensor, dropout_seed: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Maps [..., hidden] to [..., num_outputs]."""
        if training:
            x = drop(x, make_key(dropout_seed, TASK_HEAD_SITE, self._rate))
        return self.dense(x).sum()


@tf.autograph.experimental.do_not_convert  # the layers have no loops; converting takes seconds
def build(
    config: ModelConfig,
    objective: Objective,
    *,
    seed: int,
    compute_dtype: ComputeDtype = "float32",
) -> tf.keras.Model:
    """Returns a model with initial weights; call it as `model(inputs, training=True)`.

    It takes a dict of `INPUTS`, see `bert.build_bert`, and returns float32 [batch, num_outputs],
    or [batch, seq, num_outputs] where the objective reads every token.

    Args:
        config: of the encoder.
        objective: of the task.
        seed: decides the initial weights.
        compute_dtype: a Keras policy; outputs are float32 under each of them.
    """
    encoder = bert.build_bert(
        config,
        num_blocks=config.num_blocks,
        compute_dtype=compute_dtype,
        read_at=ReadAt.EVERYWHERE if objective.reads_every_token else ReadAt.CLS,
        initializer_seed=seed,
    )
    head = TaskHead(
        config,
        num_outputs=objective.num_outputs,
        # A token's vector comes out of a layer that drops units; the pooled one does not.
        dropout_prob=0.0 if objective.reads_every_token else config.hidden_dropout_prob,
        initializer_seed=seed,
    )
    read = "sequence_output" if objective.reads_every_token else "pooled_output"
    inputs = {name: encoder.input[name] for name in INPUTS}
    return tf.keras.Model(inputs, head(encoder.output[read], inputs["dropout_seed"]))


def batch_specs() -> dict[str, tf.TensorSpec]:
    """Returns int32 [any batch, any length] for each name of `BATCH`."""
    return {name: tf.TensorSpec([None, None], tf.int32, name=name) for name in BATCH}


def start_from(model: tf.keras.Model, encoder: TrainedModel) -> None:
    """Gives the layers of `model` the encoder's weights; the head keeps its initial ones.

    So does the pooler, where the encoder has none.
    """
    for layer in model.layers:
        if layer.variables and layer.name in encoder.weights:
            weights.assign(layer, encoder.weights[layer.name])
