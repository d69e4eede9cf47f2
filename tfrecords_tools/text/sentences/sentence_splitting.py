"""Splits the lines of a document into sentences, whatever their script."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from tfrecords_tools.text.read_report import ReadReport
from tfrecords_tools.text.sentences import (
    latin_sentences,
    long_sentences,
    lower_cased_text,
    sentence_ends,
)
from tfrecords_tools.text.sentences.sentence_ends import SentenceSplitting


def split_sentences(
    document: Sequence[str],
    how: SentenceSplitting = "auto",
    *,
    report: ReadReport | None = None,
) -> list[str]:
    """Returns the sentences of a document's lines, each without line breaks, none empty.

    Args:
        document: its lines.
        how: "line" if each line is a sentence already.
        report: counts texts that had to be cut where no sentence ends.
    """
    if how == "line":
        return [sentence for line in document if (sentence := line.strip())]
    is_lower_cased = lower_cased_text.is_lower_cased(document)
    split = _split_lower_cased if is_lower_cased else latin_sentences.split
    found: list[str] = []
    for line in document:
        # BERT's tokenizer drops it too; blingfire would end there, as C ends a text.
        text = line.replace("\0", "")
        if sentence_ends.has_other_script(text):
            found += _cut_long(_split_other_script(text, split), report)
        elif len(text) > long_sentences.MAX_SENTENCE:
            found += _cut_long(split(text), report)
        else:
            found += split(text)
    return [sentence for sentence in found if sentence and not sentence.isspace()]


def _split_lower_cased(text: str) -> Iterable[str]:
    capitalized = lower_cased_text.capitalize_begins(text)
    sentences, begin = [], 0
    for sentence in latin_sentences.split(capitalized):
        begin = capitalized.index(sentence, begin)
        end = begin + len(sentence)
        sentences.append(text[begin:end])
        begin = end
    return sentences


def _split_other_script(text: str, split: Callable[[str], Iterable[str]]) -> Iterator[str]:
    """Yields sentences of a line in any script; `split` finds the ends that Latin text has."""
    for sentence, end in sentence_ends.cut_at_ends(text):
        *others, last = split(sentence)
        yield from others
        yield last + end


def _cut_long(sentences: Iterable[str], report: ReadReport | None) -> Iterator[str]:
    """Yields the sentences, those without an end in parts; counts these in the report."""
    for sentence in sentences:
        parts = long_sentences.cut(sentence)
        if report is not None and len(parts) > 1:
            report.cut_sentences += 1
        yield from parts
