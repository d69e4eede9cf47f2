"""The settings of a report: names of folders, and what is missing or given twice."""

from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from mslt_tf.report_settings import NamedFolder, ReportSettings


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [
        ("runs/base", "base", "runs/base"),
        ("runs/base//", "base", "runs/base"),
        ("mslt, k = 4=runs/base", "mslt, k", " 4=runs/base"),  # the name ends at the first =
        ("mslt=~/base", "mslt", "/home/me/base"),
        ("~/base", "base", "/home/me/base"),
        ("x=gs://bucket/run", "x", "gs://bucket/run"),
        ("the root=/", "the root", "/"),
    ],
)
def test_a_folder_has_the_name_it_is_given_or_that_of_its_last_part(
    monkeypatch: pytest.MonkeyPatch, text: str, name: str, path: str
):
    monkeypatch.setenv("HOME", "/home/me")
    settings = ReportSettings(runs=(text,), finetuning=(text,), output_dir="report")
    assert settings.named_runs == settings.named_finetunings == (NamedFolder(name, path),)


@pytest.mark.parametrize("text", ["", "=runs/a", "name=", " =runs/a", "/", "a\nb=runs/a"])
def test_what_is_no_folder_with_a_name_is_refused(text: str):
    with pytest.raises(UserError, match=r"--runs has .* neither FOLDER nor NAME=FOLDER"):
        ReportSettings(runs=(text,), output_dir="report")


def test_what_is_missing_or_given_twice_is_told():
    with pytest.raises(UserError, match="--runs is not set"):
        ReportSettings(output_dir="report")
    with pytest.raises(UserError, match="--output_dir is not set"):
        ReportSettings(runs=("a",))
    with pytest.raises(UserError, match="--runs names runs//a twice"):
        ReportSettings(runs=("one=runs/a", "two=runs//a/"), output_dir="report")
    with pytest.raises(UserError, match="--attention_heads needs a text"):
        ReportSettings(runs=("a",), output_dir="report", attention_heads="0.0")


def test_a_run_by_a_link_is_the_same_run(tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with pytest.raises(UserError, match=r"--runs names .*link twice"):
        ReportSettings(runs=(f"a={tmp_path}/run", f"b={tmp_path}/link"), output_dir="report")


@pytest.mark.parametrize("text", ["0", "13", "", "1.", "0.0,3", "0.0;1.1", "-1", "\u0663", "0.0,"])
def test_what_names_no_heads_is_refused(text: str):
    with pytest.raises(UserError, match=r"--attention_heads is .* must be 1 to 12 heads"):
        ReportSettings(runs=("a",), output_dir="report", attention_heads=text)
