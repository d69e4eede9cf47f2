r"""Glob patterns of paths, as shells have them: *, ?, [a-z], [!a-z], \* and, for any depth, **.

A * of a pattern matches no hidden name; one that begins as the pattern does, `.*` or `_*`, it does.
"""

import fnmatch
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from tfrecords_tools.text.files import file_access

_SPECIAL = re.compile(r"[*?\[\\]")
_HIDDEN = (".", "_")
_ANY_DEPTH = "**"

ListNames = Callable[[str], Sequence[str]]
FindPaths = Callable[[str], Iterable[str]]


def is_hidden(name: str) -> bool:
    """Returns whether a name is left out unless it is asked for."""
    return name.startswith(_HIDDEN)


def fixed_folder(pattern: str) -> str:
    """Returns the folder in which all lies that a pattern matches; "" is the current one.

    >>> fixed_folder("a/b/*/c"), fixed_folder("/*"), fixed_folder("*.txt"), fixed_folder("a/b")
    ('a/b', '/', '', 'a/b')
    """
    return _split(pattern)[0]


def expand(
    pattern: str, *, list_names: ListNames, folders_below: FindPaths
) -> Iterator[tuple[str, str]]:
    """Yields the paths that match; some may come twice.

    Args:
        pattern: what to match.
        list_names: returns the names in a folder.
        folders_below: yields a folder and all below it that are not hidden.

    Yields:
        The path, and what of it is hidden, though the pattern does not ask for it; or "".
    """

    def match(found: Iterable[tuple[str, str]], part: str) -> Iterator[tuple[str, str]]:
        for folder, hidden in found:
            if not file_access.is_folder(folder):
                continue
            below = folders_below if part == _ANY_DEPTH else _matches(part, list_names)
            for path in below(folder):
                yield path, hidden or (path if _hides(part, path) else "")

    folder, parts = _split(pattern)
    found: Iterable[tuple[str, str]] = [(folder, "")]
    for part in parts:
        found = match(found, part)
    return iter(found)


def _matches(part: str, list_names: ListNames) -> FindPaths:
    """Returns what yields the paths in a folder that a part of a pattern matches."""

    def find(folder: str) -> Iterable[str]:
        if _SPECIAL.search(part):
            return (file_access.join(folder, name) for name in filter(matcher, list_names(folder)))
        path = file_access.join(folder, part) if part else folder  # "a//b", or "a/" at the end
        return [path] if file_access.exists(path) else []

    matcher = _matcher(part)
    return find


def _hides(part: str, path: str) -> bool:
    """Returns whether a name is hidden and a part of a pattern matches it all the same."""
    name = path.rpartition("/")[2]
    is_pattern = part != _ANY_DEPTH and bool(_SPECIAL.search(part))
    return is_pattern and is_hidden(name) and name[0] != part[0]


def _split(pattern: str) -> tuple[str, list[str]]:
    """Returns the folder that is certain, and the parts of the pattern below it."""
    parts = pattern.split("/")
    certain = next((n for n, part in enumerate(parts) if _SPECIAL.search(part)), len(parts))
    folder = "/".join(parts[:certain]) or ("/" if certain else "")
    rest = parts[certain:]
    # All at any depth is the folder itself, which need not be walked for each folder in it.
    while rest[-2:] in ([_ANY_DEPTH, "*"], [_ANY_DEPTH, _ANY_DEPTH]):
        del rest[-1]
    return folder, rest if rest and rest != [_ANY_DEPTH] else [""]


@functools.lru_cache
def _matcher(part: str) -> Callable[[str], object]:
    """Returns what tells whether a name matches a part of a pattern."""

    def translate(match: re.Match[str]) -> str:
        escaped = match[1]
        if escaped is None:
            return "[!"
        return f"[{escaped}]" if escaped in "*?[" else escaped

    return re.compile(fnmatch.translate(re.sub(r"\\(.)|\[\^", translate, part))).match
