"""Documents and sentences of text files."""

from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from tfrecords_tools import corpus

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


def write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def read(path: Path, content: str | bytes) -> list[list[str]]:
    return list(corpus.read_file(write(path, content)))


def test_blank_lines_divide_plain_text_into_documents(tmp_path: Path):
    text = "\n\n one\ntwo\n\n \t\n\nthree\nfour"
    assert read(tmp_path / "a", text) == [[" one", "two"], ["three", "four"]]


def test_byte_order_mark_and_windows_line_ends_leave_no_trace(tmp_path: Path):
    text = b"\xef\xbb\xbfone\r\ntwo\r\n\r\nthree\r\n"
    assert read(tmp_path / "a", text) == [["one", "two"], ["three"]]


def test_wiki_blocks_are_documents_without_their_titles(tmp_path: Path):
    # Only the first line is the title; the same words further down are text.
    # WikiExtractor escapes the body once, so it is undone once.
    escaped = "AT&T has 3 < 4 and no &lt; but </doc>"
    first = ["A cat is an animal. It sleeps.", 'Cats & "big" dogs', escaped]
    assert read(tmp_path / "a", "\n" + WIKI) == [first, []]


def test_a_block_later_in_plain_text_is_text(tmp_path: Path):
    assert read(tmp_path / "a", "text\n" + WIKI.split("\n")[0]) == [
        ["text", '<doc id="1" url="http://x/?curid=1" title="Cats &amp; "big" dogs">']
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (WIKI + "stray", "line 13 stands outside of one"),
        (WIKI.replace("</doc>", "", 1), "line 9 begins one inside another"),
        (WIKI.removesuffix("</doc>\n"), "the last one, 'Nothing', has no </doc>"),
    ],
)
def test_broken_wiki_blocks_are_refused(tmp_path: Path, text: str, message: str):
    with pytest.raises(UserError, match=message):
        read(tmp_path / "a", text)


def test_an_escaped_title_is_left_out_too(tmp_path: Path):
    text = '<doc id="1" url="u" title="Q &amp; A">\nQ &amp; A\n\nText.\n\n</doc>\n'
    assert read(tmp_path / "a", text) == [["Text."]]


def test_json_lines_of_wikiextractor_are_refused_by_name(tmp_path: Path):
    line = '{"id": "1", "url": "u", "title": "Cats", "text": "Cats sleep."}\n'
    with pytest.raises(UserError, match=r"wiki_00 begins with a JSON .* without --json"):
        read(tmp_path / "wiki_00", "\n" + line)


@pytest.mark.parametrize("line", ['{"id": "1"}', '{"text": cut', "{text}", '"text"'])
def test_other_text_with_braces_is_text(tmp_path: Path, line: str):
    assert read(tmp_path / "a", line) == [[line]]


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 20])
def test_the_place_of_a_byte_that_is_not_utf8_is_named(
    tmp_path: Path, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(corpus, "_CHUNK_BYTES", chunk_bytes)
    with pytest.raises(UserError, match=r"broken\.txt is not UTF-8 text: byte 13 is 0xe9"):
        read(tmp_path / "broken.txt", "grün\nund\ncaf".encode() + b"\xe9 noir\n")


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 5, 1 << 20])
def test_text_is_the_same_in_chunks_of_any_size(
    tmp_path: Path, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(corpus, "_CHUNK_BYTES", chunk_bytes)
    seen = []
    path = write(tmp_path / "a", "\ufeffgrün \u2028 中文\n\nend")
    assert list(corpus.read_file(path, advance=seen.append)) == [["grün \u2028 中文"], ["end"]]
    assert sum(seen) == Path(path).stat().st_size == corpus.count_bytes(path)


def test_files_of_all_patterns_are_read_once_in_order_of_their_names(tmp_path: Path):
    for name in ("b.txt", "a.txt", "c.md"):
        write(tmp_path / name, name)
    (tmp_path / "folder.txt").mkdir()
    patterns = f"{tmp_path}/*.txt, {tmp_path}/c.md,{tmp_path}/a*"
    assert list(corpus.read_documents(patterns)) == [["a.txt"], ["b.txt"], ["c.md"]]
    assert corpus.describe_input(patterns) == {"input_files": 3, "input_bytes": 14}


@pytest.mark.parametrize("pattern", ["*.md", "folder"])
def test_a_pattern_without_files_is_refused(tmp_path: Path, pattern: str):
    (tmp_path / "folder").mkdir()
    write(tmp_path / "a.txt", "a")
    with pytest.raises(UserError, match=r"which matches no file\. Give files or glob patterns"):
        corpus.list_input_files(f"{tmp_path}/a.txt,{tmp_path}/{pattern}")


def test_an_input_without_any_pattern_is_refused():
    with pytest.raises(UserError, match="names no file"):
        corpus.list_input_files(" , ")


def test_paragraphs_are_split_into_sentences_but_not_after_abbreviations():
    document = [
        "Mr. Smith slept. The book of J. R. R. Tolkien lay open!",
        "",
        "A line without an end",
        "Nul\0.",
    ]
    assert corpus.split_sentences(document) == [
        "Mr. Smith slept.",
        "The book of J. R. R. Tolkien lay open!",
        "A line without an end",
        "Nul .",
    ]


def test_real_wikipedia_has_a_document_per_block(real_data: Path):
    path = real_data / "wikipedia" / "wiki_00"
    documents = list(corpus.read_file(str(path)))
    content = path.read_text("utf-8")
    assert len(documents) == content.count("\n</doc>")
    assert documents[0][0].startswith("Anarchism is a political philosophy")
    joined = "\n".join(line for document in documents for line in document)
    assert "<doc" not in joined
    assert len(joined) > 0.95 * len(content)


def test_real_novels_lose_their_byte_order_mark(real_data: Path):
    path = min((real_data / "novels").iterdir())
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    document = next(corpus.read_file(str(path)))
    assert document[0] == "CLARA VAUGHAN"
