"""Weights to start from: which format lies at a path, and whether it fits a run."""

import copy
import dataclasses
import re

import numpy as np
import pytest

from mslt_tf.conversion import google_tf1, huggingface, starting_weights
from mslt_tf.conversion.found_model import FoundModel
from mslt_tf.dataset_info import hash_vocabulary
from mslt_tf.errors import UserError
from tests.conversion.trained_models import trained_model, vocabulary
from tests.modeling.small_models import tiny_albert_config, tiny_config
from tests.saved_weights import assert_bit_identical

FORMATS = {"google_tf1": google_tf1, "huggingface": huggingface}


def ignore(line):
    pass


def found_model(config=None, **changes):
    model = trained_model(config)
    values = {"path": "x", "missing": (), "unused": (), "vocabulary": model.vocabulary}
    return FoundModel(**{"config": model.config, "weights": model.weights, **values, **changes})


def without(found, *layers):
    weights = {name: values for name, values in found.weights.items() if name not in layers}
    missing = tuple(f"{name}/{part}" for name in layers for part in found.weights[name])
    return dataclasses.replace(found, weights=weights, missing=missing)


def check(found, **changes):
    return starting_weights.check(found, tiny_config(**changes), vocabulary=())


@pytest.mark.parametrize("format_", FORMATS)
def test_a_folder_is_read_in_the_format_that_it_has(tmp_path, format_):
    model = trained_model()
    FORMATS[format_].write(model, str(tmp_path / "a"))
    found = starting_weights.read(str(tmp_path / "a"), report=ignore)
    assert_bit_identical(found.weights, model.weights)
    assert starting_weights.check(found, model.config, vocabulary=()) == []


def test_a_google_checkpoint_is_found_by_its_prefix_too(tmp_path):
    google_tf1.write(trained_model(), str(tmp_path / "a"))
    found = starting_weights.read(str(tmp_path / "a" / "bert_model.ckpt"), report=ignore)
    assert not found.missing


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ((), "is of no format known"),
        (("config.json", "plan.txt"), "is of no format known"),
        (("bert_config.json", "vocab.txt"), "is of no format known"),
        (None, "is not there"),
    ],
)
def test_a_path_of_no_format_is_told_what_was_looked_for(tmp_path, files, what):
    folder = tmp_path / "a"
    if files is not None:
        folder.mkdir()
        for name in files:
            (folder / name).write_text("{}")
    with pytest.raises(UserError) as error:
        starting_weights.read(str(folder), report=ignore)
    message = str(error.value)
    assert f"--init_checkpoint {folder} {what}" in message
    for looked_for in ("RUN@STEP", "step-N", "model.safetensors", "albert_config.json", ".index"):
        assert looked_for in message
    assert "\n" not in message


def test_a_pickle_is_never_opened(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(UserError, match="pickle"):
        starting_weights.read(str(tmp_path), report=ignore)


def test_fingerprints_tell_models_apart_and_not_formats(tmp_path):
    fingerprints = []
    for name, format_ in FORMATS.items():
        format_.write(trained_model(), str(tmp_path / name))
        found = starting_weights.read(str(tmp_path / name), report=ignore)
        fingerprints.append(starting_weights.fingerprint(found))
    assert fingerprints[0] == fingerprints[1]
    changed = {layer: dict(named) for layer, named in found.weights.items()}
    changed["encoder_1"]["output/bias"] = np.nextafter(changed["encoder_1"]["output/bias"], 9)
    for other in (
        dataclasses.replace(found, weights=changed),
        dataclasses.replace(found, vocabulary=(*found.vocabulary[:-1], "other")),
        without(found, "sentence_pair"),
    ):
        assert starting_weights.fingerprint(other) != fingerprints[0]


def test_heads_that_are_missing_begin_new_and_it_is_said():
    found = without(found_model(), "masked_lm", "sentence_pair")
    assert check(found) == [
        "note: x lacks heads, which get initial weights: sentence_pair, masked_lm"
    ]


@pytest.mark.parametrize("layer", ["embeddings", "encoder_1"])
def test_the_encoder_must_be_complete(layer):
    with pytest.raises(UserError, match=f"lacks weights of the .*: {layer}/") as error:
        check(without(found_model(), layer))
    assert re.search(r"and \d+ more\.|layer_norm/beta\.", str(error.value))


def test_tensors_of_no_use_are_named_and_counted():
    few = check(found_model(unused=("a", "b")))
    many = check(found_model(unused=tuple("abcdefg")))
    assert few == ["note: not used of x: a, b"]
    assert many == ["note: not used of x: a, b, c, d, e and 2 more"]


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"hidden_size": 64}, r"hidden_size: 32 there, 64 now\). Set --hidden_size=32\."),
        ({"num_attention_heads": 8}, "Set --num_attention_heads=4"),
        ({"intermediate_size": 8}, "Set --intermediate_size=48"),
        ({"vocab_size": 51}, "Set --vocab_size=50"),
        ({"max_position_embeddings": 32}, "Set --max_position_embeddings=64"),
        ({"type_vocab_size": 3}, "Set --type_vocab_size=2"),
        ({"layer_norm_eps": 1e-6}, "Set --layer_norm_eps=1e-12"),
        ({"hidden_act": "gelu_new"}, "Set --hidden_act=gelu"),
        ({"embedding_size": 12}, r"12 now\). Set --embedding_size=0\."),
        (
            {"hidden_size": 64, "vocab_size": 51},
            "vocab_size: 50 there, 51 now; hidden_size: 32 there, 64 now.*"
            "Set --vocab_size=50 --hidden_size=32",
        ),
    ],
)
def test_another_shape_is_refused_with_the_flags_to_set(changes, difference):
    with pytest.raises(UserError, match=difference):
        check(found_model(), **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.0},
        {"initializer_range": 0.1},
        {"num_hidden_layers": 8},  # the depth of the first stage is compared apart
        {"embedding_size": 32},  # the width of the layers
    ],
)
def test_what_does_not_change_the_model_may_differ(changes):
    assert check(found_model(), **changes) == []


def test_groups_must_be_applied_as_often_as_there():
    found = found_model(tiny_albert_config())  # two groups of two
    other = tiny_albert_config(num_hidden_groups=1)
    with pytest.raises(UserError, match="of a group 2 times in a row, this run 4 times"):
        starting_weights.check(found, other, vocabulary=())
    deeper = tiny_albert_config(num_hidden_layers=8, num_hidden_groups=4)
    assert starting_weights.check(found, deeper, vocabulary=()) == []


def test_the_form_of_gelu_is_noted_where_it_is_not_told():
    (note,) = check(found_model(untold=("hidden_act",)), hidden_act="gelu_new")
    assert "x does not tell which form of GELU" in note
    assert "--hidden_act=gelu_new is used" in note


def test_weights_that_are_no_numbers_or_far_too_large_are_refused_by_name():
    for value in (np.nan, np.inf, -1e4):
        found = copy.deepcopy(found_model())
        found.weights["pooler"]["dense/bias"][3] = value
        with pytest.raises(UserError, match="x is of no use: a weight of pooler/dense/bias is"):
            check(found)


def test_the_hash_of_another_runs_vocabulary_is_compared():
    tokens = list(vocabulary())
    known = {"vocabulary": None, "vocabulary_sha256": hash_vocabulary(tokens)}
    found = dataclasses.replace(found_model(), **known)
    assert starting_weights.check(found, found.config, vocabulary=tokens) == []
    assert starting_weights.check(found, found.config, vocabulary=()) == []
    tokens[7:9] = tokens[8], tokens[7]
    with pytest.raises(UserError, match="trained with another vocabulary than --vocab_file"):
        starting_weights.check(found, found.config, vocabulary=tokens)


def test_names_of_foreign_tensors_cannot_reach_a_terminal_as_they_are():
    (note,) = check(found_model(unused=("a\n\x1b[31mb",)))
    assert note == r"note: not used of x: a\n\x1b[31mb"


def test_another_vocabulary_is_refused_and_the_same_is_not():
    found, tokens = found_model(), list(vocabulary())
    unknown = dataclasses.replace(found, vocabulary=None)
    assert starting_weights.check(found, found.config, vocabulary=tokens) == []
    tokens[7:9] = tokens[8], tokens[7]
    with pytest.raises(UserError, match="--vocab_file: token 7 is 'c' there, 'd' now"):
        starting_weights.check(found, found.config, vocabulary=tokens)
    assert starting_weights.check(found, found.config, vocabulary=()) == []
    assert starting_weights.check(unknown, found.config, vocabulary=tokens) == []
    with pytest.raises(UserError, match="it has 50 tokens there, 49 now"):
        starting_weights.check(found, found.config, vocabulary=vocabulary()[:-1])
