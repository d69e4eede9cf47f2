"""What unfinished work was begun with: the settings that a run must have to go on with it."""

import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from mslt_tf import json_values
from tfrecords_tools.dataset.work_files import write_json

FILE = "settings.json"
_REFUSED_INPUT = "refused_input"


class Difference(NamedTuple):
    """A setting of unfinished work that is not as a run has it."""

    name: str
    found: Any
    wanted: Any


class Begun(NamedTuple):
    """What a work folder says of the work that was begun there.

    Attributes:
        settings: of that run.
        refused_input: state of the input when that run refused it; None where it did not.
    """

    settings: dict[str, Any]
    refused_input: str | None

    def find_difference(self, settings: Mapping[str, Any]) -> Difference | None:
        """Returns the first of these settings, by name, that is another one; None if none is."""
        wanted = json.loads(json.dumps(settings))  # as they are read back
        found = self.settings
        if found.get("on_error") == "fail":  # what could be read so is read alike by "skip"
            found = {**found, "on_error": wanted.get("on_error")}
        for name in sorted(wanted.keys() | found.keys()):
            if wanted.get(name) != found.get(name):
                return Difference(name, found.get(name), wanted.get(name))
        return None


def write(folder: str, settings: Mapping[str, Any], *, refused_input: str | None = None) -> None:
    """Writes what the work in `folder` is begun with; see `Begun`."""
    refused = {} if refused_input is None else {_REFUSED_INPUT: refused_input}
    write_json(path_in(folder), {**settings, **refused})


def read(folder: str) -> Begun:
    """Returns what the work in `folder` was begun with.

    Raises:
        OSError: there is none, or its file cannot be read.
        mslt_tf.json_values.JsonValueError: it is damaged, or another program's.
    """
    with open(path_in(folder), "rb") as file:
        settings = json_values.parse(dict[str, Any], json_values.loads(file.read()))
    for name in ("vocab_sha256", "on_error"):
        json_values.parse(str, settings.get(name), name=name)
    refused_input = settings.pop(_REFUSED_INPUT, None)
    return Begun(settings, json_values.parse(str | None, refused_input, name=_REFUSED_INPUT))


def path_in(folder: str) -> str:
    """Returns where it stands."""
    return os.path.join(folder, FILE)
