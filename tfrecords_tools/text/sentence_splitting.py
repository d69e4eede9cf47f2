"""Splits the lines of a document into sentences."""

from collections.abc import Iterable

import blingfire


def split_sentences(document: Iterable[str]) -> list[str]:
    """Returns the sentences of a document's lines, each without line breaks, none empty."""
    sentences: list[str] = []
    for line in document:
        # blingfire keeps "Mr." and "J. R. R." whole. It gives up on NUL, C's end of a text.
        split = blingfire.text_to_sentences(line.replace("\0", " "))
        sentences.extend(sentence for sentence in split.split("\n") if sentence.strip())
    return sentences
