"""Which files the names on the command line mean."""

import pytest

from mslt_tf.errors import UserError
from mslt_tf.records import record_paths
from tests import tiny


def make(folder, *names):
    """Makes empty files, and returns their paths as the command line would have them."""
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    return [str(folder / name) for name in names]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("gone/a*", "folder .*gone does not exist"),
        ("empty/a*", "folder .*empty holds no such file"),
        ("empty", "is a folder. Name the files in it"),
    ],
)
def test_missing_data_is_named(tmp_path, pattern, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=message):
        record_paths.find([str(tmp_path / pattern)])


def test_files_of_several_patterns_come_once_and_sorted_and_folders_not_at_all(tmp_path):
    a, b, c = make(tmp_path, "a", "b", "c")
    (tmp_path / "aa").mkdir()
    assert record_paths.find([c, str(tmp_path / "[ab]*"), b]) == [a, b, c]


def test_a_name_that_looks_like_a_glob_means_the_file_of_this_name(tmp_path):
    literal, _ = make(tmp_path, "run[1].tfrecord", "run1.tfrecord")
    assert record_paths.find([literal]) == [literal]


@pytest.mark.parametrize("names", [["a,b"], ["a,b", "c"], ["x", "a,b,c"], ["a*,b"]])
def test_a_name_that_was_split_at_its_comma_is_found_and_the_way_to_write_it_told(tmp_path, names):
    paths = make(tmp_path, *(name.replace("*", "x") for name in names))
    flag = ",".join(str(tmp_path / name) for name in names)
    split = next(str(tmp_path / name) for name in names if "," in name)
    with pytest.raises(UserError, match=r"split at each comma\. Write .* in double") as refusal:
        record_paths.find(flag.split(","))
    assert f"'\"{split}\"'" in str(refusal.value)
    quoted = ",".join(f'"{tmp_path / name}"' for name in names)
    assert record_paths.find(tiny.config(train_records=quoted).train_records) == sorted(paths)


def test_names_that_no_comma_would_mend_are_just_missing(tmp_path):
    make(tmp_path, "a", "c")
    with pytest.raises(UserError, match="holds no such file"):
        record_paths.find([str(tmp_path / name) for name in "abc"])
