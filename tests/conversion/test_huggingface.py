"""Written folders, by the loaders of transformers' TensorFlow classes."""

import os

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.conversion import huggingface
from mslt_tf.files import removal
from tests.conversion.trained_models import (
    CONFIGS,
    MASKED_TEXT,
    masked_probabilities,
    outputs,
    trained_model,
)
from tests.modeling.small_models import random_inputs, tiny_albert_config, tiny_config

every_config = pytest.mark.parametrize("name", CONFIGS)


@pytest.fixture(scope="module")
def transformers():
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    transformers = pytest.importorskip("transformers")
    transformers.logging.set_verbosity_warning()
    yield transformers
    transformers.logging.set_verbosity_error()


def complaints(caplog):
    """Returns what the loader logged, but for the lines that say that all went well."""
    lines = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("All PyTorch model weights were used") for line in lines)
    return [line for line in lines if not line.startswith(("All ", "Device set to use"))]


def load(transformers, kind, folder):
    """Returns their model, and the names of tensors that found no place in it."""
    loader = getattr(transformers, f"TF{kind}")
    model, info = loader.from_pretrained(folder, output_loading_info=True)
    assert info["missing_keys"] == []
    assert info["mismatched_keys"] == []
    return model, info["unexpected_keys"]


def features(inputs):
    return {
        "input_ids": inputs["input_ids"],
        "attention_mask": inputs["input_mask"],
        "token_type_ids": inputs["segment_ids"],
    }


def written(tmp_path, config, **changes):
    model = trained_model(config, **changes)
    huggingface.write(model, str(tmp_path / "model"))
    return model, str(tmp_path / "model")


@every_config
def test_transformers_loads_the_whole_model_and_computes_the_same(
    tmp_path, transformers, caplog, name
):
    model, folder = written(tmp_path, CONFIGS[name])
    inputs = random_inputs(model.config)
    kind = "AlbertForPreTraining" if name.startswith("albert") else "BertForPreTraining"
    peer, unused = load(transformers, kind, folder)
    assert unused == []
    assert complaints(caplog) == []
    theirs = peer(features(inputs))
    ours = outputs(model, inputs)
    of_words, of_pairs = ours["masked_lm_logits"], ours["sentence_pair_logits"]
    picked = tf.gather(theirs[0], inputs["masked_lm_positions"], batch_dims=1)
    np.testing.assert_allclose(picked, of_words, atol=1e-4)
    np.testing.assert_allclose(theirs[1], of_pairs, atol=1e-4)
    assert np.ptp(of_words) > 0.1  # or the comparison would prove little
    assert np.ptp(of_pairs) > 0.01


@pytest.mark.parametrize(
    ("kind", "config", "heads"),
    [
        ("BertForMaskedLM", tiny_config(), ()),
        ("BertModel", tiny_config(), ("cls.",)),
        ("AlbertForMaskedLM", tiny_albert_config(), ("sop_classifier.",)),
        ("AlbertModel", tiny_albert_config(), ("predictions.", "sop_classifier.")),
    ],
)
def test_classes_with_fewer_heads_leave_out_no_more_than_those(
    tmp_path, transformers, kind, config, heads
):
    model, folder = written(tmp_path, config)
    peer, unused = load(transformers, kind, folder)
    assert [name for name in unused if not name.startswith(heads)] == []
    inputs = random_inputs(config)
    theirs, ours = peer(features(inputs)), outputs(model, inputs)
    if kind.endswith("Model"):
        np.testing.assert_allclose(theirs.pooler_output, ours["pooled_output"], atol=1e-4)
    else:
        picked = tf.gather(theirs.logits, inputs["masked_lm_positions"], batch_dims=1)
        np.testing.assert_allclose(picked, ours["masked_lm_logits"], atol=1e-4)


def test_fill_mask_finds_what_the_model_scores_highest(tmp_path, transformers, caplog):
    model, folder = written(tmp_path, tiny_config())
    # By default it takes a GPU, which only some processes of TensorFlow replace where none is.
    fill_mask = transformers.pipeline("fill-mask", folder, framework="tf", device=-1)
    (best, *_) = fill_mask(MASKED_TEXT)
    assert complaints(caplog) == []
    probabilities = masked_probabilities(model)
    assert best["token"] == np.argmax(probabilities)
    assert best["score"] == pytest.approx(np.max(probabilities), abs=1e-4)


@pytest.mark.parametrize("has_vocabulary", [True, False])
def test_a_folder_holds_its_own_files_only(tmp_path, has_vocabulary):
    changes = {} if has_vocabulary else {"vocabulary": None}
    _, folder = written(tmp_path, tiny_config(), **changes)
    assert removal.foreign_files(folder, huggingface.owns) == []
    found = set(removal.paths_below(folder))
    assert {"config.json", "model.safetensors", "README.md"} <= found
    assert ("vocab.txt" in found) == ("tokenizer.json" in found) == has_vocabulary
    assert not huggingface.owns("pytorch_model.bin")
    assert not huggingface.owns("sub/config.json")


def test_the_card_tells_plan_place_and_data(tmp_path):
    data = {
        "16": {
            "files": ({"name": "a", "num_records": 7, "content": "crc32:01"},),
            "order": "x",
            "legacy_fingerprint": "",
        }
    }
    evaluation = {"kind": "eval", "step": 2, "masked_lm_loss": 4.56789}
    identity = {**trained_model().identity, "data": data}
    _, folder = written(tmp_path, tiny_config(), identity=identity, evaluation=evaluation)
    with open(f"{folder}/README.md", encoding="utf-8") as file:
        card = file.read()
    assert "layers_1  2      1       0 +emb" in card
    assert "step 3, in stage layers_1 of" in card
    assert "24 sequences" in card  # three steps of eight
    assert "7 records in 1 file" in card
    assert "4.568 (nats per masked token, held-out records, step 2)" in card


def test_a_model_of_unknown_origin_has_a_card_too(tmp_path):
    _, folder = written(tmp_path, tiny_config(), identity={}, vocabulary=None)
    with open(f"{folder}/README.md", encoding="utf-8") as file:
        assert "not recorded" in file.read()
