"""benchmarks/gpu.sh and the files that are in its folder already."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.documented_commands import ROOT

RESULT = "tiny_bfloat16_xla_auto_batch_64"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the script with a Python that fails at once."""
    environment = os.environ | {"OUT": str(folder), "PYTHON": "false", "SIZE": "tiny"}
    command = ["bash", "benchmarks/gpu.sh", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_says_what_it_does_and_does_nothing(tmp_path, word):
    result = run(tmp_path / "new", word)
    assert (result.returncode, result.stderr) == (0, "")
    assert "bash benchmarks/gpu.sh" in result.stdout
    assert os.listdir(tmp_path) == []


def test_words_that_it_does_not_know_are_refused(tmp_path):
    result = run(tmp_path / "new", "--quick")
    assert result.returncode == 2
    assert result.stderr.startswith("error: '--quick' is not known here.")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["thesis.txt", f"{RESULT}.json", ".hidden"])
def test_a_folder_with_something_else_in_it_is_refused(tmp_path, name):
    (tmp_path / name).write_text("precious")
    result = run(tmp_path)
    assert result.returncode == 2
    assert f"{tmp_path} holds {tmp_path}/{name}, not written by this script" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("precious")
    assert run(tmp_path / "file").returncode == 2


def test_only_results_of_a_run_before_are_replaced(tmp_path):
    folder = tmp_path / "new"
    assert run(folder).returncode == 1  # the Python failed
    assert [path.name for path in folder.iterdir()] == ["made_by_gpu_sh"]
    others = ["my_xla_notes.json", "tiny_bfloat16_xla_auto_batch_64.json.old", "notes.log"]
    for name in [f"{RESULT}.json", f"{RESULT}.log", *others]:
        (folder / name).write_text("")
    run(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(["made_by_gpu_sh", *others])
