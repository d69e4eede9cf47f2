"""What ends lines and documents: carriage returns of old Macs, lines that only look blank."""

import json

import pytest

from tfrecords_tools.text.files import text_files
from tfrecords_tools.text.formats import format_detection, text_lines
from tfrecords_tools.text.read_report import ReadReport


@pytest.mark.parametrize("text_format", ["plain", "book", "wiki", "jsonl", "lines"])
def test_lines_of_old_macs_end_with_carriage_returns(read, text_format: str):
    text = {
        "wiki": '<doc title="t">\nt\n\none\ntwo\n</doc>\n',
        "jsonl": '{"text": "one\\ntwo"}\n\n{"text": "three"}\n',
    }.get(text_format, "one\ntwo\n\nthree\n")
    expected = read(text, text_format)
    assert expected
    assert read(text.replace("\n", "\r"), text_format) == expected
    assert read("\ufeff" + text.replace("\n", "\r"), text_format) == expected
    if text_format in ("wiki", "jsonl"):
        assert read(text.replace("\n", "\r")) == expected


def test_a_carriage_return_in_a_file_with_line_feeds_ends_no_line(read):
    assert read("a\rb\n\nc\rd") == [["a\rb"], ["c\rd"]]


def test_a_line_is_a_document(read):
    text = "one\n\n two\r\n\u200b\n \nthree"
    assert read(text, "lines") == [["one"], [" two"], ["three"]]
    report = ReadReport()
    documents = read(b"one\n\xff\ntwo\n", "lines", on_error="skip", report=report)
    assert documents == [["one"], ["two"]]
    assert report.skipped_lines == 1


INVISIBLE = ["\u200b", "\ufeff", "\xad", "\xa0", "\u2060 \t", "\u3000", "\u200e\u200f", "\u180e"]


@pytest.mark.parametrize("line", INVISIBLE)
def test_lines_of_invisible_characters_are_blank_in_every_format(read, line: str):
    assert read(f"{line}\none\n{line}\n{line}\r\ntwo\n", "plain") == [["one"], ["two"]]
    wrapped = f"{'word ' * 12}\n{line}\n{'other ' * 12}"
    assert read(wrapped, "book") == [[("word " * 12).strip(), ("other " * 12).strip()]]
    assert read(json.dumps({"text": f"one\n{line}\ntwo"})) == [["one", "two"]]
    assert read(f'{line}\n{{"text": "one"}}\n{line}\n') == [["one"]]
    assert read(f'{line}\n<doc title="t">\n{line}\none\n</doc>\n{line}\n') == [["one"]]


def test_a_long_line_of_invisible_characters_ends_a_document_once(
    read, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(text_files, "CHUNK_BYTES", 8)
    monkeypatch.setattr(text_lines, "MAX_LINE_BYTES", 8)
    assert read("a\n" + "\u200b" * 50 + "\nb\n", "plain") == [["a"], ["b"]]


def test_control_characters_stand_in_lines(read):
    beginning = "word\n" * (format_detection.HEAD_BYTES // 5 + 1)
    assert read(f"{beginning}\na\0b\x1b\n", "plain")[-1] == ["a\0b\x1b"]
