"""Records of several lengths from one run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mslt_tf.errors import UserError
from tests.tfrecords_tools.record_reading import contents, read_arrays, unmasked
from tests.tfrecords_tools.small_tasks import shrink
from tfrecords_tools.dataset import dataset_tasks, pretraining_dataset
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings

MakeSettings = Callable[..., DatasetSettings]
RECIPES = (
    Recipe(max_seq_length=16, max_predictions_per_seq=3, dupe_factor=2),
    Recipe(max_seq_length=32, max_predictions_per_seq=5, dupe_factor=2),
    Recipe(max_seq_length=64, max_predictions_per_seq=10, dupe_factor=2),
)


def test_each_length_is_as_if_made_alone(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shrink(monkeypatch)
    together = make_settings(recipes=RECIPES, output_dir=str(tmp_path / "together"))
    infos = pretraining_dataset.create(together)
    assert sorted(path.name for path in Path(together.output_dir).iterdir()) == [
        "seq_16",
        "seq_32",
        "seq_64",
    ]
    for info, recipe in zip(infos, RECIPES, strict=True):
        alone = make_settings(recipe=recipe, output_dir=str(tmp_path / str(recipe.max_seq_length)))
        assert pretraining_dataset.create(alone) == [info]
        assert contents(alone.output_dir) == contents(together.folder_of(recipe))
        assert len(contents(alone.output_dir)) == 5
        assert info.max_seq_length == recipe.max_seq_length


def test_the_text_is_tokenised_once_for_all(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
):
    calls = []
    tokenize = dataset_tasks._tokenize
    monkeypatch.setattr(
        dataset_tasks, "_tokenize", lambda *args: calls.append(args) or tokenize(*args)
    )
    pretraining_dataset.create(make_settings(recipes=RECIPES))
    assert len(calls) == 1


def test_all_lengths_hold_out_the_same_documents(make_settings: MakeSettings):
    settings = make_settings(recipes=RECIPES)
    pretraining_dataset.create(settings)
    heldout = []
    for recipe in RECIPES:
        records = read_arrays(settings.folder_of(recipe), "heldout", recipe)
        ids = unmasked(records)
        heldout.append(set(np.unique((ids[ids > 4] - 5) // 300)))
    assert heldout[0] == heldout[1] == heldout[2]
    assert len(heldout[0]) == 5


def test_a_length_that_is_there_is_kept_and_the_others_are_made(
    make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
):
    pretraining_dataset.create(make_settings(recipes=RECIPES[:2]))
    settings = make_settings(recipes=RECIPES[1:])
    before = contents(settings.folder_of(RECIPES[1]))
    time = (Path(settings.folder_of(RECIPES[1])) / "dataset_info.json").stat().st_mtime_ns
    capsys.readouterr()
    infos = pretraining_dataset.create(settings)
    assert "seq_32 holds these records already" in capsys.readouterr().out
    assert [info.max_seq_length for info in infos] == [32, 64]
    assert contents(settings.folder_of(RECIPES[1])) == before
    after = (Path(settings.folder_of(RECIPES[1])) / "dataset_info.json").stat().st_mtime_ns
    assert after == time


def test_a_length_with_other_settings_is_refused_before_the_work(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
):
    pretraining_dataset.create(make_settings(recipes=RECIPES[:2]))
    monkeypatch.setattr(pretraining_dataset, "_tokenize", pytest.fail)
    with pytest.raises(UserError, match=r"seq_32 holds records with num_shards = 3, but 2"):
        pretraining_dataset.create(make_settings(recipes=RECIPES[1:], num_shards=2))


def test_a_slash_at_the_end_of_the_folder_is_not_doubled(make_settings: MakeSettings):
    """gs://bucket/x//seq_16 is another folder than gs://bucket/x/seq_16."""
    settings = make_settings(recipes=RECIPES, output_dir="gs://bucket/x/", work_dir="work")
    assert settings.folder_of(RECIPES[0]) == "gs://bucket/x/seq_16"
