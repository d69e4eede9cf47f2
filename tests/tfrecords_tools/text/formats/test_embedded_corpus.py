"""The corpus inside the Python installation."""

import ast
import json
import sys

import pytest

from mslt_tf.errors import UserError
from tfrecords_tools.text.formats import embedded_corpus

SOURCE = '''
"""A module that explains what it does in enough words."""
x = lambda: 0
class First:
    """The first class has a docstring of several English words.

    >>> First() is better left out than taken for an English sentence

    Title of the section
    ====================
    """
    if x:
        def method(self):
            """The method of :class:`First` *does* nothing ``at all`` for its caller."""
    "A string that is no docstring, however many words it has."
def last():
    """Short."""
'''


def paragraphs(source: str) -> list[str]:
    text = "\n\n".join(embedded_corpus._docstrings(ast.parse(source)))
    return list(embedded_corpus._paragraphs(text))


def test_docstrings_are_taken_in_order_without_examples_and_markup():
    assert paragraphs(SOURCE) == [
        "A module that explains what it does in enough words.",
        "The first class has a docstring of several English words.",
        "The method of First does nothing at all for its caller.",
    ]


def test_code_and_tables_are_left_out():
    fence = "```\nany words in a fence are code all the same\n```"
    text = f"{fence}\n\na = [1, 2]; b = {{3: 4}}; c = (5, 6)\n\n| 1 | 2 | 3 | 4 | 5 | 6 |"
    assert list(embedded_corpus._paragraphs(text)) == []


def test_sources_are_sorted_public_and_of_the_listed_packages():
    names = [name for name, _ in embedded_corpus.list_sources()]
    assert names == sorted(set(names))
    tops = {name.partition(".")[0] for name in names}
    assert tops <= sys.stdlib_module_names | set(embedded_corpus.PACKAGES)
    assert {"argparse", "keras", "numpy", "tensorflow", "pydoc_data", "json"} <= tops
    parts = {part for name in names for part in name.split(".")}
    assert parts.isdisjoint({"test", "tests", "idlelib", "lib2to3"})
    assert not any(name.startswith("tensorflow.python.keras.") for name in names)


def choose_modules(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    sources = [source for source in embedded_corpus.list_sources() if source[0] in names]
    assert len(sources) == len(names)
    monkeypatch.setattr(embedded_corpus, "list_sources", lambda: sources)


def test_a_module_is_a_document_of_its_docstrings(monkeypatch: pytest.MonkeyPatch):
    choose_modules(monkeypatch, "json")
    (document,) = embedded_corpus.read_documents()
    assert document[0] == (json.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    assert "Serialize obj to a JSON formatted str." in document


def test_every_topic_is_a_document(monkeypatch: pytest.MonkeyPatch):
    choose_modules(monkeypatch, "pydoc_data.topics")
    documents = list(embedded_corpus.read_documents())
    assert 40 < len(documents) < 90
    sentence = 'The "while" statement is used for repeated execution as long as an'
    assert sum(line.startswith(sentence) for document in documents for line in document) == 1


def test_no_paragraph_stands_twice(monkeypatch: pytest.MonkeyPatch):
    choose_modules(monkeypatch, "argparse", "json")
    once = list(embedded_corpus.read_documents())
    sources = embedded_corpus.list_sources()
    monkeypatch.setattr(embedded_corpus, "list_sources", lambda: sources * 2)
    assert list(embedded_corpus.read_documents()) == once
    lines = [line for document in once for line in document]
    assert len(lines) == len(set(lines))


def test_modules_are_parsed_and_not_imported(monkeypatch: pytest.MonkeyPatch):
    choose_modules(monkeypatch, "antigravity", "this")  # the first opens a browser
    assert list(embedded_corpus.read_documents()) == []  # and both have too little text
    assert {"antigravity", "this"}.isdisjoint(sys.modules)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedded_corpus, "PACKAGES", ("no_such_package",))
    with pytest.raises(UserError, match="needs the package no_such_package"):
        embedded_corpus.list_sources()


def test_versions_name_python_and_all_packages():
    versions = embedded_corpus.describe_versions()
    assert versions.startswith(f"python {sys.version.split()[0]}, keras 2.15.")
    assert "tensorflow 2.15.1" in versions


@pytest.mark.slow
def test_the_whole_corpus_is_large_and_the_same_every_time():
    documents = list(embedded_corpus.read_documents())
    characters = sum(len(line) for document in documents for line in document)
    assert 8_000_000 < characters < 12_000_000
    assert len(documents) > 1_000
    assert documents == list(embedded_corpus.read_documents())
