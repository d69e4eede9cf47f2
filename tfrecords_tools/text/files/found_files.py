"""Which files of an input are read, and what is left out and why, by name."""

import dataclasses
import enum
import os
from collections.abc import Iterator, Mapping

from tfrecords_tools.text.read_report import ReadReport

_SHOWN = 5  # names of each kind of what is left out


class Reason(enum.Enum):
    """Why a file or folder is left out; the value stands behind a number."""

    HIDDEN = "hidden: names that begin with . or _"
    OWN = "written or used by this program itself"
    REPEATED = "other name(s) of what is read already, or link(s) that lead back up"
    SPECIAL = "pipe(s), socket(s) or device(s), which are no files"
    UNREADABLE = "unreadable"


@dataclasses.dataclass(frozen=True)
class FoundFiles:
    """The files of an input.

    Attributes:
        paths: sorted, each file once.
        num_bytes: of all of them.
        left_out: files and folders by reason, sorted; nothing from below such a folder.
    """

    paths: tuple[str, ...] = ()
    num_bytes: int = 0
    left_out: Mapping[Reason, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def describe(self) -> Iterator[str]:
        """Yields a line on what is read, if there are files, and one for each reason."""
        if self.paths:
            num_folders = len({os.path.dirname(path) for path in self.paths})
            yield (
                f"files: {len(self.paths):,} in {num_folders:,} folder(s), {self.num_bytes:,} bytes"
            )
        for reason, paths in self.left_out.items():
            names = ", ".join(map(printable, paths[:_SHOWN]))
            more = f" and {len(paths) - _SHOWN:,} more" if len(paths) > _SHOWN else ""
            yield f"left out: {len(paths):,} {reason.value}: {names}{more}"

    def report(self) -> ReadReport:
        """Returns what is left out, as the summary counts it."""
        count = {reason: len(self.left_out.get(reason, ())) for reason in Reason}
        return ReadReport(
            hidden_files=count[Reason.HIDDEN],
            own_files=count[Reason.OWN],
            repeated_files=count[Reason.REPEATED],
            special_files=count[Reason.SPECIAL],
            unreadable_files=count[Reason.UNREADABLE],
        )


def printable(path: str) -> str:
    r"""Returns a path for a terminal: what is no character, or moves the cursor, is written as \x.

    >>> printable("a b\n\udcff")
    'a b\\n\\udcff'
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in path
    )
