"""Only what this program made is removed or replaced."""

import re

import pytest

from mslt_tf.errors import UserError
from mslt_tf.files import removal


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"content of {name}")


def names_below(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


@pytest.fixture
def made(tmp_path):
    """A folder that carries a mark."""
    folder = tmp_path / "made"
    write(folder, "a", "b/c", "b/d/e")
    (folder / "empty").mkdir()
    removal.mark(str(folder), "export", facts={"step": 3})
    return folder


def test_a_marked_folder_is_removed_whole(made, tmp_path):
    removal.remove_marked(str(made), "export")
    assert list(tmp_path.iterdir()) == []


def test_what_came_into_a_marked_folder_later_stays(made):
    write(made, "b/thesis.txt", "notes")
    (made / "album").mkdir()
    mark = removal.read_mark(str(made), "export")
    assert removal.foreign_files(str(made), mark.owns) == ["album/", "b/thesis.txt", "notes"]
    assert removal.remove(str(made), mark.owns) == ["album/", "b/thesis.txt", "notes"]
    assert names_below(made) == ["b/thesis.txt", "notes"]
    assert (made / "album").is_dir()
    assert not (made / "b" / "d").exists()


@pytest.mark.parametrize("content", [None, "", "{}", '{"kind": "work"}', '{"kind": 3}', "\0\0"])
def test_a_folder_without_our_mark_stays(made, content):
    mark = made / removal.MARK_FILE
    mark.unlink() if content is None else mark.write_text(content)
    before = names_below(made)
    removal.remove_marked(str(made), "export")
    assert names_below(made) == before


def test_a_link_is_not_followed(made, tmp_path):
    theirs = tmp_path / "theirs"
    write(theirs, "thesis.txt")
    (made / "b" / "link").symlink_to(theirs)
    link = tmp_path / "link"
    link.symlink_to(made)
    mark = removal.read_mark(str(made), "export")
    assert removal.remove(str(link), lambda path: True) == []
    assert removal.remove(str(made), mark.owns) == ["b/link"]
    assert names_below(theirs) == ["thesis.txt"]


def test_a_folder_that_somebody_else_made_is_kept(tmp_path):
    write(tmp_path, "piece-1/x", "piece-2/y")
    owns = re.compile("piece-.*").match
    assert removal.remove(str(tmp_path), owns, keeps_folder=True) == []
    assert list(tmp_path.iterdir()) == []


def test_names_in_a_mark_reach_nothing_outside(made, tmp_path):
    write(tmp_path, "thesis.txt")
    mark = made / removal.MARK_FILE
    mark.write_text(mark.read_text().replace('"a"', '"../thesis.txt"'))
    removal.remove_marked(str(made), "export")
    assert (tmp_path / "thesis.txt").exists()


def test_a_new_folder_takes_the_place_of_the_one_before(made, tmp_path):
    new = tmp_path / "new"
    write(new, "z")
    removal.mark(str(new), "export")
    removal.replace(str(new), str(made), "export")
    assert names_below(made) == [removal.MARK_FILE, "z"]
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


@pytest.mark.parametrize("is_marked", [True, False])
def test_what_is_not_ours_is_not_replaced(made, tmp_path, is_marked):
    new = tmp_path / "new"
    write(new, "z")
    removal.mark(str(new), "export")
    write(made, "thesis.txt")
    if not is_marked:
        (made / removal.MARK_FILE).unlink()
    with pytest.raises(UserError, match=r"made holds (thesis.txt|a and 3 more), not written by"):
        removal.replace(str(new), str(made), "export")
    assert (made / "thesis.txt").exists()
    assert names_below(new) == [removal.MARK_FILE, "z"]


@pytest.mark.parametrize("kind", ["file", "link", "empty"])
def test_neither_a_file_nor_a_link_nor_an_empty_folder_is_replaced(tmp_path, kind):
    path = tmp_path / "export"
    if kind == "file":
        path.write_text("thesis")
    elif kind == "link":
        path.symlink_to(tmp_path / "nowhere")
    else:
        path.mkdir()
    with pytest.raises(UserError, match=r"(Move it away|Remove it), or give another --output_dir"):
        removal.check_replaceable(str(path), "export")
