"""The program that exports: every format, any stage, and what it refuses."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mslt_tf import run_export
from mslt_tf.conversion import google_tf1
from mslt_tf.errors import UserError
from mslt_tf.export_settings import ExportSettings
from mslt_tf.files import removal
from tests.conversion import made_runs

FORMATS = {
    "saved_model": "bert/1/saved_model.pb",
    "huggingface": "model.safetensors",
    "google_tf1": "bert_model.ckpt.index",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "base"
    made_runs.write(folder, num_stages=2)
    return folder


def export(run: Path, path: Path, format: str = "google_tf1", **settings: object) -> None:
    run_export._export(
        ExportSettings(
            **{"checkpoint": str(run), "output_dir": str(path), "format": format, **settings}
        )
    )


@pytest.mark.parametrize(
    "format",
    ["huggingface", "google_tf1", pytest.param("saved_model", marks=pytest.mark.slow)],
)
def test_each_format_is_written_whole_and_marked(run, tmp_path, capsys, format):
    export(f"{run}@3", tmp_path / "out", format)
    assert (tmp_path / "out" / FORMATS[format]).is_file()
    assert os.listdir(tmp_path) == ["out"]
    mark = removal.read_mark(str(tmp_path / "out"), "export")
    assert mark.facts["step"] == 3
    assert not removal.foreign_files(str(tmp_path / "out"), mark.owns)
    assert "step 3, stage layers_2: 2 layers, hidden size 8" in capsys.readouterr().out


def test_a_slash_at_the_end_of_the_folder_changes_nothing(run, tmp_path):
    export(run, f"{tmp_path}/out/")
    assert os.listdir(tmp_path) == ["out"]


def test_the_root_folder_is_there_already(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("/", "//"):
        with pytest.raises(UserError, match="--output_dir / is there already"):
            export(run, name)
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written_to_is_told_before_the_work(run):
    with pytest.raises(UserError, match=r"--output_dir /proc/none/x cannot be written to"):
        export(run, "/proc/none/x")


def test_a_name_that_nobody_could_read_back_is_refused(run, tmp_path):
    with pytest.raises(UserError, match=r"--output_dir .*o\[2\] has \[ or "):
        export(run, tmp_path / "o[2]")
    assert os.listdir(tmp_path) == []


def test_an_export_without_a_vocabulary_says_so(run, tmp_path, capsys):
    alone = shutil.copytree(run / "checkpoints" / "step-00000003", tmp_path / "alone")
    export(alone, tmp_path / "out", do_lower_case=True)
    assert "no vocabulary is known: the export has no tokenizer" in capsys.readouterr().out


@pytest.mark.parametrize("there", ["folder", "file", "link", "export"])
def test_what_is_there_already_is_neither_replaced_nor_added_to(run, tmp_path, there):
    path = tmp_path / "out"
    if there == "folder":
        path.mkdir()
    elif there == "file":
        path.write_text("mine")
    elif there == "link":
        path.symlink_to(tmp_path / "nowhere")
    else:
        export(run, path)
    before = sorted(str(found) for found in tmp_path.rglob("*"))
    with pytest.raises(UserError, match=r"out is there already\. Give another --output_dir"):
        export(run, path)
    assert sorted(str(found) for found in tmp_path.rglob("*")) == before


def test_an_export_that_is_broken_off_leaves_nothing_that_looks_like_one(
    run, tmp_path, monkeypatch
):
    def write_half(model, folder, report):
        os.makedirs(folder)
        Path(folder, "bert_config.json").write_text("{")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(google_tf1, "write", write_half)
        with pytest.raises(KeyboardInterrupt):
            export(run, tmp_path / "out")
    assert os.listdir(tmp_path) == [".out.partial_of_mslt_tf"]
    export(run, tmp_path / "out")
    assert os.listdir(tmp_path) == ["out"]


def test_files_of_others_in_the_place_of_a_half_written_export_are_left_alone(run, tmp_path):
    partial = tmp_path / ".out.partial_of_mslt_tf"
    partial.mkdir()
    (partial / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"holds notes\.txt, not written by this program"):
        export(run, tmp_path / "out")
    assert (partial / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"checkpoint": ""}, "--checkpoint is not set"),
        ({"output_dir": ""}, "--output_dir is not set"),
        ({"strip_accents": True}, "--strip_accents is set without --do_lower_case"),
        ({"model_name": "encoder"}, "--model_name is 'encoder'"),
        ({"model_name": "../x"}, "--model_name is '../x'"),
        ({"model_name": ""}, "--model_name is ''"),
        ({"model_name": "x", "format": "huggingface"}, "--model_name has no meaning in --format"),
    ],
)
def test_settings_that_do_not_do_are_told(settings, message):
    with pytest.raises(UserError, match=message):
        ExportSettings(**{"checkpoint": "run", "output_dir": "out", **settings})


def test_the_command_says_what_it_exports_and_tells_mistakes_in_one_line(run, tmp_path):
    command = [sys.executable, "-m", "mslt_tf.run_export", "--format=google_tf1"]

    def result_of(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *words], capture_output=True, text=True, check=False, timeout=100
        )

    done = result_of(f"--checkpoint={run}@3", f"--output_dir={tmp_path}/out")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].endswith(f"s: {tmp_path}/out")
    absent = result_of(f"--checkpoint={run}@4", f"--output_dir={tmp_path}/other")
    assert absent.returncode == 2
    assert absent.stderr == f"error: {run} has no checkpoint of step 4, but of 3, 5. Give one.\n"
    assert os.listdir(tmp_path) == ["out"]
