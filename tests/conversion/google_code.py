"""Runs Google's own pretraining code on a checkpoint, in a process of its own.

  python google_code.py CODE CHECKPOINT INPUTS.npz OUTPUTS.npz

CODE is a folder with `modeling.py` and `run_pretraining.py` of google-research/bert or /albert.
CHECKPOINT is a folder as those programs take it. The outputs are the logits, and the shapes of all
variables that the code has made, by name.
"""

import json
import os
import sys
import types
from pathlib import Path
from unittest import mock

import numpy as np
import tensorflow.compat.v1 as tf


def layer_norm(inputs, begin_norm_axis, begin_params_axis, scope=None):
    """Stands for tf.contrib's, which no TensorFlow 2 has: LayerNorm over the last axis."""
    assert begin_norm_axis == begin_params_axis == -1
    size = [inputs.shape[-1]]
    with tf.variable_scope(scope, "LayerNorm", [inputs]):
        beta = tf.get_variable("beta", size, initializer=tf.zeros_initializer())
        gamma = tf.get_variable("gamma", size, initializer=tf.ones_initializer())
        mean, variance = tf.nn.moments(inputs, [-1], keepdims=True)
        return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, 1e-12)


def import_code(folder):
    """Returns their modules `modeling` and `run_pretraining`; what they import is mocked."""
    tf.contrib = mock.MagicMock()
    tf.contrib.layers.layer_norm = layer_norm
    package = types.ModuleType("albert")
    package.__path__ = [folder]
    package.optimization = mock.MagicMock()
    sys.modules |= {
        "tensorflow": tf,
        "tensorflow.contrib": tf.contrib,
        "optimization": package.optimization,
        "albert": package,
        "albert.optimization": package.optimization,
    }
    sys.path.insert(0, folder)
    if (Path(folder) / "modeling.py").read_text().count("class AlbertModel"):
        from albert import modeling, run_pretraining
    else:
        import modeling
        import run_pretraining
    return modeling, run_pretraining


def build(modeling, run_pretraining, folder, inputs):
    """Builds their model with both heads and returns the names of the two tensors of logits."""
    is_albert = hasattr(modeling, "AlbertModel")
    kind = "Albert" if is_albert else "Bert"
    file = Path(folder) / f"{kind.lower()}_config.json"
    config = getattr(modeling, f"{kind}Config").from_dict(json.loads(file.read_text()))
    model = getattr(modeling, f"{kind}Model")(
        config, False, inputs["input_ids"], inputs["input_mask"], inputs["segment_ids"]
    )
    positions = inputs["masked_lm_positions"]
    nothing = np.zeros_like(positions)
    run_pretraining.get_masked_lm_output(
        config,
        model.get_sequence_output(),
        model.get_embedding_table(),
        positions,
        nothing,
        nothing.astype(np.float32),
    )
    name = "get_sentence_order_output" if is_albert else "get_next_sentence_output"
    getattr(run_pretraining, name)(config, model.get_pooled_output(), nothing[:, :1])
    return "cls/predictions/BiasAdd:0", "cls/seq_relationship/BiasAdd:0"


def main(code, checkpoint, inputs_path, outputs_path):
    """Computes the logits."""
    tf.disable_v2_behavior()
    inputs = {name: tf.constant(value) for name, value in np.load(inputs_path).items()}
    inputs["masked_lm_positions"] = np.load(inputs_path)["masked_lm_positions"]
    logits = build(*import_code(code), checkpoint, inputs)
    prefix = next(Path(checkpoint).glob("*.index")).with_suffix("")
    with tf.Session() as session:
        tf.train.Saver().restore(session, os.fspath(prefix))  # fails if a variable is not there
        values = session.run(logits)
    shapes = {variable.op.name: variable.shape.as_list() for variable in tf.global_variables()}
    np.savez(
        outputs_path, masked_lm=values[0], sentence_pair=values[1], variables=json.dumps(shapes)
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
