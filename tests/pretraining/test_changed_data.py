"""A run that goes on from its checkpoint with other records, or the same under other names."""

import gzip
import re
import shutil

import numpy as np
import pytest

from mslt_tf.errors import UserError
from mslt_tf.pretraining import training
from tests import tiny

FLAGS = {
    "method": "original",
    "num_hidden_layers": 1,
    "num_train_steps": 4,
    "checkpoint_steps": 2,
}

pytestmark = pytest.mark.usefixtures("quick_export")


def config(folder, **flags):
    records = {part: folder / part / "part-*" for part in ("train_records", "eval_records")}
    return tiny.config(**FLAGS, **records | flags, output_dir=folder / "run")


@pytest.fixture(scope="module")
def finished(quick_export, tmp_path_factory):
    """A folder with the records of a run, and the run itself."""
    folder = tmp_path_factory.mktemp("finished")
    tiny.write_random_shards(folder / "train_records", seed=0, sizes=(20, 12))
    tiny.write_random_shards(folder / "eval_records", seed=1, sizes=(8,))
    assert training.pretrain(config(folder)) == 0
    return folder


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of it, to be changed."""
    return shutil.copytree(finished, tmp_path / "copy")


def notes_of(config, capsys):
    """Returns what is noted before the first step."""
    capsys.readouterr()
    tiny.open_run(config)
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("note:")]


def test_a_run_goes_on_with_its_own_records_without_a_note(folder, capsys):
    assert notes_of(config(folder), capsys) == []


def test_foreign_records_of_other_content_are_refused_though_names_and_counts_are_equal(folder):
    path = folder / "train_records" / "part-1.tfrecord"
    rng = np.random.default_rng(9)
    tiny.write_shard(path, [tiny.record(rng) for _ in range(12)])
    message = (
        r"run holds a checkpoint of another run \(records of 16 tokens: part-1\.tfrecord has other "
        r"content \(12 records\)\)"
    )
    with pytest.raises(UserError, match=message):
        tiny.open_run(config(folder))


def test_compressed_records_of_the_same_content_are_the_same_data(folder, capsys):
    for path in (folder / "train_records").iterdir():
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert notes_of(config(folder), capsys) == []


def test_files_that_sort_otherwise_are_noted(folder, capsys):
    train = folder / "train_records"
    (train / "part-0.tfrecord").rename(train / "part-2.tfrecord")
    (note,) = notes_of(config(folder), capsys)
    assert "the records of 16 tokens are the same, but" in note


def test_other_evaluation_records_are_noted_and_marked(folder, capsys):
    shutil.rmtree(folder / "run" / "checkpoints" / "step-00000004")  # so two steps are to be done
    (folder / "eval_records" / "part-0.tfrecord").rename(folder / "renamed")
    same = config(folder, eval_records=folder / "renamed")
    assert notes_of(same, capsys) == []
    tiny.write_random_shards(folder / "other", seed=2, sizes=(8,))
    for flags, now in (
        ({"eval_records": folder / "other" / "part-*"}, "8 records in 1 file"),
        ({"eval_records": ""}, "none"),
    ):
        (note,) = notes_of(config(folder, **flags), capsys)
        name = "evaluation records at 16 tokens"
        assert note.startswith(f"note: {name}: 8 records in 1 file (")
        assert re.search(rf" before, {now}.* from here on$", note)
        change = tiny.metrics(folder / "run", "change")[-1]
        assert (change["step"], change["setting"]) == (2, name)
        assert change["now"].startswith(now)
