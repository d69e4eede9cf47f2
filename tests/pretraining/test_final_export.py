"""The SavedModel that a run leaves behind."""

import numpy as np
import tensorflow as tf

from mslt_tf.export import encoder
from mslt_tf.pretraining import training
from mslt_tf.training import checkpointing
from tests import tiny
from tests.pretraining import quick_runs


def test_it_holds_the_last_checkpoints_encoder(tmp_path):
    records = tiny.write_random_shards(tmp_path / "records")
    config = tiny.config(**quick_runs.SMALL, train_records=records, output_dir=tmp_path)
    assert training.pretrain(config) == 0
    checkpoint = checkpointing.newest(str(tmp_path / "checkpoints"), report=lambda line: None)
    weights = checkpointing.read_weights(checkpoint)
    exported = tf.saved_model.load(str(tmp_path / "export"))
    values = {v.name: v.numpy() for v in exported.variables}
    for layer in ("embeddings", "encoder_0", "pooler"):
        for name, value in weights[layer].items():
            np.testing.assert_array_equal(values[f"{layer}/{name}:0"], value)
    # The export is made again from the checkpoint if it is not there.
    tf.io.gfile.rmtree(str(tmp_path / "export"))
    assert training.pretrain(config) == 0
    assert encoder.exists(str(tmp_path / "export"))
