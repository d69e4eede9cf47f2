"""A split that comes to the data later is scored by the model that is kept."""

import json
import shutil

from mslt_tf.finetuning import finetuning, trial_training
from tests.finetuning import tiny_grid

AX = "diagnostic/diagnostic-full.tsv"


def test_a_diagnostic_set_that_comes_later_is_scored_by_the_best_trial_alone(
    tiny_data, tmp_path, monkeypatch, capsys
):
    def finetune(name, glue_dir):
        flags = {**tiny_data, "task": "mnli", "num_seeds": 2, "num_epochs": 1}
        flags |= {"glue_dir": glue_dir, "output_dir": tmp_path / name}
        assert finetuning.finetune(tiny_grid.settings(flags)) == 0
        return tmp_path / name / "mnli"

    complete = finetune("complete", tiny_data["glue_dir"])
    glue = shutil.copytree(tiny_data["glue_dir"], tmp_path / "glue")
    (glue / AX).rename(tmp_path / "ax.tsv")
    later = finetune("later", glue)
    (tmp_path / "ax.tsv").rename(glue / AX)
    monkeypatch.setattr(trial_training, "train", None)
    capsys.readouterr()
    finetune("later", glue)
    said = capsys.readouterr().out
    (best,) = [path.parents[1].name for path in later.rglob("step-*")]
    assert f"mnli {best}: scored on ax_dev as well" in said
    assert "not scored: mnli ax_dev of 1 of 2 finished trials" in said
    assert tiny_grid.result_of(later / best) == tiny_grid.result_of(complete / best)
    for name in ("predictions_ax_dev.tsv", "trial.json"):
        assert (later / best / name).read_text() == (complete / best / name).read_text()
    (summary,) = json.loads((tmp_path / "later" / "results.json").read_text())["tasks"]
    assert list(summary["metrics"]) == ["dev_matched"]
    finetune("later", glue)
    assert "scored on ax_dev as well" not in capsys.readouterr().out
