"""Formats are told by the beginning of a file; where nothing is sure, it is plain text."""

import json
import random
from pathlib import Path

import pytest

from tfrecords_tools.text.format_detection import HEAD_BYTES, detect_format

WORDS = [
    "the",
    "a",
    "of",
    "small",
    "grey",
    "house",
    "river",
    "and",
    "walked",
    "slept",
    "under",
    "her",
]


def sentences(number: int, *, words: tuple[int, int] = (3, 40)) -> list[str]:
    choose = random.Random(1)
    return [
        " ".join(choose.choices(WORDS, k=choose.randint(*words))).capitalize() + "."
        for _ in range(number)
    ]


def wrap(text: str, width: int) -> str:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def paragraphs(number: int) -> list[str]:
    made = sentences(5 * number)
    return [" ".join(made[begin : begin + 5]) for begin in range(0, len(made), 5)]


def detect(text: str) -> str:
    return detect_format(text.encode()[:HEAD_BYTES])


@pytest.mark.parametrize("width", [60, 72, 80])
@pytest.mark.parametrize("between", ["\n\n", "\n", "\n\n\n"])
def test_wrapped_lines_make_a_book(width: int, between: str):
    text = between.join(wrap(paragraph, width) for paragraph in paragraphs(60))
    assert detect(text) == "book"
    assert detect("\ufeff" + text.replace("\n", "\r\n")) == "book"


def test_paragraphs_between_blank_lines_with_speech_make_a_book():
    told = paragraphs(60)
    text = [f'"{text}"' if number % 4 == 0 else text for number, text in enumerate(told)]
    assert detect("\n\n".join(text)) == "book"


@pytest.mark.parametrize("per_document", [2, 5, 1_000])
@pytest.mark.parametrize("change", [str, str.lower, lambda line: line.lower().rstrip(".")])
def test_a_sentence_a_line_is_plain(per_document: int, change):
    made = [change(line) for line in sentences(400)]
    documents = [made[i : i + per_document] for i in range(0, len(made), per_document)]
    assert detect("\n\n".join("\n".join(lines) for lines in documents)) == "plain"


@pytest.mark.parametrize("change", [str, str.lower])
def test_short_sentences_of_like_lengths_are_plain(change):
    assert detect("\n".join(map(change, sentences(400, words=(13, 14))))) == "plain"


def test_short_sentences_without_capitals_and_full_stops_are_plain():
    made = [line.lower().rstrip(".") for line in sentences(400, words=(2, 20))]
    assert max(map(len, made)) < 120
    assert detect("\n".join(made)) == "plain"


def test_reviews_of_a_paragraph_each_are_plain():
    assert detect("\n\n".join(paragraphs(100))) == "plain"


def test_a_paragraph_a_line_is_plain_also_with_speech():
    told = [f'"{text}"' for text in paragraphs(60)]
    chapters = ["\n".join(told[i : i + 10]) for i in range(0, 60, 10)]
    assert detect("\n\n".join(chapters)) == "plain"


@pytest.mark.parametrize("text", ["", "\n\n", "word", "\ufeff", "one\ntwo\n", "\xff\0\n"])
def test_little_text_is_plain(text: str):
    assert detect(text) == "plain"


def test_bytes_that_are_no_text_are_plain():
    assert detect_format(bytes(range(256)) * 100) == "plain"


def test_blocks_make_wiki():
    assert detect('\ufeff\n \n<doc id="1" title="x">\nx\n</doc>') == "wiki"
    assert detect('text\n<doc id="1" title="x">\nx\n</doc>') == "plain"


def test_objects_make_json_lines():
    assert detect('\n{"a": 1}\n') == "jsonl"
    assert detect("{}") == "jsonl"
    assert detect(json.dumps({"text": "long " * HEAD_BYTES})) == "jsonl"


@pytest.mark.parametrize("line", ['{"text": cut', "{text}", '"text"', "[1]", "{", "3"])
def test_other_text_with_braces_is_plain(line: str):
    assert detect(line) == detect(line + "\n" + '{"a": 1}\n') == "plain"


def test_real_texts_are_told_apart(real_data: Path):
    def found(pattern: str) -> list[str]:
        paths = sorted(real_data.glob(pattern))
        return [detect_format(path.read_bytes()[:HEAD_BYTES]) for path in paths]

    assert found("wikipedia/*") == ["wiki"] * 60
    assert found("wikitext2_valid.txt") == ["plain"]
    novels = found("novels/*")
    # The others have a paragraph a line and blank lines between chapters only: plain text.
    assert (len(novels), novels.count("book"), novels.count("plain")) == (32, 26, 6)
