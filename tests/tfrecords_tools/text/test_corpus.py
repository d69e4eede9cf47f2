"""The documents of a whole input, and their sentences."""

from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from tests.tfrecords_tools.text import corpus
from tfrecords_tools.text.read_report import ReadReport
from tfrecords_tools.text.text_input import TextInput


def write(path: Path, content: str | bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_files_of_all_patterns_are_read_once_in_order_of_their_names(tmp_path: Path):
    for name in ("b.txt", "a.txt", "c.md"):
        write(tmp_path / name, name)
    (tmp_path / "folder.txt").mkdir()
    patterns = f"{tmp_path}/*.txt, {tmp_path}/c.md,{tmp_path}/a*"
    assert list(corpus.read_documents(patterns)) == [["a.txt"], ["b.txt"], ["c.md"]]
    assert corpus.describe_input(patterns) == {"input_files": 3, "input_bytes": 14}


def test_a_text_input_is_read_in_its_format_and_bytes_are_told(tmp_path: Path):
    path = write(tmp_path / "a.txt", "one\n\ntwo\n")
    text_input = TextInput(input=path, text_format="book")
    seen: list[int] = []
    report = ReadReport()
    documents = corpus.read_documents(text_input, advance=seen.append, report=report)
    assert list(documents) == [["one", "two"]]
    assert sum(seen) == corpus.count_bytes(text_input) == 9
    assert report == ReadReport()


def test_what_is_skipped_stands_in_the_report(tmp_path: Path):
    write(tmp_path / "a" / "_SUCCESS", "hidden")
    write(tmp_path / "a" / "a.txt", b"one\n\xff\ntwo\n")
    report = ReadReport()
    with pytest.raises(UserError, match=r"a\.txt is not UTF-8"):
        list(corpus.read_documents(f"{tmp_path}/a"))
    documents = corpus.read_documents(f"{tmp_path}/a", on_error="skip", report=report)
    assert list(documents) == [["one", "two"]]
    assert (report.hidden_files, report.skipped_lines) == (1, 1)


def test_the_embedded_corpus_is_known_by_its_versions():
    assert list(corpus.describe_input("embedded")) == ["input_versions"]
    assert corpus.count_bytes("embedded") > 1_000_000


def test_paragraphs_are_split_into_sentences_but_not_after_abbreviations():
    document = [
        "Mr. Smith slept. The book of J. R. R. Tolkien lay open!",
        "",
        "A line without an end",
        "Nul\0.",
        "A form\ffeed, a lone\rreturn, a vertical\vtab",
    ]
    assert corpus.split_sentences(document) == [
        "Mr. Smith slept.",
        "The book of J. R. R. Tolkien lay open!",
        "A line without an end",
        "Nul.",
        "A form\ffeed, a lone\rreturn, a vertical\vtab",
    ]


def test_real_wikipedia_has_a_document_per_block(real_data: Path):
    path = real_data / "wikipedia" / "wiki_00"
    documents = list(corpus.read_documents(str(path)))
    content = path.read_text("utf-8")
    assert len(documents) == content.count("\n</doc>")
    assert documents[0][0].startswith("Anarchism is a political philosophy")
    joined = "\n".join(line for document in documents for line in document)
    assert "<doc" not in joined
    assert len(joined) > 0.95 * len(content)


def test_real_novels_lose_their_byte_order_mark(real_data: Path):
    path = min((real_data / "novels").iterdir())
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    document = next(corpus.read_documents(str(path)))
    assert document[0] == "CLARA VAUGHAN"


def test_a_real_wrapped_novel_is_one_document_of_paragraphs(real_data: Path):
    path = real_data / "novels" / "Bennet_Babylon_1902.txt"
    (document,) = corpus.read_documents(str(path))
    assert "".join("".join(document).split()) == "".join(path.read_text("utf-8-sig").split())
    assert sum(len(paragraph) > 100 for paragraph in document) > 700
    assert not any("\n" in paragraph or "\r" in paragraph for paragraph in document)
