"""The room that checkpoints have on a disk."""

import shutil
from types import SimpleNamespace

from mslt_tf.training import checkpoint_files


def test_the_room_is_what_checkpoints_take_and_what_is_free(tmp_path, monkeypatch):
    folder = tmp_path / "run" / "checkpoints"
    assert checkpoint_files.room(str(folder)) is None
    folder.parent.mkdir()
    free = {str(tmp_path / "run"): 100, str(folder): 7}  # another disk is linked or mounted there
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free[path]))
    assert checkpoint_files.room(str(folder)) == 100
    (folder / "step-00000001").mkdir(parents=True)
    of_folder = (folder / "step-00000001").lstat().st_size
    (folder / "step-00000001" / "weights").write_bytes(bytes(50))
    assert checkpoint_files.room(str(folder)) == 57 + of_folder


def test_a_link_to_a_checkpoint_that_is_gone_is_no_trouble(tmp_path):
    (tmp_path / "best").symlink_to("step-00000001")
    assert checkpoint_files.room(str(tmp_path)) > 0
