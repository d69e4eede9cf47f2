"""All trials of a folder begin from one checkpoint, whatever its run does meanwhile."""

import json
from pathlib import Path

import pytest

from mslt_tf.conversion import huggingface
from mslt_tf.errors import UserError
from mslt_tf.finetuning import finetuning, grid, trial, trial_training
from tests.conversion import made_runs
from tests.conversion.trained_models import trained_model
from tests.finetuning import tiny_grid


def finetune(flags, **given):
    return finetuning.finetune(tiny_grid.settings({**flags, **given}))


@pytest.fixture
def run(tmp_path):
    """The folder of a run that has two of its three checkpoints."""
    made_runs.write(tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "step-00000009").rename(tmp_path / "later")
    return tmp_path / "run"


def test_a_run_that_has_gone_on_is_told_with_the_step_that_goes_on(
    tiny_data, run, tmp_path, monkeypatch, capsys
):
    def train_a_step(setup, this, **_):
        folder = Path(this.folder(setup.settings.output_dir))
        trial.claim(str(folder), setup.identity(this))
        (folder / "checkpoints" / "step-00000001").mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(trial_training, "train", train_a_step)
    flags = {**tiny_data, "encoder": run, "output_dir": tmp_path / "out", "max_seq_length": 16}
    assert finetune(flags) == 0
    assert f"encoder: the newest checkpoint of {run}, {run}@5" in capsys.readouterr().out
    settings = json.loads((tmp_path / "out" / "finetuning.json").read_text())
    assert settings["encoder"] == f"{run}@5"
    (tmp_path / "later").rename(run / "checkpoints" / "step-00000009")
    for task in ("mrpc", "stsb"):
        with pytest.raises(UserError, match="with another encoder") as caught:
            finetune(flags, task=task)
        assert f" than now. It began from {run}@5: give --encoder={run}@5. " in str(caught.value)
    assert finetune(flags, encoder=f"{run}@5") == 0


@pytest.mark.slow
def test_workers_refuse_an_encoder_that_was_changed_since_the_grid_read_it(
    tiny_data, tmp_path, monkeypatch
):
    encoder = tiny_grid.write_encoder(tmp_path / "encoder")

    def run_late(setup, *arguments, original=grid.run, **options):
        trained = trained_model()
        changed = {
            layer: {name: values + 0.01 for name, values in named.items()}
            for layer, named in trained.weights.items()
        }
        huggingface.write(trained_model(weights=changed), str(tmp_path / "other"))
        (tmp_path / "other" / "model.safetensors").rename(encoder / "model.safetensors")
        return original(setup, *arguments, **options)

    monkeypatch.setattr(grid, "run", run_late)
    flags = {**tiny_data, "encoder": encoder, "output_dir": tmp_path / "out"}
    with pytest.raises(UserError, match=f"--encoder {encoder} was changed while the trials were"):
        finetune(flags, num_seeds=2, num_parallel_runs=2)
    assert not list((tmp_path / "out").rglob("trial.json"))
