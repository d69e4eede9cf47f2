"""Looks whether a folder may take new records, and gives finished files their names.

All files are written under temporary names, `dataset_info.json` too; when all are complete, the
shards get their names and `dataset_info.json` the last one. A run that was stopped in between
leaves `dataset_info.json.partial`, which tells the next run whose files lie there.
"""

import contextlib
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tensorflow as tf

from mslt_tf import dataset_info
from mslt_tf.dataset_info import DatasetInfo, Shard
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, folder_lock, removal
from mslt_tf.terminal import say
from tfrecords_tools.dataset import records

_RECORDS = f"train-*.tfrecord, heldout-*.tfrecord and {dataset_info.FILE_NAME}"


def find_finished(
    output_dir: str, recorded: dict[str, Any], *, vocab_sha256: str
) -> DatasetInfo | None:
    """Returns the data set in `output_dir` if it has these settings, None if there is none.

    The lock of a run that was killed when all was done is removed.

    Raises:
        UserError: it has other settings, or a shard is not whole.
    """
    path = _info_path(output_dir)
    with file_errors.reading(f"--output_dir {output_dir}"):
        if not tf.io.gfile.exists(path):
            return None
        with tf.io.gfile.GFile(path, "rb") as file:
            info = DatasetInfo.from_json(file.read(), path=path)
        difference = _find_difference(info, recorded, vocab_sha256=vocab_sha256)
        if difference:
            name, found, wanted = difference
            raise UserError(
                f"--output_dir {output_dir} holds records with {name} = {found!r}, but "
                f"{wanted!r} is asked for. Give another folder, or remove {_RECORDS} there."
            )
        for shard in _shards(info):
            _check_shard(output_dir, shard)
        folder_lock.remove_dead(output_dir)
    return info


def finish_interrupted(
    output_dir: str, recorded: dict[str, Any], *, vocab_sha256: str
) -> DatasetInfo | None:
    """Names the files of a run that was stopped while it did so, if all of them are there.

    Returns:
        The data set, or None if the folder holds none with these settings.

    Raises:
        UserError: the folder cannot be read, or a file not be named, or it would replace another.
    """
    with file_errors.reading(f"--output_dir {output_dir}"):
        info = _read_partial_info(output_dir)
        if info is None or _find_difference(info, recorded, vocab_sha256=vocab_sha256):
            return None
        if not all(_is_whole(output_dir, shard) for shard in _shards(info)):
            return None
    _give_names(output_dir, info)
    return info


@contextlib.contextmanager
def locked(folders: Iterable[str]) -> Iterator[Callable[[], None]]:
    """Makes folders, and keeps every other run out of them while entered.

    Yields a function that raises a UserError if another run took one over meanwhile.

    Raises:
        UserError: another run works in one, or one cannot be made or written to.
    """
    locks: list[folder_lock.Lock] = []

    def check() -> None:
        for lock in locks:
            lock.check()

    with contextlib.ExitStack() as stack:
        for folder in folders:
            make(folder)
            locks.append(stack.enter_context(folder_lock.held(folder, report=say)))
        yield check


def make(output_dir: str) -> None:
    """Makes the folder, so that an impossible one is told before all else.

    Raises:
        UserError: it cannot be made.
    """
    with file_errors.writing(f"--output_dir {output_dir}"):
        tf.io.gfile.makedirs(output_dir)


def prepare(output_dir: str, *, keeps_partial: bool = False) -> None:
    """Makes a folder without records, so that an impossible one is told before the work.

    What a run that was stopped left behind is removed, and nothing else. With `keeps_partial`,
    shards under their temporary names stay: they may be finished work.

    Raises:
        UserError: the folder cannot be made or written to, or holds shards of unknown origin.
    """
    make(output_dir)
    with file_errors.writing(f"--output_dir {output_dir}"):
        info = _read_partial_info(output_dir)
        of_stopped_run = {shard.name for shard in _shards(info)} if info else set()
        of_stopped_run = set(filter(records.is_shard_name, of_stopped_run))
        _refuse_strays(output_dir, known=of_stopped_run)
        _remove_files(output_dir, of_stopped_run.__contains__)
        if not keeps_partial:
            remove_partial_shards(output_dir)
        # Writes and removes the temporary info: an old one goes, after the shards it explains;
        # and a folder that takes no files is found out.
        records.write_partial_text(_info_path(output_dir), "")
        removal.remove_file(_info_path(output_dir) + records.PARTIAL_SUFFIX)


def remove_partial_shards(output_dir: str) -> None:
    """Removes shards under their temporary names, and nothing else.

    Raises:
        UserError: one cannot be removed.
    """
    with file_errors.writing(f"--output_dir {output_dir}"):
        _remove_files(output_dir, records.is_partial_shard_name)


def find_or_prepare(
    output_dir: str, recorded: dict[str, Any], *, vocab_sha256: str, keeps_partial: bool = False
) -> DatasetInfo | None:
    """Returns the data set if it is complete, or only lacked its names, and says so.

    Else makes room for it, see `prepare`, and returns None.

    Raises:
        UserError: see `find_finished`, `finish_interrupted` and `prepare`.
    """
    info = find_finished(output_dir, recorded, vocab_sha256=vocab_sha256)
    if info is not None:
        say(f"{output_dir} holds these records already; nothing to do.")
        return info
    info = finish_interrupted(output_dir, recorded, vocab_sha256=vocab_sha256)
    if info is not None:
        say(f"{output_dir} holds these records: named the files of a run that was stopped.")
        return info
    prepare(output_dir, keeps_partial=keeps_partial)
    return None


def publish(output_dir: str, info: DatasetInfo) -> None:
    """Gives the complete shards their names, then writes `dataset_info.json`.

    Raises:
        UserError: a file cannot be written or named, or would replace one that came there since.
    """
    path = _info_path(output_dir)
    with file_errors.writing(path):
        records.write_partial_text(path, info.to_json())
    _give_names(output_dir, info)


def _give_names(output_dir: str, info: DatasetInfo) -> None:
    with file_errors.writing(f"--output_dir {output_dir}"):
        _refuse_strays(output_dir, known={shard.name for shard in _shards(info)})
        _refuse_replacing(output_dir, [shard.name for shard in _shards(info)])
    for shard in _shards(info):
        path = os.path.join(output_dir, shard.name)
        with file_errors.writing(path):
            if tf.io.gfile.exists(path + records.PARTIAL_SUFFIX):
                records.publish(path)
    with file_errors.writing(_info_path(output_dir)):
        records.publish(_info_path(output_dir))


def _read_partial_info(output_dir: str) -> DatasetInfo | None:
    """Returns what a run that was stopped says of its files; None if it had not come so far."""
    path = _info_path(output_dir) + records.PARTIAL_SUFFIX
    if not tf.io.gfile.exists(path):
        return None
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            return DatasetInfo.from_json(file.read(), path=path)
    except ValueError:  # stopped while writing it: every shard has its temporary name yet
        return None


def _find_difference(
    info: DatasetInfo, recorded: dict[str, Any], *, vocab_sha256: str
) -> tuple[str, Any, Any] | None:
    """Returns the first setting that differs, as (name, found, wanted)."""
    # Through JSON, so that values compare as they are read back.
    wanted = json.loads(json.dumps(recorded)) | {"vocab_sha256": vocab_sha256}
    # A folder from before there was a choice holds what BERT has, under no name.
    found = {"sentence_objective": "nsp", "documents_of": 1} | dict(info.settings)
    found |= {"vocab_sha256": info.vocab_sha256}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            return name, found.get(name), wanted.get(name)
    return None


def _check_shard(output_dir: str, shard: Shard) -> None:
    size = _size(os.path.join(output_dir, shard.name))
    if size != shard.num_bytes:
        found = "it is not there" if size is None else f"it has {size:,} bytes"
        raise UserError(
            f"--output_dir {output_dir} holds these records, but shard {shard.name} is missing or "
            f"cut off: {found} and must have {shard.num_bytes:,} bytes. Remove {_RECORDS} there, "
            "and run again."
        )


def _is_whole(output_dir: str, shard: Shard) -> bool:
    """Returns whether the file that bears the shard's name, or will, has the right size."""
    path = os.path.join(output_dir, shard.name)
    partial_size = _size(path + records.PARTIAL_SUFFIX)
    return (_size(path) if partial_size is None else partial_size) == shard.num_bytes


def _remove_files(output_dir: str, is_meant: Callable[[str], bool]) -> None:
    for name in filter(is_meant, tf.io.gfile.listdir(output_dir)):
        removal.remove_file(os.path.join(output_dir, name))


def _refuse_strays(output_dir: str, *, known: Iterable[str] = ()) -> None:
    names = tf.io.gfile.listdir(output_dir)
    strays = [name for name in names if name.endswith(".tfrecord") and name not in known]
    if strays:
        raise UserError(
            f"--output_dir {output_dir} holds {strays[0]} and {len(strays) - 1} more .tfrecord "
            f"file(s) but no {dataset_info.FILE_NAME} that names them: another program's, or that "
            "file was removed. Remove them, or give another folder."
        )


def _refuse_replacing(output_dir: str, names: list[str]) -> None:
    """Checks that no file of another has a name that one of ours is about to get."""
    # A remote file that is renamed is copied, so a run that was stopped may leave it twice.
    both = () if "://" in output_dir else names
    paths = [os.path.join(output_dir, name) for name in both]
    taken = [path for path in paths if tf.io.gfile.exists(path + records.PARTIAL_SUFFIX)]
    for path in (*taken, _info_path(output_dir)):
        if tf.io.gfile.exists(path):
            raise file_errors.FileError(
                f"{path} came there while a run worked, and would be replaced. Move it away, and "
                "run again: finished work is kept."
            )


def _size(path: str) -> int | None:
    if not tf.io.gfile.exists(path):
        return None
    length: int = tf.io.gfile.stat(path).length
    return length


def _shards(info: DatasetInfo) -> Iterator[Shard]:
    return itertools.chain.from_iterable(info.splits.values())


def _info_path(output_dir: str) -> str:
    return os.path.join(output_dir, dataset_info.FILE_NAME)
