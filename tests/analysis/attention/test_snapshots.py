"""The attention of runs read from their checkpoints, and the report with it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mslt_tf.analysis import comparison, report, runs
from mslt_tf.analysis.attention import maps, snapshots, text
from mslt_tf.conversion import own_runs
from mslt_tf.errors import UserError
from mslt_tf.report_settings import NamedFolder, ReportSettings
from tests.analysis import run_folders
from tests.conversion import made_runs

LINE = "the cat sat on the mat ."


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of which two stages are done, with a checkpoint at the end of each."""
    folder = tmp_path_factory.mktemp("runs") / "mslt"
    config = made_runs.write(folder, num_stages=2)
    (folder / "metrics.jsonl").write_text(
        run_folders.entry(config, "train", 5, 3.0, seconds=1.0), "utf-8"
    )
    (folder.parent / "text.txt").write_text(LINE, "utf-8")
    return folder


@pytest.fixture(scope="module")
def small(run: Path) -> Path:
    """The run with the checkpoint of its first stage alone."""
    later = shutil.ignore_patterns("step-00000005")
    shutil.copytree(run, run.parent / "small", ignore=later)
    return run.parent / "small"


def read(*folders: Path, line: str = LINE, vocab_file: str = "") -> snapshots.Attention:
    found = [runs.read(NamedFolder(each.name, str(each)), report=print) for each in folders]
    return snapshots.read([line], comparison.group(found), vocab_file, report=print)


def test_each_checkpoint_is_read_at_the_depth_of_its_stage(run: Path):
    (found,) = read(run).runs
    assert [(each.step, each.span.stage.name, each.num_layers) for each in found.snapshots] == [
        (3, "layers_2", 2),
        (5, "layers_4", 4),
    ]
    for each in found.newest_of_stages:
        model = own_runs.read(f"{run}@{each.step}", report=print)
        sentences = text.tokenize([LINE], model, run="")
        (expected,) = maps.attention_maps(model, sentences)
        np.testing.assert_array_equal(each.maps[0], expected)
    (copies,) = found.newest.copies
    assert (copies.layers, copies.sources) == ((2, 3), (0, 1))


def test_a_report_has_a_section_on_it(run: Path, tmp_path: Path):
    settings = ReportSettings(
        runs=(str(run),),
        attention_text=str(run.parent / "text.txt"),
        attention_heads="0.0,3.1",
        output_dir=str(tmp_path / "report"),
    )
    report.write(settings)
    figures = {path.stem for path in (tmp_path / "report" / "figures").glob("attention*.png")}
    kinds = ("heads", "patterns", "copies")
    assert figures == {f"attention_{kind}_0" for kind in kinds}
    html = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert html.count('<div class="wide" tabindex="0"><svg') == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention_heads": "2.0"}, "names 2.0, but no run has more than 2 layers of 2 heads"),
        ({"attention_text": "missing"}, "--attention_text missing is no file"),
        ({"vocab_file": "missing"}, "--vocab_file missing is no file"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_written(
    small: Path, tmp_path: Path, changes: dict[str, str], message: str
):
    given = {"attention_text": str(small.parent / "text.txt"), **changes}
    settings = ReportSettings(runs=(str(small),), output_dir=str(tmp_path / "report"), **given)
    with pytest.raises(UserError, match=message):
        report.write(settings)
    assert not list(tmp_path.iterdir())


def test_a_text_longer_than_the_positions_or_the_training_is_told(small: Path):
    assert "was trained on 16 tokens, the text has up to 22" in read(small, line="a " * 20).notes[0]
    with pytest.raises(UserError, match=r"has 42 tokens .* has 32 positions"):
        read(small, line="a " * 40)


def test_runs_without_a_checkpoint_are_told(small: Path, tmp_path: Path):
    bare = tmp_path / "bare"
    shutil.copytree(small, bare, ignore=shutil.ignore_patterns("checkpoints"))
    with pytest.raises(UserError, match=f"needs checkpoints, and none is left in {bare}"):
        read(bare)
    notes = read(small, bare).notes
    assert notes == ("bare has no checkpoint left, so its attention is not shown.",)


def test_a_run_without_a_vocabulary_is_given_one(small: Path, tmp_path: Path):
    without = tmp_path / "without"
    shutil.copytree(small, without)
    settings = json.loads((small / "config.json").read_text("utf-8"))
    (without / "config.json").write_text(json.dumps({**settings, "vocab_file": ""}), "utf-8")
    with pytest.raises(UserError, match=f"{without} was trained without --vocab_file"):
        read(without)
    (sentence,) = read(without, vocab_file=settings["vocab_file"]).sentences
    assert sentence.tokens == ("[CLS]", *LINE.split(), "[SEP]")
