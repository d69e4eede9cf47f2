"""The encoder of a fine-tuning: one value, whatever form the model is in; what is refused.

Exports are read in tests/export/test_saved_models.py, which has some.
"""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import safetensors.numpy

from mslt_tf.conversion import encoders, google_tf1, huggingface, own_runs
from mslt_tf.errors import UserError
from mslt_tf.modeling import weights
from mslt_tf.pretraining import stage_model
from mslt_tf.text_case import TextCase
from tests.conversion import made_runs
from tests.conversion.trained_models import trained_model
from tests.saved_weights import assert_bit_identical

CASE = TextCase(do_lower_case=True, strip_accents=False)  # not what is taken where none is told
FORMS = {
    "run": "run",
    "step": "run@9",
    "checkpoint": "run/checkpoints/step-00000009",
    "huggingface": "huggingface",
    "google_tf1": "google",
    "google_tf1_prefix": "google/{prefix}",
}
PREFIXES = {"bert": "bert_model.ckpt", "albert": "model.ckpt-best"}


@pytest.fixture(scope="module", params=["bert", "albert"])
def forms(request, tmp_path_factory):
    """The folder of one model in all forms, what it is, and the name of its family."""
    folder = tmp_path_factory.mktemp(request.param)
    flags = made_runs.ALBERT if request.param == "albert" else {}
    config = made_runs.write(folder / "run", strip_accents=False, **flags)
    trained = own_runs.read(str(folder / "run"), report=lambda line: None)
    huggingface.write(trained, str(folder / "huggingface"))
    google_tf1.write(trained, str(folder / "google"))
    model = stage_model.build(config, config.plan.stages[-1])
    made_runs.randomize(model, seed=(config.seed, len(config.plan.stages) - 1))
    return folder, config.model, weights.weights_of(model), request.param


def read(path, **options):
    """Returns the encoder, and the lines that were reported."""
    lines = []
    return encoders.read(str(path), report=lines.append, **options), lines


def refusal(path, **options):
    with pytest.raises(UserError) as caught:
        read(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("form", FORMS)
def test_one_model_is_the_same_encoder_in_every_form(forms, form):
    folder, config, expected, family = forms
    is_told = "google" not in form
    path = folder / FORMS[form].format(prefix=PREFIXES[family])
    found, lines = read(path, text_case=None if is_told else CASE)
    of_encoder = [f"encoder_{i}" for i in range(4)]  # four layers, or four groups of two
    assert {*found.weights} == {"embeddings", *of_encoder, "pooler"}
    assert_bit_identical(found.weights, {layer: expected[layer] for layer in found.weights})
    assert found.config == config
    assert found.text_case == CASE
    assert found.vocabulary == made_runs.VOCABULARY
    assert not lines


@pytest.fixture
def published(tmp_path):
    """A Hugging Face folder, with a vocabulary of letters."""
    huggingface.write(trained_model(), str(tmp_path / "published"))
    return tmp_path / "published"


def edit(folder, change):
    """Gives the tensors of a Hugging Face folder, by name, to a function that changes them."""
    path = folder / "model.safetensors"
    tensors = safetensors.numpy.load(path.read_bytes())
    change(tensors)
    path.write_bytes(safetensors.numpy.save(tensors))


def vocabulary_file(folder, tokens):
    path = folder / "other.txt"
    path.write_text("".join(f"{token}\n" for token in tokens), "utf-8")
    return str(path)


def swapped(tokens):
    """Returns the tokens with two of them in each other's place."""
    return (*tokens[:7], tokens[8], tokens[7], *tokens[9:])


def test_heads_of_pretraining_may_be_missing_and_a_missing_pooler_is_told(published):
    edit(published, lambda tensors: [tensors.pop(k) for k in [*tensors] if k.startswith("cls.")])
    assert read(published)[1] == []
    edit(published, lambda tensors: tensors.pop("bert.pooler.dense.bias"))
    found, lines = read(published)
    assert {*found.weights} == {"embeddings", "encoder_0", "encoder_1"}
    assert lines == [f"note: {published} lacks a pooler, which gets initial weights"]
    edit(published, lambda tensors: tensors.pop("bert.encoder.layer.1.output.dense.bias"))
    assert "lacks weights of the embeddings or the encoder: encoder_1/" in refusal(published)


@pytest.mark.parametrize("value", [np.nan, -1e4])
def test_unusable_weights_are_refused(published, value):
    edit(published, lambda tensors: tensors["bert.pooler.dense.bias"].put(3, value))
    assert "is of no use: a weight of pooler/dense/bias is" in refusal(published)
    # Of heads that are left out, it does not matter.
    edit(published, lambda tensors: tensors["bert.pooler.dense.bias"].put(3, 0))
    edit(published, lambda tensors: tensors["cls.predictions.bias"].put(3, value))
    read(published)


@pytest.mark.parametrize(
    ("config", "normalizer", "expected"),
    [
        ({"do_lower_case": True, "strip_accents": None}, None, TextCase(True, True)),
        ({"do_lower_case": False}, None, TextCase(False, False)),
        ({"do_lower_case": True, "strip_accents": False}, None, TextCase(True, False)),
        ({}, {"lowercase": False, "strip_accents": True}, TextCase(False, True)),
        (None, {"lowercase": True, "strip_accents": None}, TextCase(True, True)),
        ({"do_lower_case": True}, {"lowercase": True, "strip_accents": True}, TextCase(True, True)),
        ({"do_lower_case": True}, {"lowercase": False, "strip_accents": None}, None),
        ({}, {"type": "Lowercase", "lowercase": True}, None),
        (None, None, None),
    ],
)
def test_the_text_case_of_a_hugging_face_folder_is_what_its_files_say_in_one_voice(
    published, config, normalizer, expected
):
    contents = {
        "tokenizer_config.json": config,
        "tokenizer.json": normalizer and {"normalizer": {"type": "BertNormalizer", **normalizer}},
    }
    for name, content in contents.items():
        (published / name).unlink()
        if content is not None:
            (published / name).write_text(json.dumps(content))
    if expected is None:
        assert "by --do_lower_case or --nodo_lower_case" in refusal(published)
    else:
        assert read(published)[0].text_case == expected
    assert read(published, text_case=CASE)[0].text_case == CASE


@pytest.mark.parametrize("value", ['{"do_lower_case": "yes"}', "[]", "{"])
def test_a_damaged_tokenizer_is_refused(published, value):
    (published / "tokenizer_config.json").write_text(value)
    assert "tokenizer_config.json is no tokenizer's: " in refusal(published)


def test_google_does_not_tell_the_text_case_nor_the_form_of_gelu(tmp_path):
    google_tf1.write(trained_model(), str(tmp_path / "google"))
    assert "by --do_lower_case or --nodo_lower_case" in refusal(tmp_path / "google")
    config = tmp_path / "google" / "bert_config.json"
    content = json.loads(config.read_bytes())
    del content["gelu_form"]
    config.write_text(json.dumps(content))
    found, (line,) = read(tmp_path / "google", text_case=CASE)
    assert found.config.hidden_act == "gelu_new"
    assert "does not tell which form of GELU it was trained with; gelu_new is used" in line


def test_without_a_vocabulary_one_is_asked_for_and_taken_on_trust(tmp_path):
    model = dataclasses.replace(trained_model(), vocabulary=None)
    google_tf1.write(model, str(tmp_path / "google"))
    message = refusal(tmp_path / "google", text_case=CASE)
    assert "comes without a vocabulary" in message
    assert "--vocab_file" in message
    words = vocabulary_file(tmp_path, trained_model().vocabulary)
    found, (line,) = read(tmp_path / "google", text_case=CASE, vocab_file=words)
    assert found.vocabulary == trained_model().vocabulary
    assert (
        line == f"note: {tmp_path / 'google'} does not tell its vocabulary; {words} is taken for it"
    )


def test_a_vocabulary_of_another_size_than_the_models_is_refused(published, tmp_path):
    tokens = trained_model().vocabulary
    fewer = vocabulary_file(tmp_path, tokens[:-1])
    assert "has 49 tokens, the model has vocab_size 50. Give the" in refusal(
        published, vocab_file=fewer
    )
    shutil.copy(fewer, published / "vocab.txt")
    message = refusal(published)
    assert f"the vocabulary in {published} has 49 tokens, its model vocab_size 50" in message
    assert "--vocab_file" in message
    assert read(published, vocab_file=vocabulary_file(tmp_path, tokens))[0].vocabulary == tokens


def test_a_given_vocabulary_wins_over_the_one_in_the_folder(published, tmp_path):
    tokens = swapped(trained_model().vocabulary)
    words = vocabulary_file(tmp_path, tokens)
    found, (line,) = read(published, vocab_file=words)
    assert found.vocabulary == tokens
    assert line.endswith(f"is taken for the vocabulary; the one in {published} differs")


def test_a_path_of_no_form_is_told_all_of_them(tmp_path):
    for path, what in (
        (tmp_path, f"{tmp_path} is of no format known"),
        (tmp_path / "x", f"{tmp_path}/x is not there"),
        (f"{tmp_path}@3", f"{tmp_path} is no run, or holds no checkpoint"),
        (f"{tmp_path}/x@3", f"{tmp_path}/x is not there"),
    ):
        message = refusal(path)
        assert message.startswith(f"--encoder {what}. Give ")
        for form in ("RUN@STEP", "encoder/", "model.safetensors", "albert_config.json", ".index"):
            assert form in message
