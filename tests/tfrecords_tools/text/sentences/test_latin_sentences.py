"""The quick call of blingfire gives what blingfire's own function gives."""

import random
from concurrent.futures import ThreadPoolExecutor

import blingfire
import pytest

from tfrecords_tools.text.sentences import latin_sentences

CHARACTERS = "aB1 .!?…\"'()\n\t\u00e9\u0416\u4e2d\U0001f600\u00ad\ufeff"


def expected(text: str) -> list[str]:
    return (blingfire.text_to_sentences(text) or text).split("\n")


def test_random_lines_are_split_as_by_blingfire():
    rng = random.Random(0)
    for length in (0, 1, 2, 3, 10, 100, 1_000):
        for _ in range(200):
            text = "".join(rng.choices(CHARACTERS, k=length))
            assert latin_sentences.split(text) == expected(text), repr(text)


@pytest.mark.parametrize("change", [-1, 0, 1])
def test_lines_around_the_size_of_the_buffer_are_whole(change: int):
    for word in ("One two. ", "é"):
        text = word * (latin_sentences._BUFFER_BYTES // 2 // len(word.encode()))
        text += "x" * (latin_sentences._BUFFER_BYTES // 2 - len(text.encode()) + change)
        assert latin_sentences.split(text) == expected(text)


def test_a_line_of_which_each_character_is_a_sentence_fits():
    text = "! " * 10_000
    assert latin_sentences.split(text) == expected(text)


def test_threads_do_not_write_into_each_others_sentences():
    texts = [f"Number {n} is here. " * (n + 1) for n in range(200)] * 5
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(latin_sentences.split, texts)) == [expected(text) for text in texts]
