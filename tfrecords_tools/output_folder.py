"""Looks whether a folder may take new records: it is empty, or has these very records already."""

import json
from typing import Any

import tensorflow as tf

from mslt_tf import dataset_info
from mslt_tf.errors import UserError
from tfrecords_tools import records


def find_finished(
    output_dir: str, recorded: dict[str, Any], *, vocab_sha256: str
) -> dataset_info.DatasetInfo | None:
    """Returns the data set in `output_dir` if it has these settings, None if there is none.

    Raises:
        UserError: it has other settings.
    """
    path = f"{output_dir}/{dataset_info.FILE_NAME}"
    if not tf.io.gfile.exists(path):
        return None
    with tf.io.gfile.GFile(path) as file:
        info = dataset_info.DatasetInfo.from_json(file.read(), path=path)
    # Through JSON, so that values compare as they are read back.
    wanted = json.loads(json.dumps(recorded)) | {"vocab_sha256": vocab_sha256}
    found = dict(info.settings) | {"vocab_sha256": info.vocab_sha256}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise UserError(
                f"--output_dir {output_dir} holds records with {name} = {found.get(name)!r}, but "
                f"{wanted.get(name)!r} is asked for. Give another folder, or remove this one."
            )
    return info


def prepare(output_dir: str) -> None:
    """Makes a folder without records, so that an impossible one is told before the work.

    Raises:
        UserError: the folder cannot be made, or holds shards without a `dataset_info.json`.
    """
    try:
        tf.io.gfile.makedirs(output_dir)
        names = tf.io.gfile.listdir(output_dir)
    except tf.errors.OpError as error:
        raise UserError(
            f"--output_dir {output_dir} cannot be used as a folder: {error.message}. Give another."
        ) from error
    stray = [name for name in names if name.endswith(".tfrecord")]
    if stray:
        raise UserError(
            f"--output_dir {output_dir} holds {stray[0]} and {len(stray) - 1} more .tfrecord "
            f"file(s) but no {dataset_info.FILE_NAME}: another program's, or of a run that was cut "
            "off. Remove them, or give another folder."
        )
    for name in names:
        if name.endswith(".tfrecord" + records.PARTIAL_SUFFIX):  # of a run that was cut off
            tf.io.gfile.remove(f"{output_dir}/{name}")
