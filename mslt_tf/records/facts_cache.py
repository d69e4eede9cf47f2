"""What was read off record files, kept in a file of the run's folder so that it is read once.

It only saves time: where the file is not as it was written, or a record file is another one by
its size or time of change, records are read again.
"""

import dataclasses
import json
import os
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Self

import tensorflow as tf

from mslt_tf import json_values
from mslt_tf.files import file_errors, own_file
from mslt_tf.records.record_facts import FileFacts

SECONDS_BETWEEN_WRITES = 5.0  # all is written each time, and there may be thousands of files


@dataclasses.dataclass(frozen=True)
class FileVersion:
    """What changes when a record file does."""

    num_bytes: int  # stored
    mtime_nsec: int

    @classmethod
    def of(cls, path: str) -> Self:
        """Returns the version of a file as it is now."""
        try:
            local = os.stat(path)
        except OSError:  # it is elsewhere, or TensorFlow says why not
            remote = tf.io.gfile.stat(path)
            return cls(remote.length, remote.mtime_nsec)
        return cls(local.st_size, local.st_mtime_ns)  # TensorFlow knows whole seconds only


@dataclasses.dataclass(frozen=True)
class _Entry:
    """A record file when it was read, and what it held."""

    version: FileVersion
    facts: FileFacts


@dataclasses.dataclass(frozen=True)
class _Content:
    """The whole file."""

    entries: Mapping[str, Any]  # _Entry by path
    checksum: str  # of the entries


class FactsCache:
    """Facts by the path of the record file; `put` and `write` are for one worker only."""

    def __init__(self, path: str, *, report: Callable[[str], None]) -> None:
        """Reads the file at `path`; `report` takes a line if there is one that cannot be used."""
        self._path = path
        self._written = time.monotonic()
        self._entries: dict[str, _Entry] = {}
        try:
            self._entries = _read(path)
        except json_values.JsonValueError as error:
            report(f"note: {path} is not used ({error}); the record files are read again")
        except (tf.errors.OpError, OSError) as error:
            reason = file_errors.reason(error)
            report(f"note: {path} is not used ({reason}); the record files are read again")

    def get(self, path: str, version: FileVersion) -> FileFacts | None:
        """Returns the facts of a record file; None if those of this version are not known."""
        entry = self._entries.get(path)
        return entry.facts if entry and entry.version == version else None

    def put(self, path: str, version: FileVersion, facts: FileFacts) -> None:
        """Takes the facts of a record file; writes, if it did not for some seconds.

        Raises:
            UserError: the run's folder cannot be written to.
        """
        self._entries[path] = _Entry(version, facts)
        if time.monotonic() - self._written > SECONDS_BETWEEN_WRITES:
            self.write()

    def write(self) -> None:
        """Writes all that is known.

        Raises:
            UserError: the run's folder cannot be written to.
        """
        entries = {path: dataclasses.asdict(entry) for path, entry in self._entries.items()}
        content = dataclasses.asdict(_Content(entries, _checksum(entries)))
        what = f"{os.path.dirname(self._path)} cannot be written to"
        with file_errors.naming(what, "Start again when that is mended."):
            own_file.write(self._path, json.dumps(content, indent=1))
        self._written = time.monotonic()


def _read(path: str) -> dict[str, _Entry]:
    if not tf.io.gfile.exists(path):
        return {}
    with tf.io.gfile.GFile(path, "rb") as file:
        content = json_values.parse(_Content, json_values.loads(file.read()))
    if _checksum(content.entries) != content.checksum:
        raise json_values.JsonValueError("its checksum differs")
    return json_values.parse(dict[str, _Entry], content.entries)


def _checksum(entries: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(entries, sort_keys=True).encode()):08x}"
