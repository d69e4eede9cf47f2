"""Finds the files that an input names: which are read, in which order, what is left out and why.

Patterns, folders and links may lead to a file by several names; it is read once.
"""

import dataclasses
import functools
import heapq
import os
import shlex
from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from mslt_tf.path_flags import join_paths, split_paths
from tfrecords_tools.text.files import file_access, path_patterns
from tfrecords_tools.text.files.file_access import Look
from tfrecords_tools.text.files.found_files import FoundFiles, Reason
from tfrecords_tools.text.read_report import OnError
from tfrecords_tools.text.text_input import EMBEDDED

_MOST_COMMAS = 3  # in a name for which we ask whether it lacks quotes

Seen = TypeVar("Seen")


def find_files(
    patterns: str, *, own: Collection[str] = (), on_error: OnError = "fail"
) -> FoundFiles:
    """Finds the files of glob patterns and folders, given as `path_flags.split_paths` reads them.

    A pattern stands for what it matches; a folder for all files below it, those behind links too.
    What is hidden is left out there. What has the name that is given is read, hidden or not.

    Args:
        patterns: what to read.
        own: files and folders of this program, which are no input.
        on_error: with "skip", what is unreadable is left out, unless its own name is given.

    Raises:
        UserError: a pattern matches no file, what is named is none, something cannot be read, or a
            quote has no end.
    """
    search = _Search(own, on_error)
    for pattern in _split(patterns):
        with file_errors.reading(pattern):
            found = search.add_pattern(pattern)
        if not found:
            lines = (_advice(pattern, patterns), *_left_out_of(pattern, own, on_error))
            raise UserError(f"--input names {pattern!r}, which matches no file. {' '.join(lines)}")
    result = search.result()
    if not result.paths:
        raise UserError(f"--input {patterns!r} names no file. Give files, or {EMBEDDED!r}.")
    return result


def find_starts(patterns: str) -> Iterator[tuple[str, str]]:
    """Yields each pattern with where its search begins: itself, or the folder before its first *.

    Raises:
        UserError: one cannot be looked for.
    """
    for pattern in _split(patterns):
        with file_errors.reading(pattern):
            is_name = file_access.exists(pattern)
        yield pattern, pattern if is_name else path_patterns.fixed_folder(pattern)


def _split(patterns: str) -> list[str]:
    try:
        return [pattern for pattern in split_paths(patterns) if pattern]
    except ValueError as error:
        raise UserError(
            f"--input: {error}. Double quotes belong around a whole name, one with a comma or a "
            "quote at its begin; quotes of its own are then written twice."
        ) from error


def _advice(pattern: str, patterns: str) -> str:
    """Returns what to do about a pattern that matches no file."""
    name = _name_without_quotes(pattern, patterns)
    if name:
        quoted = shlex.quote(join_paths([name]))  # the shell takes a pair of quotes for itself
        return f"But {name!r} does: write a name with a comma in double quotes, --input={quoted}."
    if pattern.startswith("~"):  # the flag has put homes in its place
        return "No home is known for what stands behind the ~: write its path out."
    return (
        "Give folders, files or glob patterns of files, separated by commas (quote them: the shell "
        f"expands * too), or {EMBEDDED!r}."
    )


def _left_out_of(pattern: str, own: Collection[str], on_error: OnError) -> Iterator[str]:
    search = _Search(own, on_error)
    search.add_pattern(pattern)
    return search.result().describe()


def _name_without_quotes(pattern: str, patterns: str) -> str:
    """Returns the name with commas that `pattern` is a part of, if it matches files, or ""."""
    parts = patterns.split(",")
    for length in range(2, _MOST_COMMAS + 2):
        for begin in range(len(parts) - length + 1):
            run = parts[begin : begin + length]
            name = ",".join(run).strip()
            if pattern in map(str.strip, run) and _Search((), "skip").add_pattern(name):
                return name
    return ""


@dataclasses.dataclass(frozen=True, slots=True)
class _File:
    num_bytes: int
    identity: object  # the same for all names of a file


class _Search:
    """Gathers files, and what is left out."""

    def __init__(self, own: Collection[str], on_error: OnError) -> None:
        self._own = frozenset(map(file_access.real_path, own))
        self._below_own = tuple(f"{path.rstrip('/')}/" for path in self._own)
        self._fails = on_error == "fail"
        self._files: dict[str, _File] = {}
        self._left_out: dict[Reason, set[str]] = {reason: set() for reason in Reason}
        self._real_folder = functools.lru_cache(maxsize=1 << 10)(file_access.real_path)

    def add_pattern(self, pattern: str) -> bool:
        """Adds what a pattern names; returns whether a file is among it.

        Raises:
            UserError: what is named is no file or, unless it is to be left out, unreadable.
            OSError, tensorflow.errors.OpError: what is named cannot be read.
        """
        if file_access.exists(pattern):  # before it is a pattern: a name may have brackets
            return self._add_named(pattern)
        found = False
        for path, hidden in path_patterns.expand(
            pattern, list_names=self._list_names, folders_below=self._folders_below
        ):
            if hidden:
                self._left_out[Reason.HIDDEN].add(hidden)
            else:
                found |= self._add(path)
        return found

    def result(self) -> FoundFiles:
        """Returns each file once, by the first of its names that need no link."""
        names: dict[object, list[str]] = {}
        for path, file in self._files.items():
            names.setdefault(file.identity, []).append(path)
        chosen = {_choose(paths) for paths in names.values()}
        left_out = {reason: paths - chosen for reason, paths in self._left_out.items()}
        left_out[Reason.REPEATED] |= self._files.keys() - chosen
        return FoundFiles(
            paths=tuple(sorted(chosen)),
            num_bytes=sum(self._files[path].num_bytes for path in chosen),
            left_out={reason: tuple(sorted(paths)) for reason, paths in left_out.items() if paths},
        )

    def _add_named(self, path: str) -> bool:
        look = _look_at(path)
        if look.kind == "folder":
            file_access.list_names(path)
            return self._add_folder(path)
        if look.kind != "file":
            raise UserError(
                f"--input names {path!r}, which is {look.kind} and no file: it could be read only "
                "once, or without end. Write its text into a file, and give that."
            )
        return self._add_file(path, look)

    def _add(self, path: str) -> bool:
        """Adds what was found, or notes why not; returns whether a file is among it."""
        look = self._unless_unreadable(path, _look_at)
        if look is None:
            return False
        return self._add_folder(path) if look.kind == "folder" else self._add_file(path, look)

    def _add_folder(self, root: str) -> bool:
        files = (file for _, files in self._walk(root) for file in files)
        return sum(self._add_file(path, look) for path, look in files) > 0

    def _add_file(self, path: str, look: Look) -> bool:
        if look.kind != "file":
            self._left_out[Reason.SPECIAL].add(path)
            return False
        folder, name = os.path.split(path)
        has_link = look.is_link or name in ("", ".", "..")
        real = "" if has_link else file_access.join(self._real_folder(folder), name)
        real = real or file_access.real_path(path)
        if self._is_own(real):
            self._left_out[Reason.OWN].add(path)
            return False
        self._files[path] = _File(look.num_bytes, look.inode or real)
        return True

    def _is_own(self, real: str) -> bool:
        return real in self._own or real.startswith(self._below_own)

    def _folders_below(self, root: str) -> Iterator[str]:
        return (folder for folder, _ in self._walk(root))

    def _walk(self, root: str) -> Iterator[tuple[str, list[tuple[str, Look]]]]:
        """Yields a folder and each one below it once, with the files and the like that it holds.

        Folders behind links come after all others, so that a name without a link is preferred.
        """
        above = f"{file_access.real_path(root).rstrip('/')}/"
        seen: set[str] = set()
        waiting = [(False, root)]
        while waiting:
            by_link, folder = heapq.heappop(waiting)
            real = file_access.real_path(folder)
            if real in seen or (by_link and above.startswith(f"{real.rstrip('/')}/")):
                self._left_out[Reason.REPEATED].add(folder)
            elif self._is_own(real):
                self._left_out[Reason.OWN].add(folder)
            else:
                seen.add(real)
                looks = self._look_into(folder)
                for path, look in looks:
                    if look.kind == "folder":
                        heapq.heappush(waiting, (look.is_link, path))
                yield folder, [(path, look) for path, look in looks if look.kind != "folder"]

    def _look_into(self, folder: str) -> list[tuple[str, Look]]:
        """Returns what a folder holds that is neither hidden nor unreadable."""
        looks = []
        for name in self._list_names(folder):
            path = file_access.join(folder, name)
            if path_patterns.is_hidden(name):
                self._left_out[Reason.HIDDEN].add(path)
            elif look := self._unless_unreadable(path, _look_at):
                looks.append((path, look))
        return looks

    def _list_names(self, folder: str) -> list[str]:
        return self._unless_unreadable(folder, file_access.list_names) or []

    def _unless_unreadable(self, path: str, look: Callable[[str], Seen]) -> Seen | None:
        """Returns what `look` sees; None, and notes it, where it fails and that is no error."""
        try:
            return look(path)
        except file_access.ERRORS:
            if self._fails:
                with file_errors.reading(path):
                    raise
            self._left_out[Reason.UNREADABLE].add(path)
            return None


def _look_at(path: str) -> Look:
    """Returns what is at a path, of which the rights let this process read it if it is a file."""
    look = file_access.look_at(path)
    if look.kind == "file":
        file_access.check_rights(path)
    return look


def _choose(paths: list[str]) -> str:
    """Returns the name of a file that stands for its other ones."""
    if len(paths) == 1:
        return paths[0]
    real = os.path.abspath
    return min(paths, key=lambda path: (file_access.real_path(path) != real(path), path))
