"""Runs that start from a model: of another run, of Hugging Face's format and of Google's."""

import dataclasses

import numpy as np
import pytest

from mslt_tf.conversion import google_tf1, huggingface, own_runs
from mslt_tf.errors import UserError
from mslt_tf.modeling.weights import weights_of
from mslt_tf.pretraining import stage_model, training
from tests import tiny
from tests.conversion import tf1_checkpoints
from tests.conversion.trained_models import trained_model
from tests.pretraining import quick_runs
from tests.saved_weights import assert_bit_identical, weights_at

STILL = {"learning_rate": 1e-30, "num_train_steps": 1, "num_warmup_steps": 0}
DEEP = {"method": "mslt", "num_stages": 2, "num_train_steps": 10, "num_warmup_steps": 2}

pytestmark = pytest.mark.usefixtures("quick_export")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Flags that name records and a vocabulary."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "vocab.txt").write_text("\n".join(tiny.vocabulary()) + "\n", "utf-8")
    return {
        "train_records": tiny.write_random_shards(folder / "train"),
        "eval_records": tiny.write_random_shards(folder / "eval", seed=1, sizes=(10,)),
        "vocab_file": folder / "vocab.txt",
    }


@pytest.fixture(scope="module")
def paths(data, quick_export, tmp_path_factory):
    """A trained model of one layer in every form that a run may start from."""
    folder = tmp_path_factory.mktemp("source")
    assert quick_runs.pretrain(folder / "run", data) == 0
    model = own_runs.read(str(folder / "run"), report=print)
    google_tf1.write(model, str(folder / "google"))
    huggingface.write(model, str(folder / "huggingface"))
    return {
        "run": folder / "run",
        "step": f"{folder / 'run'}@6",
        "checkpoint": folder / "run" / "checkpoints" / "step-00000006",
        "google": folder / "google",
        "prefix": folder / "google" / "bert_model.ckpt",
        "huggingface": folder / "huggingface",
    }


@pytest.mark.parametrize("form", ["run", "step", "checkpoint", "google", "prefix", "huggingface"])
def test_every_form_gives_the_same_weights(data, paths, tmp_path, form):
    config = tiny.config(
        **quick_runs.SMALL, **data, init_checkpoint=paths[form], output_dir=tmp_path / "a"
    )
    assert_bit_identical(tiny.open_run(config).initial_weights, weights_at(paths["run"], 6))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["google", "huggingface"])
def test_a_run_starts_with_the_losses_that_the_other_ended_with(data, paths, tmp_path, form):
    assert quick_runs.pretrain(tmp_path, data, **STILL, init_checkpoint=paths[form], seed=1) == 0
    ours, theirs = tiny.metrics(tmp_path, "eval")[-1], tiny.metrics(paths["run"], "eval")[-1]
    for loss in ("masked_lm_loss", "sentence_pair_loss"):
        assert ours[loss] == theirs[loss]


@pytest.mark.parametrize("form", ["run", "google", "huggingface"])
def test_the_first_stage_of_a_deeper_plan_starts_from_it(data, paths, tmp_path, form):
    flags = {**quick_runs.SMALL, **data, **DEEP, "num_hidden_layers": 2}
    run = tiny.open_run(
        tiny.config(**flags, init_checkpoint=paths[form], output_dir=tmp_path / "a")
    )
    assert run.plan.stages[0].num_blocks == 1
    assert_bit_identical(run.initial_weights, weights_at(paths["run"], 6))


@pytest.mark.parametrize("form", ["run", "google", "huggingface"])
def test_another_depth_than_that_of_the_first_stage_is_refused(data, paths, tmp_path, form):
    flags = {**quick_runs.SMALL, **data, "num_hidden_layers": 2}
    config = tiny.config(**flags, init_checkpoint=paths[form], output_dir=tmp_path / "a")
    with pytest.raises(
        UserError,
        match=r"has 1 blocks .* stage original begins with 2.* so that the first stage has 1",
    ):
        tiny.open_run(config)


def test_a_plan_of_albert_starts_from_googles_albert(data, tmp_path, capsys):
    albert = {"embedding_size": 4, "num_hidden_layers": 4, "num_hidden_groups": 2}
    settings = {**quick_runs.SMALL, **data, **DEEP, **albert, "output_dir": tmp_path / "run"}
    config = tiny.config(**settings, init_checkpoint=tmp_path / "google")
    of_first_stage = dataclasses.replace(config.model, num_hidden_layers=2, num_hidden_groups=1)
    model = trained_model(of_first_stage, vocabulary=tuple(tiny.vocabulary()))
    google_tf1.write(model, str(tmp_path / "google"))
    assert_bit_identical(tiny.open_run(config).initial_weights, model.weights)
    assert "GELU" not in capsys.readouterr().out


def test_a_model_with_another_vocabulary_is_refused(data, paths, tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join([*tiny.vocabulary()[:-1], "other"]), "utf-8")
    settings = {**quick_runs.SMALL, **data, "vocab_file": tmp_path / "vocab.txt"}
    config = tiny.config(**settings, init_checkpoint=paths["google"], output_dir=tmp_path / "run")
    with pytest.raises(UserError, match="token 49 is 'token43' there, 'other' now"):
        tiny.open_run(config)


def test_heads_that_the_model_lacks_begin_new(data, paths, tmp_path, capsys):
    trained = own_runs.read(str(paths["run"]), report=print)
    google_tf1.write(trained, str(tmp_path / "google"))
    tf1_checkpoints.drop_heads(tmp_path / "google" / "bert_model.ckpt")
    settings = {**quick_runs.SMALL, **data, **STILL, "output_dir": tmp_path / "run"}
    config = tiny.config(**settings, init_checkpoint=tmp_path / "google")
    assert training.pretrain(config) == 0
    assert (
        "lacks heads, which get initial weights: sentence_pair, masked_lm"
        in capsys.readouterr().out
    )
    found = weights_at(tmp_path / "run", 1)
    new = weights_of(stage_model.build(config, config.plan.stages[0]))
    for name in trained.weights:
        expected = new[name] if name in ("sentence_pair", "masked_lm") else trained.weights[name]
        for part, value in expected.items():
            np.testing.assert_allclose(found[name][part], value, rtol=0, atol=1e-20)
    assert (trained.weights["masked_lm"]["output_bias"] != new["masked_lm"]["output_bias"]).any()
