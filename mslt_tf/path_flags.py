"""Flags that name files and folders: `~` and `~user` at the begin of a name stand for homes.

Shells expand them in `--flag ~/file`, but not in `--flag=~/file`, after a comma or in a flagfile.
absl does so for the name of a flagfile only.

The types at the end are those of fields that `flag_fields` makes such flags of.
"""

import csv
import io
import os
from collections.abc import Sequence
from typing import Annotated

from absl import flags

from mslt_tf.errors import UserError

_COMMA_HELP = "A name with a comma is written in double quotes: '\"a,b.txt\",c.txt'."


def define_path(name: str, default: str, help: str, *, flag_values: flags.FlagValues) -> None:
    """Defines a flag whose value is a path, or empty."""
    serializer = flags.ArgumentSerializer[str]()
    flags.DEFINE(_PathParser(), name, default, help, flag_values, serializer)


def define_paths(
    name: str, default: Sequence[str], help: str, *, flag_values: flags.FlagValues
) -> None:
    """Defines a flag whose value is a list of paths, given with commas between them."""
    serializer = flags.CsvListSerializer(",")
    text = f"{help} {_COMMA_HELP}"
    flags.DEFINE(_PathsParser(), name, list(default), text, flag_values, serializer)


def define_joined_paths(
    name: str, default: str, help: str, *, flag_values: flags.FlagValues
) -> None:
    """Defines a flag that is given as one of `define_paths`; its value is a `split_paths` text."""
    serializer = flags.ArgumentSerializer[str]()
    text = f"{help} {_COMMA_HELP}"
    flags.DEFINE(_JoinedPathsParser(), name, default, text, flag_values, serializer)


def parse_path(text: str) -> str:
    """Returns the path that is given as a flag, or as a word beside flags.

    Raises:
        UserError: it is not UTF-8 text.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(
            "the name is not UTF-8 text, and must be. Give another name, or set a locale of "
            "UTF-8, e.g. LC_ALL=C.UTF-8."
        ) from error
    return os.path.expanduser(text)


def split_paths(text: str) -> list[str]:
    """Returns the paths that stand with commas between them, read as absl reads lists.

    >>> split_paths('a, b,"c,d.txt"')
    ['a', 'b', 'c,d.txt']

    Raises:
        ValueError: a quote at the begin of a name does not end with that name.
    """
    paths: list[str] = flags.ListParser().parse(text)
    return paths


def join_paths(paths: Sequence[str]) -> str:
    """Returns a text of which `split_paths` makes these paths.

    >>> join_paths(["a", "c,d.txt"])
    'a,"c,d.txt"'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(paths)
    return text.getvalue()


class _PathParser(flags.ArgumentParser[str]):
    """Parses a path."""

    def parse(self, argument: str) -> str:
        return parse_path(argument)


class _PathsParser(flags.ListParser):
    """Parses a list of paths."""

    def parse(self, argument: str | list[str]) -> list[str]:
        return [parse_path(path) for path in super().parse(argument)]


class _JoinedPathsParser(flags.ArgumentParser[str]):
    """Parses a list of paths into one text; one without homes stays as it was given."""

    def parse(self, argument: str) -> str:
        paths = split_paths(argument)
        expanded = [os.path.expanduser(path) for path in paths]
        return argument if expanded == paths else join_paths(expanded)


FilePath = Annotated[str, define_path]
FilePaths = Annotated[tuple[str, ...], define_paths]
JoinedPaths = Annotated[str, define_joined_paths]
