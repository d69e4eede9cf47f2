"""Books: one document, wrapped lines joined to paragraphs."""

from tfrecords_tools.text.formats import text_formats
from tfrecords_tools.text.formats.text_formats import Document
from tfrecords_tools.text.read_report import Leniency, ReadReport

FULL = "This line of the book is as long as a line can be in it, and it goes"


def parse(text: str) -> list[Document]:
    leniency = Leniency("fail", ReadReport())
    return list(text_formats.parse_book(text.split("\n"), leniency=leniency))


def test_a_book_is_one_document_of_joined_paragraphs():
    text = f"TITLE\n\n{FULL}\n  on. Here \nit ends.\n \n\nSecond one-\nhalf"
    assert parse(text) == [["TITLE", f"{FULL} on. Here it ends.", "Second one- half"]]


def test_a_short_last_line_ends_a_paragraph_of_a_book_without_blank_lines():
    text = f"CHAPTER I\n{FULL}\non to its end.\n'Speech is short,' he said.\n{FULL}\non"
    assert parse(text) == [
        ["CHAPTER I", f"{FULL} on to its end.", "'Speech is short,' he said.", f"{FULL} on"],
    ]


def test_long_lines_of_a_book_are_paragraphs():
    first, second = "word " * 60 + "end", "other " * 60 + "end"
    assert parse(f"{first}\n{second}\n\nshort") == [[first, second, "short"]]
