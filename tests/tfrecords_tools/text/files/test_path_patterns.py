"""Glob patterns match what they match in bash; hidden names are told apart."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tfrecords_tools.text.files import file_access, path_patterns

NAMES = (
    *("a", "a.txt", "b.txt", "[1].txt", "1.txt", "x*y", "xzy", "a\\b", "ü.txt", "new\nline.txt"),
    *("d/a.txt", "d/e/a.txt", "d/e/f/b.txt", "d/e/f/c", "g h/a.txt", "d/.hid/a.txt", ".h.txt"),
)
PATTERNS = (
    *("*", "*.txt", "?.txt", "[ab].txt", "[!ab].txt", "[^ab].txt", "[a-b]*", "*[*]*", r"x\*y"),
    *(
        r"\[1\].txt",
        r"[[]1].txt",
        "a\\\\b",
        "*/",
        "*/*",
        "d/*/*.txt",
        "*/e",
        "**/*.txt",
        "d/**/f/*",
    ),
    *("**/e/**/*.txt", "**/", "d//*.txt", "g*/a.txt", "none*", "*/none", ".*.txt", "**/.h*/*.txt"),
    *("*/a.txt", "**/[b]*", "**/**/a.txt"),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current one, with files."""
    for name in NAMES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def folders_below(folder: str) -> Iterator[str]:
    for path, folders, _ in os.walk(folder or "."):
        folders[:] = [name for name in folders if not path_patterns.is_hidden(name)]
        yield path.removeprefix("./") if path != "." else folder


def expand(pattern: str) -> set[tuple[str, str]]:
    return set(
        path_patterns.expand(
            pattern, list_names=file_access.list_names, folders_below=folders_below
        )
    )


def in_bash(pattern: str) -> set[str]:
    script = f"shopt -s globstar nullglob; printf '%s\\0' {pattern}".replace("g h", "g\\ h")
    output = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout
    return {name.rstrip("/") for name in output.decode().split("\0") if name}


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash to compare with")
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_matches_what_it_matches_in_bash(folder: Path, pattern: str):
    found = {os.path.normpath(path) for path, hidden in expand(pattern) if not hidden}
    assert found - {"."} == {os.path.normpath(path) for path in in_bash(pattern)}


def test_all_at_any_depth_is_the_folder(folder: Path):
    for end in ("**", "**/*", "**/**", "**/**/*"):
        assert expand(f"d/{end}") == {("d", "")}
        assert expand(end) == {("", "")}
        assert expand(f"{folder}/{end}") == {(str(folder), "")}
        assert expand(f"none/{end}") == set()


def test_what_a_pattern_would_match_if_it_were_not_hidden_is_told(folder: Path):
    assert ("d/.hid/a.txt", "d/.hid") in expand("d/*/a.txt")
    assert (".h.txt", ".h.txt") in expand("*.txt")
    assert ("d/.hid", "") in expand("d/.hid*")
    assert ("d/.hid/a.txt", "") in expand("d/.hid/*.txt")
    assert not any(".hid" in path for path, _ in expand("d/*/none"))


def test_an_underscore_hides_too(folder: Path):
    (folder / "_SUCCESS").touch()
    assert expand("*SUCCESS") == {("_SUCCESS", "_SUCCESS")}
    assert expand("_*") == {("_SUCCESS", "")}
