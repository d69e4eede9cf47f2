"""What a run's folder says of the run: plan, settings and versions, of now and of each start."""

import contextlib
import datetime
import importlib.metadata
import json
import os
import socket

import tensorflow as tf

from mslt_tf import json_values
from mslt_tf.config import PretrainingConfig
from mslt_tf.conversion import own_runs
from mslt_tf.files import new_file, own_file
from mslt_tf.training import json_lines
from mslt_tf.training.metrics_log import naming_full_disk

FILES = ("plan.txt", own_runs.CONFIG_FILE, "versions.json")  # what the run is, each start anew
PACKAGES = ("tensorflow", "tensorflow-addons", "keras", "numpy")  # what results depend on
STARTS_FILE = "starts.jsonl"


def write(config: PretrainingConfig, *, step: int) -> None:
    """Writes what the run is from here on, and adds a line on this start to `starts.jsonl`.

    Where all steps are done, nothing is trained by these settings any more, so those that lie there
    stay.

    Args:
        config: of the run.
        step: where it goes on.

    Raises:
        UserError: the folder cannot be written to, or the disk is full.
    """
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    texts = [
        config.plan.table() + "\n",
        config.to_json(),
        json.dumps(versions, indent=2) + "\n",
    ]
    with naming_full_disk(config.output_dir):
        _add_start(config, step, versions)  # first: it says that the other files are ours
        if step == config.plan.num_steps and _has_settings(config.output_dir):
            return
        for name, text in zip(FILES, texts, strict=True):
            own_file.write(os.path.join(config.output_dir, name), text)


def _has_settings(folder: str) -> bool:
    """Returns whether a start before this one left settings that can be read."""
    path = os.path.join(folder, own_runs.CONFIG_FILE)
    if not tf.io.gfile.exists(path):
        return False
    with tf.io.gfile.GFile(path, "rb") as file, contextlib.suppress(json_values.JsonValueError):
        return isinstance(json_values.loads(file.read()), dict)
    return False


def _add_start(config: PretrainingConfig, step: int, versions: dict[str, str]) -> None:
    path = os.path.join(config.output_dir, STARTS_FILE)
    start = {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "process": os.getpid(),
        "step": step,
        "versions": versions,
        "config": json.loads(config.to_json()),
    }
    json_lines.append(path, start)
    new_file.flush([path])
