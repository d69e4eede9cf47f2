"""Files that appear whole, and never in the place of another."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import tensorflow as tf

from mslt_tf.files import new_file


def refuse_links(*_):
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.fixture(params=["links", "no links"])
def path(request, tmp_path, monkeypatch):
    """A new file, on a disk with links or without."""
    if request.param == "no links":
        monkeypatch.setattr(os, "link", refuse_links)
    return tmp_path / "new.txt"


def test_a_file_appears_and_nothing_else(path):
    assert new_file.write(str(path), "text") == str(path)
    assert path.read_text() == "text"
    assert list(path.parent.iterdir()) == [path]


def test_bytes_are_written_as_they_are(path):
    content = bytes(range(256)) + b"\r\n"
    assert new_file.write(str(path), content) == str(path)
    assert path.read_bytes() == content


def test_a_file_that_is_there_stays_and_the_new_one_lies_beside_it(path):
    path.write_text("precious")
    other = new_file.write(str(path), "text")
    assert path.read_text() == "precious"
    with open(other) as file:
        assert file.read() == "text"
    assert os.path.dirname(other) == str(path.parent)


def test_one_of_many_at_once_gets_the_name(path):
    with ThreadPoolExecutor(8) as pool:
        places = list(pool.map(lambda n: new_file.write(str(path), f"text {n}"), range(8)))
    (winner,) = [number for number, place in enumerate(places) if place == str(path)]
    assert path.read_text() == f"text {winner}"
    assert len(set(places)) == len(list(path.parent.iterdir())) == 8


def test_a_file_that_cannot_be_written_leaves_no_trace(path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(new_file, "_give_name", fail)
    with pytest.raises(OSError, match="No space"):
        new_file.write(str(path), "text")
    assert list(path.parent.iterdir()) == []


def test_a_look_whether_a_file_can_be_written_leaves_no_trace(tmp_path):
    names = ["a", "a.partial", "a.tmp"]
    for name in names:
        (tmp_path / name).write_text("precious")
    new_file.check_writable(str(tmp_path / "a"))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        names, "precious"
    )
    with pytest.raises(tf.errors.NotFoundError):
        new_file.check_writable(str(tmp_path / "missing" / "a"))


def test_remote_files_are_not_replaced_either(monkeypatch):
    """A file system in memory stands for a remote one."""
    path = "ram://folder/new.txt"
    assert new_file.write(path, "text") == path
    other = new_file.write(path, "other")
    assert other != path
    with tf.io.gfile.GFile(path) as file:
        assert file.read() == "text"
