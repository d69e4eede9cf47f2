"""Attention of our models against that of transformers' TensorFlow classes, from one folder."""

import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.analysis.attention import maps, text
from mslt_tf.conversion import huggingface
from tests.conversion.trained_models import CONFIGS, trained_model


@pytest.mark.parametrize("name", ["bert_2_layers", "albert_2_groups_tanh"])
def test_attention_equals_that_of_transformers(tmp_path: Path, name: str):
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    transformers = pytest.importorskip("transformers")
    transformers.logging.set_verbosity_error()
    model = trained_model(CONFIGS[name])
    huggingface.write(model, str(tmp_path / "model"))
    peer = transformers.TFAutoModel.from_pretrained(tmp_path / "model")
    sentences = text.tokenize(["ab c\tbca", "a b c d e f"], model, run="")
    ours = maps.attention_maps(model, sentences)
    for sentence, found in zip(sentences, ours, strict=True):
        features = {
            "input_ids": tf.constant([sentence.input_ids]),
            "token_type_ids": tf.constant([sentence.segment_ids]),
        }
        theirs = np.concatenate(peer(features, output_attentions=True).attentions)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, theirs, atol=1e-5)
        # All layers and heads differ, or a swap would go unnoticed.
        flat = found.reshape(-1, len(sentence.tokens) ** 2)
        gaps = np.abs(flat[:, np.newaxis] - flat).max(-1) + np.eye(len(flat))
        assert gaps.min() > 1e-3
