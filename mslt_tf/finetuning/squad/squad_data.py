"""SQuAD 1.1 and 2.0 as their official JSON files have them: questions, contexts, answers.

Source: Rajpurkar et al. 2016 and 2018, and the files of https://rajpurkar.github.io/SQuAD-explorer.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import tensorflow as tf

from mslt_tf import json_values
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from mslt_tf.json_values import JsonValueError

_NUM_SHOWN = 3  # misplaced answers in a message
_MAX_SHOWN = 60  # characters of a text in a message

T = TypeVar("T")


class Answer(NamedTuple):
    """What somebody marked as the answer."""

    text: str
    start: int  # characters of the context before it

    @property
    def limit(self) -> int:
        """Characters of the context up to its end."""
        return self.start + len(self.text)


class Question(NamedTuple):
    """A question about a context."""

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...]  # of several people; none where it has none or is not labelled
    is_impossible: bool  # the context does not answer it; always False in a file of 1.1


class SquadData(NamedTuple):
    """A file's questions in its order."""

    questions: tuple[Question, ...]
    has_impossible: bool  # its questions say whether they are impossible: it is of SQuAD 2.0


class MisplacedAnswer(NamedTuple):
    """An answer that does not stand at its offset in the context."""

    question_id: str
    answer: Answer
    found: str  # what stands there


def read(path: str) -> SquadData:
    """Reads a file of SQuAD 1.1, or 2.0: there every question has `is_impossible`.

    Fields that it does not know are passed over. Answers need not be where they say; see
    `misplaced_answers`.

    Raises:
        UserError: it cannot be read, or is no such file; the message names the place in it.
    """
    with file_errors.reading(path), tf.io.gfile.GFile(path, "rb") as file:
        content = file.read()
    try:
        return parse(json_values.loads(content))
    except JsonValueError as error:
        raise UserError(
            f"{path} is not as SQuAD's files are: {error}. It must be the official JSON of version "
            "1.1 or 2.0, with data, paragraphs and qas: mend it, or give another."
        ) from error


def parse(value: Any) -> SquadData:
    """Returns the questions of a JSON value of SQuAD's layout.

    Raises:
        JsonValueError: it is of another one, an id is there twice, or only some questions have
            `is_impossible`; the message names the place, e.g. data.0.paragraphs.3.qas.1.id.
    """
    entries = list(_entries(value))
    if not entries:
        raise JsonValueError("data holds no question")
    with_mark = [place for _, entry, place in entries if "is_impossible" in entry]
    if with_mark and len(with_mark) != len(entries):
        lacking = next(place for _, entry, place in entries if "is_impossible" not in entry)
        raise JsonValueError(f"{with_mark[0]} has is_impossible, {lacking} has not")
    questions = tuple(_question(context, entry, place) for context, entry, place in entries)
    places: dict[str, str] = {}
    for question, (_, _, place) in zip(questions, entries, strict=True):
        first = places.setdefault(question.id, place)
        if first != place:
            raise JsonValueError(f"{first} and {place} have the same id {_shown(question.id)}")
    return SquadData(questions, has_impossible=bool(with_mark))


def misplaced_answers(questions: Sequence[Question]) -> list[MisplacedAnswer]:
    """Returns the answers that are not at their offset, or empty: nothing can be learnt of them."""
    return [
        MisplacedAnswer(
            question.id, answer, question.context[max(answer.start, 0) : max(answer.limit, 0)]
        )
        for question in questions
        for answer in question.answers
        if not is_at_offset(answer, question.context)
    ]


def is_at_offset(answer: Answer, context: str) -> bool:
    """Returns whether an answer has a text, and the context has this text at its offset."""
    is_inside = 0 <= answer.start < len(context)
    return is_inside and bool(answer.text) and context.startswith(answer.text, answer.start)


def training_answer(question: Question) -> Answer | None:
    """Returns the answer to learn: the first that is at its offset; None where there is none."""
    placed = (answer for answer in question.answers if is_at_offset(answer, question.context))
    return next(placed, None)


def describe_misplaced(questions: Sequence[Question]) -> str:
    """Returns in a sentence how many of the answers are misplaced, and which the first are."""
    misplaced = misplaced_answers(questions)
    num_answers = sum(len(question.answers) for question in questions)
    examples = "; ".join(
        f"question {_shown(each.question_id)} has {_shown(each.answer.text)} at "
        f"{each.answer.start}, where {_shown(each.found)} stands"
        for each in misplaced[:_NUM_SHOWN]
    )
    return (
        f"{len(misplaced):,} of {num_answers:,} answers are not at their answer_start"
        f"{': ' if examples else ''}{examples}"
    )


def _entries(value: Any) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yields the context, the entry and the place of every question."""
    for article, place in _members(value, "data", ""):
        for paragraph, of_paragraph in _members(article, "paragraphs", place):
            context = _text(paragraph, "context", of_paragraph)
            for entry, of_entry in _members(paragraph, "qas", of_paragraph):
                yield context, _object(entry, of_entry), of_entry


def _question(context: str, entry: dict[str, Any], place: str) -> Question:
    answers = tuple(_answers(entry, place)) if entry.get("answers") is not None else ()
    is_impossible = "is_impossible" in entry and _field(bool, entry, "is_impossible", place)
    if is_impossible and answers:
        raise JsonValueError(f"{place} is_impossible, but has answers")
    if "is_impossible" in entry and not is_impossible and not answers:
        raise JsonValueError(f"{place} is not is_impossible, but has no answers")
    return Question(
        _text(entry, "id", place),
        _text(entry, "question", place),
        context,
        answers,
        is_impossible,
    )


def _answers(entry: dict[str, Any], place: str) -> Iterator[Answer]:
    for answer, of_answer in _members(entry, "answers", place):
        start = _field(int, answer, "answer_start", of_answer)
        yield Answer(_text(answer, "text", of_answer), start)


def _members(value: Any, name: str, place: str) -> list[tuple[Any, str]]:
    """Returns what a list in an object holds, each with its place."""
    where = f"{place}.{name}" if place else name
    members = _field(list[Any], value, name, place)
    return [(member, f"{where}.{index}") for index, member in enumerate(members)]


def _text(value: Any, name: str, place: str) -> str:
    text = _field(str, value, name, place)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise JsonValueError(f"{place}.{name} is no Unicode text ({error.reason})") from error
    return text


def _field(declared: type[T], value: Any, name: str, place: str) -> T:
    entry = _object(value, place)
    where = f"{place}.{name}" if place else name
    if name not in entry:
        raise JsonValueError(f"{where} is missing")
    return json_values.parse(declared, entry[name], name=where)


def _object(value: Any, place: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise JsonValueError(f"{place or 'the value'} is {_shown(value)}, not an object")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
