"""Whether what lies in a run's folder was trained by the settings that a flag file has now."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mslt_tf import json_values
from mslt_tf.config import PretrainingConfig
from mslt_tf.errors import UserError

CONFIG_FILE = "config.json"  # of run_pretraining
# What decides on losses; other settings may change between starts of a run.
_CHECKED = (
    *("method", "model", "plan", "optimizer", "precision", "trunk_precision", "trunk_dropout"),
    "dynamic_masking",
)


def check(folder: Path, config: PretrainingConfig, *, flag_file: Path) -> None:
    """Checks a run's folder, if it is there.

    Raises:
        UserError: it was trained by other settings, so its losses are not those of the flag file;
            or its settings cannot be read.
    """
    path = folder / CONFIG_FILE
    if not path.exists():
        return
    try:
        trained = json_values.parse(Mapping[str, Any], json_values.loads(path.read_bytes()))
    except json_values.JsonValueError as error:
        raise UserError(
            f"{path} cannot be read ({error}). Move {folder} away, and it is trained anew."
        ) from error
    wanted = json.loads(json.dumps(dataclasses.asdict(config)))
    wanted_leaves = dict(_leaves({name: wanted[name] for name in _CHECKED}))
    for name, value in _leaves(trained):
        now = wanted_leaves.get(name, value)  # not checked, or an older version had it
        if now != value:
            raise UserError(
                f"{folder} was trained with {name} {value}, and {flag_file} and the flags beside "
                f"it say {now}. Give another --output_dir, or the settings as they were."
            )


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields dotted names and values; the entries of a list have none of their own."""
    for name, found in value.items():
        if isinstance(found, Mapping):
            yield from _leaves(found, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", found
