"""Formats are told by the beginning of a file; where nothing is sure, it is plain text."""

import json
import random
from pathlib import Path

import pytest
import regex as re

from tests import real_text
from tfrecords_tools.text.formats.format_detection import HEAD_BYTES, OTHER_JSON, detect_format
from tfrecords_tools.text.formats.line_layout import width

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


XQUAD = ["en", "de", "zh", "hi", "th"]


def text_of(language: str) -> list[list[str]]:
    """Returns the documents of real text, each a list of paragraphs."""
    text = real_text.path(f"xquad/{language}.txt").read_text("utf-8")
    return [document.split("\n") for document in text.strip().split("\n\n")]


def wrap_columns(text: str, columns: int) -> list[str]:
    """Wraps at blanks, and within what is longer than a line, as programs do for Chinese."""
    lines, line = [], ""
    for word in re.split(r"(?<= )", text):
        for part in re.findall(r"\X", word) if width(word) > columns / 4 else [word]:
            if width(line + part.rstrip()) > columns:
                lines.append(line.rstrip())
                line = ""
            line += part
    return [*lines, line.rstrip()]


@pytest.mark.parametrize("columns", [60, 72, 80])
@pytest.mark.parametrize("between", ["", "\n"])
@pytest.mark.parametrize("language", XQUAD)
def test_real_text_that_is_wrapped_is_a_book_in_every_script(
    language: str, between: str, columns: int
):
    paragraphs = ["\n".join(wrap_columns(p, columns)) for d in text_of(language)[:16] for p in d]
    # Thai has neither capitals nor sentence ends: only blank lines show where paragraphs end.
    expected = "plain" if (language, between) == ("th", "") else "book"
    assert detect(f"\n{between}".join(paragraphs)) == expected


@pytest.mark.parametrize("language", XQUAD)
@pytest.mark.parametrize("per_document", [1, 3, 1_000])
def test_real_text_with_a_paragraph_or_sentence_a_line_is_plain(language: str, per_document: int):
    paragraphs = [paragraph for document in text_of(language) for paragraph in document]
    sentences = [s for p in paragraphs for s in re.findall(r"[^.!?。！？।]+[.!?。！？।]*", p)]
    bare = [sentence.strip(".!?。！？। ") for sentence in sentences]
    for lines in (paragraphs, sentences, bare):
        lines = [line.strip() for line in lines if line.strip()]
        documents = [lines[i : i + per_document] for i in range(0, len(lines), per_document)]
        assert detect("\n\n".join("\n".join(lines) for lines in documents)) == "plain"


@pytest.mark.parametrize(
    "script", ["अआइईउऊएऐओऔकखगघ", "กขคงจฉชซญดตถท", "的一是不了人我在有他", "ابتثجحخدذرز"]
)
@pytest.mark.parametrize("spread", [1, 4, 30])
def test_short_lines_without_ends_and_case_are_plain(script: str, spread: int):
    choose = random.Random(2)
    lines = ["".join(choose.choices(script, k=choose.randint(40 - spread, 40))) for _ in range(500)]
    assert detect("\n".join(lines)) == "plain"
    documents = [lines[i : i + 7] for i in range(0, len(lines), 7)]
    assert detect("\n\n".join("\n".join(document) for document in documents)) == "plain"


def test_an_array_of_objects_is_json():
    assert detect('[{"text": "x"}]') == detect('\n [\n  {\n "a": 1},\n {"a"') == "json"
    assert detect("[1]") == detect("[{x}]") == detect("[note] x") == "plain"


@pytest.mark.parametrize("text", ['["x"]', "[]", "[null, {}]", '[["x"]]', '{\n  "text": "x"\n}'])
def test_other_json_is_known(text):
    assert detect(text) == OTHER_JSON
