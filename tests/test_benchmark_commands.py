"""How the benchmarks start: alike, with help, and with words for people where input is odd."""

import json
import subprocess
import sys

import pytest

from benchmarks import create_data
from benchmarks.step_time import __main__ as step_time
from benchmarks.step_time import compare
from mslt_tf.errors import UserError
from tests.documented_commands import ROOT

MODULES = [
    "create_data",
    "encoder_layer",
    "finetuning",
    "gpu_agreement",
    "learning",
    "padding",
    "scaling",
    "serving",
    "step_time",
    "step_time.compare",
]


def run(module, *arguments):
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", MODULES)
def test_each_benchmark_has_help_and_says_nothing_else(module):
    result = run(module, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert f"python -m benchmarks.{module}" in result.stdout


@pytest.mark.parametrize("content", [None, "no JSON", "[]", '{"a": 1}', b"\xff"])
def test_what_is_no_measurement_is_named(tmp_path, content):
    path = tmp_path / "x.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.write_text(content)
    with pytest.raises(UserError, match=r"x\.json is not what step_time --json writes"):
        compare.read_summary(str(path))


def test_the_summary_is_read(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps({"summary": {"stages": []}}))
    assert compare.read_summary(str(tmp_path / "x.json")) == {"stages": []}


def test_files_that_do_not_exist_are_named(tmp_path):
    result = run("step_time.compare", f"--files={tmp_path}/none.json")
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: --files names {tmp_path}/none.json: no such file.")


def test_results_that_cannot_be_written_are_told_before_all_is_measured(tmp_path):
    with pytest.raises(UserError, match=r"missing is no folder"):
        step_time.check_new("--json", str(tmp_path / "missing" / "x.json"))


def test_lengths_are_two_numbers():
    assert create_data.split_length("128:20") == (128, 20)
    for text in ("foo", "128", "128:", "128:20:5", "128:-1"):
        with pytest.raises(UserError, match="Write LENGTH:PREDICTIONS"):
            create_data.split_length(text)
