"""From the bytes of small texts to documents, in each of the formats."""

import json

import pytest

from mslt_tf.errors import UserError
from tfrecords_tools.text.files import text_files
from tfrecords_tools.text.formats import text_formats, text_lines
from tfrecords_tools.text.read_report import ReadReport

WIKI = """\
<doc id="1" url="http://x/?curid=1" title="Cats &amp; "big" dogs">
Cats & "big" dogs

A cat is an animal. It sleeps.
Cats & "big" dogs
AT&amp;T has 3 &lt; 4 and no &amp;lt; but &lt;/doc&gt;

</doc>
<doc id="2" url="http://x/?curid=2" title="Nothing">
Nothing

</doc>
"""
# Only the first line is the title; the same words further down are text.
# WikiExtractor escapes the body once, so it is undone once.
FIRST = [
    "A cat is an animal. It sleeps.",
    'Cats & "big" dogs',
    "AT&T has 3 < 4 and no &lt; but </doc>",
]


def skip(read, content: str | bytes, text_format: str = "auto"):
    """Returns what is left of a text with mistakes, and the report on them."""
    report = ReadReport()
    return read(content, text_format, on_error="skip", report=report), report


def test_blank_lines_divide_plain_text_into_documents(read):
    text = "\n\n one\ntwo\n\n \t\n\nthree\nfour"
    assert read(text) == [[" one", "two"], ["three", "four"]]


def test_byte_order_mark_and_windows_line_ends_leave_no_trace(read):
    text = b"\xef\xbb\xbfone\r\ntwo\r\n\r\nthree\r\n"
    assert read(text) == [["one", "two"], ["three"]]


def test_only_line_feeds_end_lines(read):
    line = "ab\rc\fd\ve\x1cf\x85g\u2028h\u2029i"
    assert read(f"{line}\n\n{line}\r\n", "plain") == [[line], [line]]
    assert read(f"{line}\n\n{line}\r\n", "book") == [[line, line]]
    assert read(f'<doc title="x">\n{line}\n</doc>\n') == [[line]]
    assert read(json.dumps({"text": f"{line}\n{line}"})) == [[line, line]]


@pytest.mark.parametrize("text_format", ["auto", "plain", "wiki", "jsonl", "book"])
def test_a_file_without_text_has_no_document(read, text_format: str):
    report = ReadReport()
    assert read("", text_format, report=report) == []
    assert report == ReadReport(empty_files=1)
    assert read("\n \r\n\n", text_format, report=report) == []
    assert report == ReadReport(empty_files=1)


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 5, 1 << 20])
def test_text_is_the_same_in_chunks_of_any_size(
    read, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(text_files, "CHUNK_BYTES", chunk_bytes)
    seen: list[int] = []
    text = "\ufeffgrün \u2028 中文\n\nend"
    assert read(text, advance=seen.append) == [["grün \u2028 中文"], ["end"]]
    assert sum(seen) == len(text.encode())


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 20])
def test_the_place_of_a_byte_that_is_not_utf8_is_named(
    read, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(text_files, "CHUNK_BYTES", chunk_bytes)
    text = "grün\nund\ncaf".encode() + b"\xe9 noir\n\nend"
    with pytest.raises(UserError, match=r"a\.txt is not UTF-8 text: byte 13 is 0xe9 .*iconv"):
        read(text)
    documents, report = skip(read, text)
    assert documents == [["grün", "und"], ["end"]]
    assert report.skipped_lines == 1
    assert "byte 13 is 0xe9" in report.reasons[0]


def test_a_line_that_is_left_out_ends_no_document(read):
    documents, report = skip(read, b"one\n\xff\ntwo\n\n\xfe\nthree\xff\nfour")
    assert documents == [["one", "two"], ["four"]]
    assert report.skipped_lines == 3


def test_only_the_first_reasons_are_kept(read):
    report = skip(read, b"\xff\n" * 100)[1]
    assert (report.skipped_lines, len(report.reasons)) == (100, 5)


@pytest.mark.parametrize("chunk_bytes", [1, 3, 10])
@pytest.mark.parametrize("text_format", ["plain", "wiki", "book"])
def test_long_lines_are_cut_at_spaces_and_counted(
    read, chunk_bytes: int, text_format: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(text_files, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(text_formats, "MAX_WRAPPED", 0)
    begin, end = ('<doc title="">\n', "\n</doc>\n") if text_format == "wiki" else ("", "\n")
    monkeypatch.setattr(text_lines, "MAX_LINE_BYTES", 16)  # the <doc> line has 14
    long = "one two three four five\nxüüüüüüüüüü 中中中\n" + " " * 40 + "x" + " " * 40 + "\nlast"
    report = ReadReport()
    (document,) = read(begin + long + end, text_format, report=report)
    assert [line.strip() for line in document] == [
        "one two three",
        "four five",
        "xüüüüüüü",  # an eighth ü would have its second byte behind the end
        "üüü 中中中",
        "x",
        "last",
    ]
    assert report.cut_lines == 3


def test_a_long_blank_line_ends_a_document_once(read, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(text_files, "CHUNK_BYTES", 8)
    monkeypatch.setattr(text_lines, "MAX_LINE_BYTES", 8)
    assert read("a\n" + " " * 50 + "\nb\n" + "c " * 20 + " " * 20 + "\nd", "plain") == [
        ["a"],
        ["b", *["c c c c "] * 5, "d"],
    ]


@pytest.mark.parametrize("text_format", ["plain", "wiki", "jsonl", "book"])
def test_long_documents_come_in_parts(read, text_format: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(text_formats, "MAX_DOCUMENT_CHARACTERS", 250)
    lines = [f"{number} sentence." for number in range(7)]
    joined = "\n".join(lines)
    text = {
        "wiki": f'<doc title="">\n{joined}\n</doc>\n',
        "jsonl": json.dumps({"text": joined}),
    }.get(text_format, joined)
    report = ReadReport()
    documents = read(text, text_format, report=report)
    assert documents == [lines[:3], lines[3:6], lines[6:]]
    assert report == ReadReport(cut_documents=1)


def test_wiki_blocks_are_documents_without_their_titles(read):
    assert read("\n" + WIKI) == [FIRST, []]


def test_an_escaped_title_is_left_out_too(read):
    text = '<doc id="1" url="u" title="Q &amp; A">\nQ &amp; A\n\nText.\n\n</doc>\n'
    assert read(text) == [["Text."]]


def test_an_escaped_end_of_a_line_ends_none(read):
    text = '<doc id="1" url="u" title="t">\nhello world. this&#10;is fine.\n\n</doc>\n'
    assert read(text) == [["hello world. this is fine."]]


def test_a_block_later_in_plain_text_is_text(read):
    line = WIKI.split("\n")[0]
    assert read("text\n" + line) == [["text", line]]


@pytest.mark.parametrize(
    ("text", "message", "kept"),
    [
        (WIKI + "stray\n" + WIKI, "line 13 stands outside of one", [FIRST, []]),
        (WIKI.replace("</doc>", "", 1), "line 9 begins one inside another", [FIRST]),
        (
            WIKI[: WIKI.index("It sleeps")],
            "the last one, .* has no </doc>",
            [["A cat is an animal. "]],
        ),
        (WIKI.replace("Nothing\n\n</doc>\n", ""), "the last one, 'Nothing', has no", [FIRST]),
    ],
)
def test_broken_wiki_blocks_are_refused_or_read_up_to_there(
    read, text: str, message: str, kept: list[list[str]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(text_files, "CHUNK_BYTES", 8)  # so that some are never read
    with pytest.raises(UserError, match=message):
        read(text)
    seen: list[int] = []
    report = ReadReport()
    assert read(text, on_error="skip", report=report, advance=seen.append) == kept
    assert report.broken_files == 1
    assert sum(seen) == len(text.encode())


def test_text_that_is_no_wiki_block_is_told_the_flag_that_says_so(read):
    with pytest.raises(UserError, match=r"but line 2 stands .*: it begins with none\. .*--text_f"):
        read("\nA cat is an animal.\n", "wiki")


def test_json_lines_are_documents_of_the_lines_in_their_text(read):
    lines = [
        {"text": "one\n\n two \r\nthree\n", "title": "one"},
        {"n": {}, "text": ""},
        {"text": "AT&amp;T"},
    ]
    text = "\ufeff" + "\r\n".join(map(json.dumps, lines[:2])) + "\n \n" + json.dumps(lines[2])
    assert read(text) == [["one", " two ", "three"], [], ["AT&amp;T"]]


def test_another_field_can_hold_the_text(read):
    assert read('{"text": 3, "body": "x"}', text_field="body") == [["x"]]


def test_json_of_wikiextractor_is_like_its_blocks(read):
    value = {"id": "1", "url": "u", "title": "Q & A", "text": "Q &amp; A\n\nAT&amp;T sleeps."}
    assert read(json.dumps(value)) == [["AT&T sleeps."]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": cut', "line 3, is no JSON object"),
        ("text", "line 3, is no JSON object"),
        ("[" * 100_000, "line 3, is no JSON object"),
        ('["text"]', "line 3, is no JSON object"),
        ('{"content": "x"}', "line 3, has no 'text', but 'content'"),
        ('{"text": ["a"]}', "line 3, has a 'text' that is no string"),
        (r'{"text": "\ud800"}', "line 3, has half a character"),
    ],
)
def test_a_line_that_is_no_object_with_text_is_refused_or_skipped(read, line: str, message: str):
    text = '{"text": "one"}\n\n' + line + '\n{"text": "two"}\n'
    with pytest.raises(UserError, match=f"a.txt, {message}.*--text_field"):
        read(text)
    documents, report = skip(read, text)
    assert documents == [["one"], ["two"]]
    assert report.skipped_lines == len(report.reasons) == 1


@pytest.mark.parametrize("chunk_bytes", [1, 7, 30])
def test_a_too_long_json_line_is_refused_or_skipped(
    read, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(text_files, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(text_lines, "MAX_JSON_BYTES", 30)
    long = '{"text": "' + "x" * 99 + '"}\n'
    text = '{"text": "one"}\n' + long * 2 + '{"text": "two"}\n{"text": "three", "n": 12345}\n'
    with pytest.raises(UserError, match="line of more than 30 bytes, from byte 16 on"):
        read(text, "jsonl")
    documents, report = skip(read, text + "wrong", "jsonl")
    assert documents == [["one"], ["two"], ["three"]]
    assert report.skipped_lines == 3
    assert "line 6, is no JSON" in report.reasons[-1]


def test_a_long_paragraph_in_json_is_cut(read, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(text_formats, "_MAX_PARAGRAPH_CHARACTERS", 8)
    report = ReadReport()
    documents = read(json.dumps({"text": "one two three fourfivesix\nx"}), report=report)
    assert documents == [["one two ", "three ", "fourfive", "six", "x"]]
    assert report.cut_lines == 1
