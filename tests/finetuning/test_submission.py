"""Submissions by the best trial, and the check of any zip file."""

import shutil
import zipfile

import pytest

from mslt_tf.errors import UserError
from mslt_tf.finetuning import finetuning, submission
from tests.finetuning import tiny_grid
from tests.finetuning.glue.submissions import right_texts, write_zip

STSB = "stsb/lr_0.01_seed_0"


def write_test_file(glue_dir):
    """Writes the texts of STS-B's dev file as its test file, the last one first."""
    header, *rows = (glue_dir / "STS-B" / "dev.tsv").read_text().splitlines()
    names = [line.rpartition("\t")[0] for line in (header, *reversed(rows))]
    (glue_dir / "STS-B" / "test.tsv").write_text("\n".join([*names, ""]))


def test_test_sets_are_predicted_by_the_best_trial_in_the_order_of_their_indices(
    tiny_data, tmp_path, capsys
):
    shutil.copytree(tiny_data["glue_dir"], tmp_path / "glue")
    write_test_file(tmp_path / "glue")
    given = {"glue_dir": tmp_path / "glue", "output_dir": tmp_path / "out", "task": "stsb"}
    settings = tiny_grid.settings({**tiny_data, **given, "submit": True, "num_epochs": 1})
    assert finetuning.finetune(settings) == 0
    said = capsys.readouterr().out
    note = (
        "note: submission.zip is going to lack CoLA.tsv, SST-2.tsv, MRPC.tsv, QQP.tsv, MNLI-m.tsv"
    )
    assert said.index(note) < said.index("step 1 of")
    with zipfile.ZipFile(tmp_path / "out" / "submission.zip") as archive:
        assert archive.namelist() == ["STS-B.tsv"]
        header, *rows = archive.read("STS-B.tsv").decode().splitlines()
    assert header == "index\tprediction"
    _, *scored = (tmp_path / "out" / STSB / "predictions_dev.tsv").read_text().splitlines()
    values = [(int(index), float(score)) for index, score in (row.split("\t") for row in scored)]
    assert rows == [f"{index}\t{min(max(score, 0), 5):.3f}" for index, score in values]
    assert finetuning.finetune(settings) == 0  # nothing is trained, and the same file is there
    assert "is not as this program wrote it" not in capsys.readouterr().out
    (tmp_path / "out" / "submission.zip").write_bytes(b"mine")
    assert finetuning.finetune(settings) == 0
    said = capsys.readouterr().out
    assert said.index("submission.zip is not as this program wrote it, and stays") < said.index(
        "0 are"
    )
    assert (tmp_path / "out" / "submission.zip").read_bytes() == b"mine"
    with zipfile.ZipFile(tmp_path / "out" / "submission_2.zip") as archive:
        assert archive.read("STS-B.tsv").decode().splitlines() == [header, *rows]


def test_a_whole_submission_that_glue_would_refuse_ends_with_status_1(
    tiny_data, tmp_path, monkeypatch, capsys
):
    shutil.copytree(tiny_data["glue_dir"], tmp_path / "glue")
    write_test_file(tmp_path / "glue")
    monkeypatch.setattr(submission, "missing", lambda setup: [])
    given = {"glue_dir": tmp_path / "glue", "output_dir": tmp_path / "out", "task": "stsb"}
    settings = tiny_grid.settings({**tiny_data, **given, "submit": True, "num_epochs": 1})
    assert finetuning.finetune(settings) == submission.WRONG_STATUS == 1
    said = capsys.readouterr().out
    assert "AX.tsv is missing" in said


def test_a_zip_file_is_right_or_its_faults_are_said(tmp_path, capsys):
    right = write_zip(tmp_path / "right.zip", right_texts())
    assert submission.check(str(right), "")
    assert "is as GLUE takes it." in capsys.readouterr().out
    texts = {**right_texts()}
    del texts["AX.tsv"]
    assert not submission.check(str(write_zip(tmp_path / "wrong.zip", texts)), "")
    assert "AX.tsv is missing" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"--glue_dir .*/nowhere is no folder"):
        submission.check(str(right), str(tmp_path / "nowhere"))
