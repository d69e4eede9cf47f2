"""Files of JSON lines after crashes."""

import json

import pytest
import tensorflow as tf

from mslt_tf.training import json_lines


def is_numbered(value):
    return isinstance(value, dict) and "number" in value


def read(path):
    """Returns the numbers of the lines that can be used, and what is reported."""
    notes = []
    lines = json_lines.read(str(path), is_numbered, report=notes.append)
    return [line.entry["number"] for line in lines], notes


def line(number):
    return b'{"number": %d}\n' % number


def test_lines_come_back_as_they_were_added(tmp_path):
    path = tmp_path / "x.jsonl"
    assert read(path) == ([], [])
    for number in (1, 2):
        json_lines.append(str(path), {"number": number})
    assert path.read_bytes() == line(1) + line(2)
    assert read(path) == ([1, 2], [])


@pytest.mark.parametrize("left", [b"", line(1), line(1) + b'{"num', b"\0" * 9], ids=repr)
def test_a_line_does_not_continue_what_a_crash_left(tmp_path, left):
    path = tmp_path / "x.jsonl"
    path.write_bytes(left)
    json_lines.append(str(path), {"number": 2})
    *_, last = path.read_bytes().splitlines()
    assert json.loads(last) == {"number": 2}
    assert read(path)[0][-1] == 2


def test_half_a_line_at_the_end_is_left_out_without_a_word(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(line(1) + b'{"number": 2')
    assert read(path) == ([1], [])


@pytest.mark.parametrize(
    "damage",
    [
        b"\0" * 4_096,
        b'{"number": 2',
        b"[1]",
        b"7",
        b"{}",
        b"\xff\xfe\x80",
        b"[" * 100_000,
        b"9" * 10_000,
        b"",
    ],
    ids=lambda damage: repr(damage[:12]),
)
def test_lines_that_are_no_entries_are_passed_over_and_counted(tmp_path, damage):
    path = tmp_path / "x.jsonl"
    path.write_bytes(line(1) + line(2) + damage + b"\n" + line(3) + damage + b"\n" + line(4))
    numbers, notes = read(path)
    assert numbers == [1, 2, 3, 4]
    assert notes == [
        f"note: {path} has 2 line(s) that are no entries, the first is line 3; "
        "they are left out from here on"
    ]


def test_zeros_at_the_end_of_a_file_are_more_than_half_a_line(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(line(1) + b"\0" * 100)
    numbers, (note,) = read(path)
    assert numbers == [1]
    assert "1 line(s)" in note
    assert "line 2" in note


def test_a_file_keeps_its_lines_until_the_new_ones_are_whole(tmp_path, monkeypatch):
    path = tmp_path / "x.jsonl"
    path.write_bytes(line(1) + line(2))
    lines = json_lines.read(str(path), is_numbered, report=pytest.fail)

    def fail(*_, **__):
        assert (tmp_path / ".x.jsonl.partial_of_mslt_tf").read_bytes() == line(2)
        raise tf.errors.UnavailableError(None, None, "gone")

    with monkeypatch.context() as patch:
        patch.setattr(tf.io.gfile, "rename", fail)
        with pytest.raises(tf.errors.UnavailableError):
            json_lines.write(str(path), lines[1:])
    assert path.read_bytes() == line(1) + line(2)
    json_lines.write(str(path), lines[1:])
    assert path.read_bytes() == line(2)
    assert [each.name for each in tmp_path.iterdir()] == ["x.jsonl"]
