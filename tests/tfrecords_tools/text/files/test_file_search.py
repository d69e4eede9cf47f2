"""Files: found by patterns, folders and links, each once; what is left out is named."""

import os
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from tests.tfrecords_tools.text.made_files import below, make_files
from tfrecords_tools.text.files import file_search
from tfrecords_tools.text.files.file_search import find_files
from tfrecords_tools.text.files.found_files import FoundFiles, Reason

NOBODY = 65_534


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder, and a process to which the rights of files mean something."""
    folder = tempfile.mkdtemp()
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield Path(folder)
    finally:
        if is_root:
            os.seteuid(0)
        subprocess.run(["chmod", "-R", "u+rwx", folder], check=True)
        shutil.rmtree(folder)


def test_a_folder_stands_for_all_files_below_that_are_not_hidden(tmp_path: Path):
    make_files(tmp_path, "b/B", "b/A.gz", "a", "z/z/z", ".x", "_SUCCESS", "b/.git/y/u", "b/_t")
    expected = FoundFiles(
        below(tmp_path, "a", "b/A.gz", "b/B", "z/z/z"),
        num_bytes=1 + 6 + 3 + 5,
        left_out={Reason.HIDDEN: below(tmp_path, ".x", "_SUCCESS", "b/.git", "b/_t")},
    )
    assert find_files(str(tmp_path)) == expected
    assert find_files(f"{tmp_path}/**") == expected
    assert find_files(f"{tmp_path}/**/*") == expected
    assert find_files(f"{tmp_path},{tmp_path}/b") == expected


def test_a_pattern_takes_folders_with_all_that_is_in_them(tmp_path: Path):
    make_files(tmp_path, "wiki/AA/wiki_00", "wiki/AB/wiki_00", "wiki/AB/x/y", "wiki/README")
    found = find_files(f"{tmp_path}/wiki/*").paths
    assert found == below(tmp_path / "wiki", "AA/wiki_00", "AB/wiki_00", "AB/x/y", "README")
    found = find_files(f"{tmp_path}/**/wiki_*").paths
    assert found == below(tmp_path / "wiki", "AA/wiki_00", "AB/wiki_00")


@pytest.mark.parametrize(
    ("name", "found", "hidden"), [("_a", "_a", ".a"), (".a", ".a", "_a"), ("_*", "_a", ".a")]
)
def test_a_hidden_file_is_read_if_its_name_or_the_begin_of_it_is_given(
    tmp_path: Path, name: str, found: str, hidden: str
):
    make_files(tmp_path, "_a", ".a", "b")
    files = find_files(f"{tmp_path},{tmp_path}/{name}")
    assert files.paths == below(tmp_path, found, "b")
    assert files.left_out == {Reason.HIDDEN: below(tmp_path, hidden)}


def test_a_pattern_that_hidden_files_alone_would_match_says_so(tmp_path: Path):
    make_files(tmp_path, "_a", ".a")
    with pytest.raises(UserError, match=r"matches no file.*left out: 2 hidden: .*/\.a, .*/_a$"):
        find_files(f"{tmp_path}/?a")


def test_links_to_folders_are_followed_once(tmp_path: Path):
    make_files(tmp_path, "in/a/b", "in/z/y", "out/c", "out/sub/d")
    for link, target in {
        "in/a/up": "in",
        "in/a/further_up": ".",
        "in/a/other": "out",
        "in/b": "in/z",
        "in/z/other_too": "out",
        "in/z/below": "out/sub",
        "out/back": "in/a",
    }.items():
        (tmp_path / link).symlink_to(tmp_path / target)
    found = find_files(f"{tmp_path}/in")
    assert found.paths == below(tmp_path / "in", "a/b", "a/other/c", "a/other/sub/d", "z/y")
    left_out = ("a/further_up", "a/other/back", "a/up", "b", "z/below", "z/other_too")
    assert found.left_out == {Reason.REPEATED: below(tmp_path / "in", *left_out)}


@pytest.mark.parametrize("order", [1, -1])
def test_a_file_with_several_names_is_read_once_by_the_first_that_is_no_link(
    tmp_path: Path, order: int, monkeypatch: pytest.MonkeyPatch
):
    make_files(tmp_path, "b", "same", "sub/x")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "link").symlink_to("sub")
    os.link(tmp_path / "b", tmp_path / "c")
    (tmp_path / "same_content").write_text("same")
    monkeypatch.chdir(tmp_path)
    patterns = ["a", "b", "c", "./b", "?", f"{tmp_path}/same", "same*", "link", "sub/../sub"]
    found = find_files(",".join(patterns[::order]))
    assert found.paths == ("./b", f"{tmp_path}/same", "same_content", "sub/../sub/x")
    assert found.left_out == {Reason.REPEATED: ("a", "b", "c", "link/x", "same")}


def test_pipes_sockets_and_devices_are_left_out_and_refused_when_named(tmp_path: Path):
    make_files(tmp_path, "a")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for pattern in (tmp_path, f"{tmp_path}/*"):
            found = find_files(str(pattern))
            assert found.paths == below(tmp_path, "a")
            assert found.left_out == {Reason.SPECIAL: below(tmp_path, "device", "pipe", "socket")}
    for name, kind in {"pipe": "a pipe", "socket": "a socket", "device": "a device"}.items():
        for on_error in ("fail", "skip"):
            with pytest.raises(UserError, match=rf"{name}', which is {kind} and no file: .* Write"):
                find_files(f"{tmp_path}/a,{tmp_path}/{name}", on_error=on_error)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["file", "folder", "nowhere"])
def test_what_is_unreadable_is_an_error_or_left_out_but_never_when_named(
    unprivileged: Path, name: str
):
    make_files(unprivileged, "a", "file", "folder/b")
    (unprivileged / "file").chmod(0)
    (unprivileged / "folder").chmod(0)
    (unprivileged / "nowhere").symlink_to("absent")
    for other in {"file", "folder", "nowhere"} - {name}:
        path = unprivileged / other
        path.chmod(0o700) if other == "folder" else path.unlink()
    readable = ["a"] + ["folder/b"] * (name != "folder")
    for pattern in (unprivileged, f"{unprivileged}/*"):
        with pytest.raises(UserError, match=rf"^{unprivileged}/{name} cannot be read \(.*yours to"):
            find_files(str(pattern))
        found = find_files(str(pattern), on_error="skip")
        assert found.paths == below(unprivileged, *readable)
        assert found.left_out == {Reason.UNREADABLE: below(unprivileged, name)}
    with pytest.raises(UserError, match=rf"^{unprivileged}/{name} cannot be read \("):
        find_files(f"{unprivileged}/{name}", on_error="skip")


def test_what_the_program_owns_is_no_input(tmp_path: Path):
    make_files(tmp_path, "a", "vocab.txt", "out/x", "out/deep/y", "work/z", "outer")
    (tmp_path / "to_deep").symlink_to(tmp_path / "out" / "deep")
    (tmp_path / "to_z").symlink_to(tmp_path / "work" / "z")
    (tmp_path / "other_vocab").symlink_to(tmp_path / "vocab.txt")
    own = below(tmp_path, "vocab.txt", "out/", "more/../work", "absent")
    (tmp_path / "more").mkdir()
    left_out = below(tmp_path, "other_vocab", "out", "to_deep", "to_z", "vocab.txt", "work")
    for pattern in (tmp_path, f"{tmp_path}/*"):
        found = find_files(str(pattern), own=own)
        assert found.paths == below(tmp_path, "a", "outer")
        assert found.left_out == {Reason.OWN: left_out}
    with pytest.raises(UserError, match=r"matches no file.* left out: 1 written or used by this"):
        find_files(f"{tmp_path}/vocab.txt", own=own)


@pytest.mark.parametrize("pattern", ["*.md", "folder", "none", "none/*", "a.txt/*", "x\0y"])
def test_a_pattern_without_files_is_refused(tmp_path: Path, pattern: str):
    (tmp_path / "folder").mkdir()
    make_files(tmp_path, "a.txt", "folder/_hidden")
    with pytest.raises(UserError, match=r"which matches no file\. Give folders, files or glob"):
        find_files(f"{tmp_path}/a.txt,{tmp_path}/{pattern}")


def test_a_home_of_nobody_is_refused():
    with pytest.raises(UserError, match=r"'~nobody_at_all/a', which matches no file\. No home is"):
        find_files("~nobody_at_all/a")


def test_an_input_without_any_pattern_is_refused():
    with pytest.raises(UserError, match="names no file"):
        find_files(" , ")


def test_a_name_with_a_comma_stands_in_double_quotes(tmp_path: Path):
    make_files(tmp_path, "a,b.txt", "c.txt", "d,e/f")
    given = f'"{tmp_path}/a,b.txt",{tmp_path}/c.txt,"{tmp_path}/d,e"'
    assert find_files(given).paths == below(tmp_path, "a,b.txt", "c.txt", "d,e/f")


@pytest.mark.parametrize("name", ["a,b.txt", "a,b*", "folder,of,texts", "it's, here"])
def test_a_name_with_a_comma_that_lacks_its_quotes_is_told_how_to_be_written(
    tmp_path: Path, name: str
):
    make_files(tmp_path, "a,b.txt", "folder,of,texts/a", "it's, here", "other")
    path = f"{tmp_path}/{name}"
    with pytest.raises(UserError) as raised:
        find_files(f"{tmp_path}/other,{path}")
    begin, _, flag = str(raised.value).removesuffix(".").partition("--input=")
    assert begin.endswith(f"But {path!r} does: write a name with a comma in double quotes, ")
    (value,) = shlex.split(flag)  # what the shell passes on
    assert value == f'"{path}"'
    (found,) = find_files(value).paths
    assert "," in found


def test_a_quote_without_an_end_is_refused():
    with pytest.raises(UserError, match=r"^--input: .*end of data\. Double quotes belong"):
        find_files('"a,b.txt')


@pytest.mark.parametrize("name", ["a[1].txt", "a*.txt", "b?", "b[12]"])
def test_a_name_that_is_there_is_not_taken_for_a_pattern(tmp_path: Path, name: str):
    make_files(tmp_path, "a[1].txt", "a*.txt", "a1.txt", "b?/c", "b[12]/c", "b1/c", "b2/c")
    path = tmp_path / name
    assert find_files(str(path)).paths == (str(path / "c" if path.is_dir() else path),)


def test_a_name_with_brackets_that_is_not_there_is_a_pattern(tmp_path: Path):
    make_files(tmp_path, "a1.txt", "a2.txt", "a3.txt")
    assert find_files(f"{tmp_path}/a[12].txt").paths == below(tmp_path, "a1.txt", "a2.txt")


def test_many_files_are_found_soon(tmp_path: Path):
    # A folder's own name is looked up once, not once for each of its files.
    make_files(tmp_path, *(f"folder/{number}" for number in range(500)))
    calls = []
    real = os.path.realpath
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os.path, "realpath", lambda path: calls.append(path) or real(path))
        assert len(find_files(str(tmp_path)).paths) == 500
    assert len(calls) < 10


def test_the_search_begins_before_the_first_star(tmp_path: Path):
    make_files(tmp_path, "a[1]", "b/c")
    patterns = ("a[1]", "b/*", "b/none", "b/*/d", "none*")
    starts = list(file_search.find_starts(",".join(below(tmp_path, *patterns))))
    found = [start for _, start in starts]
    assert found == [*below(tmp_path, "a[1]", "b", "b/none", "b"), str(tmp_path)]
