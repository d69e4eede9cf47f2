"""Settings that are refused before any work."""

from collections.abc import Callable

import pytest

from mslt_tf.errors import UserError
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"input": ""},
        {"output_dir": ""},
        {"vocab_file": ""},
        {"heldout_fraction": 0.7},
        {"num_shards": -1},
        {"num_shards": 100_000},
        {"num_processes": 0},
    ],
)
def test_a_setting_out_of_range_is_refused_by_its_flag(
    make_settings: Callable[..., DatasetSettings], wrong: dict[str, object]
):
    with pytest.raises(UserError, match=f"--{next(iter(wrong))} is "):
        make_settings(**wrong)


def test_a_length_that_is_named_twice_is_refused(make_settings: Callable[..., DatasetSettings]):
    with pytest.raises(UserError, match=r"--max_seq_length names a length twice: \[128, 128\]"):
        make_settings(recipes=(Recipe(), Recipe(max_predictions_per_seq=30)))


def test_a_remote_folder_takes_a_local_one_for_the_work(
    make_settings: Callable[..., DatasetSettings],
):
    with pytest.raises(UserError, match=r"--output_dir gs://b/x is remote, .* by --work_dir"):
        make_settings(output_dir="gs://b/x")
    settings = make_settings(output_dir="gs://b/x", work_dir="/some/where")
    assert settings.work_folder == "/some/where"
    assert settings.folder_of(settings.recipes[0]) == "gs://b/x"


def test_what_changes_no_record_is_not_recorded(make_settings: Callable[..., DatasetSettings]):
    one = make_settings()
    other = make_settings(num_processes=7, work_dir="a", output_dir="b", vocab_file="c")
    assert one.to_record(one.recipes[0]) == other.to_record(other.recipes[0])
