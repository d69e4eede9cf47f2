"""An export works in a process that has TensorFlow and tensorflow-text, and none of our code."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

pytestmark = pytest.mark.slow  # TensorFlow starts anew, and trains

PROGRAM = Path(__file__).with_name("fine_tuning.py")
TEXTS = ["a good film", "the cat is good", "a bad film", "the dog is bad"]


@pytest.fixture(scope="module")
def facts(bert_export):
    command = [sys.executable, "-I", str(PROGRAM), str(bert_export.folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_fine_tuning_from_text_moves_every_weight_and_lowers_the_loss(facts, bert_export):
    assert facts["stayed"] == []
    assert facts["trained"] == len(bert_export.load("encoder").trainable_variables)
    before, after = facts["losses"]
    assert after < 0.5 * before


def test_it_serves_the_same_numbers(facts, bert_export):
    served = bert_export.load("bert/1").signatures["serve_text"]
    expected = served(text=tf.constant(TEXTS))["pooled_output"]
    np.testing.assert_allclose(facts["pooled_output"], expected, atol=1e-6)
