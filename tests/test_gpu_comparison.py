"""benchmarks/gpu_compare.sh: what it is told, and, slow, all of it at a tiny size."""

import json
import os
import subprocess
import sys

import pytest

from tests.documented_commands import ROOT


def run(*words, **settings):
    """Runs the script; with PYTHON="echo" it prints the command that it would give."""
    settings = {"INPUT": "", "SIZE": "", "OUT": "", "PYTHON": "echo", **settings}
    return subprocess.run(
        ["bash", "benchmarks/gpu_compare.sh", *words],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.mark.parametrize(
    ("words", "settings", "message"),
    [
        (["dta"], {}, "'dta' is not known here"),
        (["data", "now"], {}, "'data now' is not known here"),
        ([], {"SIZE": "Tiny"}, "SIZE is 'Tiny'"),
        (["data"], {}, "Name the text"),
        ([], {"PYTHON": "/nowhere/python"}, "/nowhere/python could not load TensorFlow"),
        ([], {"PYTHON": "true"}, "TensorFlow sees no GPU"),
    ],
)
def test_what_it_cannot_do_is_refused_before_anything_is_made(words, settings, message):
    done = run(*words, **settings)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"error: {message}" in done.stderr


def test_help_is_the_head_of_the_file():
    done = run("--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Compares the methods")
    assert "set -euo" not in done.stdout


def test_data_come_from_the_text_and_training_uses_what_is_there():
    made = run("data", INPUT="wiki/*").stdout.split()
    assert {"--data_only", "--input=wiki/*", "--output_dir=runs/compare_gpu"} <= set(made)
    trained = run().stdout.split()
    assert {"--input=", "--output_dir=runs/compare_gpu"} <= set(trained)
    assert "--data_only" not in trained
    tiny = run("data", SIZE="tiny").stdout.split()
    assert {"--data_only", "--input=embedded", "--output_dir=runs/compare_gpu_tiny"} <= set(tiny)


@pytest.mark.parametrize("size", ["", "tiny"])
def test_a_folder_that_is_named_is_taken_as_it_is(size):
    assert "--output_dir=there" in run("data", SIZE=size, INPUT="a", OUT="there").stdout.split()


@pytest.mark.slow
def test_it_goes_through_at_a_tiny_size(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("".join(path.read_text() for path in ROOT.glob("docs/*.md")))
    settings = {"SIZE": "tiny", "OUT": str(tmp_path / "out"), "CUDA_VISIBLE_DEVICES": "-1"}
    settings |= {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    done = run(INPUT=str(text), **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    entries = json.loads((tmp_path / "out/table.json").read_text())
    assert [entry["run"] for entry in entries] == ["original", "mslt_first_60"]
    assert {len(entry["final_loss"]) for entry in entries} == {1}
