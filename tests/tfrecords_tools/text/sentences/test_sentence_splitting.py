"""Sentences of all languages, of real text and of texts that are hard on purpose."""

import random
import time
from itertools import chain

import blingfire
import pytest

from tests import real_text
from tests.tfrecords_tools.text import corpus
from tfrecords_tools.text.read_report import ReadReport
from tfrecords_tools.text.sentences.sentence_splitting import split_sentences

# The same 240 paragraphs; English has 1,172 sentences by blingfire.
XQUAD = {"en": (1172, 1172), "de": (1298, 1298), "zh": (1100, 1300), "hi": (1150, 1300)}
XQUAD |= {"th": (1000, 1300)}


def paragraphs(language: str) -> list[str]:
    text = real_text.path(f"xquad/{language}.txt").read_text("utf-8-sig")
    return [line for line in text.split("\n") if line]


@pytest.mark.parametrize("language", XQUAD)
def test_a_text_has_about_as_many_sentences_in_every_language(language: str):
    least, most = XQUAD[language]
    assert least <= len(split_sentences(paragraphs(language))) <= most


def test_lower_cased_english_has_nearly_the_sentences_of_english():
    document = [line.lower() for line in paragraphs("en")]
    assert 1_130 <= len(split_sentences(document)) <= 1_180


@pytest.mark.parametrize("name", ["wikipedia/wiki_00", "novels/Bennet_Babylon_1902.txt"])
def test_english_is_split_as_blingfire_does(name: str):
    for document in corpus.read_documents(str(real_text.path(name))):
        by_blingfire = chain.from_iterable(
            blingfire.text_to_sentences(line).split("\n") for line in document
        )
        assert split_sentences(document) == list(by_blingfire)


def test_a_line_is_a_sentence_where_text_is_split_already():
    document = ["One. Two.", " 好。好。 ", "\u3000", "x" * 5_000]
    assert split_sentences(document, "line") == ["One. Two.", "好。好。", "x" * 5_000]


def test_scripts_in_one_line_are_split_each_by_its_ends():
    line = "He said 你好。我好！ Then “यह है।” he left. มา ครับ. Fine"
    assert split_sentences(["A.", line]) == [
        *("A.", "He said 你好。", "我好！", "Then “यह है।”", "he left.", "มา ครับ.", "Fine"),
    ]


def test_what_is_cut_without_an_end_is_counted():
    report = ReadReport()
    document = ["ก" * 200, "ก" * 400, "word " * 500, "好。" * 500, "Short. Lines."]
    sentences = split_sentences(document, report=report)
    assert report == ReadReport(cut_sentences=2)
    assert "  ".join(report.describe()) == (
        "2 text(s) without sentence ends cut at blanks or at a length"
    )
    assert sentences == split_sentences(document)


HARD = "aB. 。！？।॥\"”“»)1१好กา่เ\u17d2\u3000\u00a0…!?་།؟۔,，\r\fßİΣ'：:mr\0"


@pytest.mark.parametrize("seed", range(4))
def test_no_character_is_lost_or_changed(seed: int):
    source = random.Random(seed)
    for length in [5, 20, 60, 400] * 100:
        line = "".join(source.choices(HARD, k=length))
        for document in ([line], [line.lower(), line]):
            found = "".join(split_sentences(document))
            expected = "".join(document).replace("\0", " ")
            assert "".join(found.split()) == "".join(expected.split())


@pytest.mark.parametrize(
    "unit",
    [
        "。",
        "好。",
        "१",
        "。1",
        '。"',
        '好。"',
        ".",
        ". ",
        "a. ",
        'a."',
        "(",
        "ก",
        "\u0e31",
        "好",
        "a",
    ],
)
def test_the_time_grows_with_the_length_only(unit: str):
    seconds = []
    for length in (1 << 14, 1 << 18):
        begin = time.process_time()
        split_sentences([unit * (length // len(unit))])
        seconds.append(time.process_time() - begin)
    assert seconds[1] < 64 * seconds[0] + 1.0  # 16 times is right, 256 times is quadratic


def test_a_zero_character_is_dropped_as_by_berts_tokenizer():
    text = "An e\0ective method.\0 It works."  # as text from PDF files often has it
    assert split_sentences([text]) == ["An eective method.", "It works."]
