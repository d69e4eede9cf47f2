"""What is said of the files of an input: how many there are, and what was left out and why."""

from pathlib import Path

from tests.tfrecords_tools.text.made_files import below, make_files
from tfrecords_tools.text.files.file_search import find_files
from tfrecords_tools.text.files.found_files import FoundFiles, Reason
from tfrecords_tools.text.read_report import ReadReport


def test_what_is_left_out_is_named_five_times_at_most_and_counted(tmp_path: Path):
    make_files(tmp_path, "a/b", "c", *(f".{number}" for number in range(1_007)))
    (tmp_path / "_new\nline").touch()
    found = find_files(str(tmp_path))
    names = ", ".join(below(tmp_path, *(f".{number}" for number in (0, 1, 10, 100, 1000))))
    assert list(found.describe()) == [
        "files: 2 in 2 folder(s), 4 bytes",
        f"left out: 1,008 hidden: names that begin with . or _: {names} and 1,003 more",
    ]
    assert found.report() == ReadReport(hidden_files=1_008)
    (line,) = FoundFiles(left_out={Reason.HIDDEN: ("_new\nline",)}).describe()
    assert line.endswith(r": _new\nline")


def test_a_name_can_neither_end_a_line_nor_move_the_cursor():
    line = next(FoundFiles(left_out={Reason.OWN: ("\x1b[2J", "ü", "\udcff")}).describe())
    assert line.endswith(r": \x1b[2J, ü, \udcff")
