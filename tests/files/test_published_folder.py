"""Published folders outlast a power cut; that they appear whole, tests of exports show."""

import os
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from mslt_tf.files import published_folder, removal


def publish(path: Path, content: str) -> None:
    def write(folder: str) -> None:
        (Path(folder) / "below").mkdir(parents=True)
        (Path(folder) / "below" / "file").write_text(content)

    published_folder.publish(
        str(path), "thing", write, owns=lambda name: name == "below/file", advice="Mend that."
    )


def test_all_is_on_the_disk_before_it_gets_its_name_and_the_name_then(tmp_path, monkeypatch):
    path = tmp_path / "place"
    publish(path, "old")
    done, flush, replace = [], os.fsync, removal.replace

    def note_flush(descriptor: int) -> None:
        done.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        flush(descriptor)

    def note_replacement(*arguments: str) -> None:
        done.append("named")
        replace(*arguments)

    monkeypatch.setattr(os, "fsync", note_flush)
    monkeypatch.setattr(removal, "replace", note_replacement)
    publish(path, "new")
    temporary = removal.partial_path(str(path))
    assert (path / "below" / "file").read_text() == "new"
    at = done.index("named")
    written = ("", "/below", "/below/file", "/made_by_mslt_tf.json")
    assert sorted(done[:at]) == sorted(f"{temporary}{name}" for name in written)
    assert done[at + 1 :] == [str(tmp_path)]


def test_a_disk_that_refuses_what_was_written_is_told_and_the_older_one_stays(
    tmp_path, monkeypatch
):
    path = tmp_path / "place"
    publish(path, "old")

    def refuse(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(UserError, match=r"the thing cannot be written to .*No space left"):
        publish(path, "new")
    assert (path / "below" / "file").read_text() == "old"
