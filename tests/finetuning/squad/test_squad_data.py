"""SQuAD's files: what is read of them, misplaced answers, and what is refused."""

import copy
import json

import pytest

from mslt_tf.errors import UserError
from mslt_tf.finetuning.squad import squad_data
from mslt_tf.finetuning.squad.squad_data import Answer, SquadData
from tests import real_text
from tests.finetuning.squad import squad_texts

QUESTIONS = tuple(
    squad_texts.question(context, answer, context[0], id=f"q{index}")
    for index, (context, answer) in enumerate(squad_texts.AWKWARD.items())
)
GONE = object()


def changed(value, path, new):
    """Returns a copy of a JSON value with another one at a dotted path."""
    value = copy.deepcopy(value)
    *front, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    inner = value
    for part in front:
        inner = inner[part]
    if new is GONE:
        del inner[last]
    else:
        inner[last] = new
    return value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_questions_of_both_versions_are_read_as_they_stand_in_the_file(tmp_path, encoding):
    impossible = QUESTIONS[0]._replace(id="none", answers=(), is_impossible=True)
    for questions, has_impossible in ((QUESTIONS, False), ((*QUESTIONS, impossible), True)):
        value = squad_texts.layout(*questions, has_impossible=has_impossible)
        path = tmp_path / "data.json"
        path.write_text(json.dumps(value, ensure_ascii=False), encoding)
        assert squad_data.read(str(path)) == SquadData(questions, has_impossible)


def test_fields_that_are_not_known_are_passed_over_and_unlabelled_questions_kept():
    value = squad_texts.layout(QUESTIONS[0])
    qas = value["data"][0]["paragraphs"][0]["qas"]
    qas[0]["plausible_answers"] = [{"text": "x", "answer_start": 0}]
    del qas[0]["answers"]
    (question,) = squad_data.parse(value).questions
    assert question == QUESTIONS[0]._replace(answers=())
    assert squad_data.training_answer(question) is None


def test_an_answer_that_is_not_at_its_offset_is_counted_and_named():
    context = "north, south"
    answers = tuple(
        Answer(*each)
        for each in [("south", 7), ("south", 6), ("", 3), ("south", 99), ("h", -1), ("north", -12)]
    )
    question = QUESTIONS[0]._replace(context=context, answers=answers)
    misplaced = squad_data.misplaced_answers([question, *QUESTIONS])
    assert [(each.answer, each.found) for each in misplaced] == [
        (Answer("south", 6), " sout"),
        (Answer("", 3), ""),
        (Answer("south", 99), ""),
        (Answer("h", -1), ""),
        (Answer("north", -12), ""),
    ]
    text = squad_data.describe_misplaced([question] * 300)
    assert text.startswith("1,500 of 1,800 answers are not at their answer_start: question 'q0' ")
    assert "'south' at 6, where ' sout' stands" in text
    assert squad_data.describe_misplaced(QUESTIONS[:1]).endswith(
        "0 of 2 answers are not at their answer_start"
    )


def test_the_first_answer_that_is_at_its_offset_is_to_be_learnt():
    answers = (Answer("south", 6), Answer("south", 7), Answer("north", 0))
    question = QUESTIONS[0]._replace(context="north, south", answers=answers)
    assert squad_data.training_answer(question) == Answer("south", 7)
    assert squad_data.training_answer(question._replace(answers=answers[:1])) is None


QAS = "data.1.paragraphs.0.qas.0"


@pytest.mark.parametrize(
    ("path", "new", "message"),
    [
        ("data", GONE, "data is missing"),
        ("data", [], "data holds no question"),
        ("data", {}, r"data is \{\}, not a list"),
        ("data.1", "x", "data.1 is 'x', not an object"),
        ("data.1.paragraphs", None, "data.1.paragraphs is None, not a list"),
        ("data.1.paragraphs.0.context", GONE, "data.1.paragraphs.0.context is missing"),
        ("data.1.paragraphs.0.context", "\ud800", "paragraphs.0.context is no Unicode text"),
        (f"{QAS}.id", 7, f"{QAS}.id is 7, not a text"),
        (f"{QAS}.id", "q0", f"data.0.paragraphs.0.qas.0 and {QAS} have the same id 'q0'"),
        (f"{QAS}.question", None, f"{QAS}.question is None, not a text"),
        (f"{QAS}.answers", "x", f"{QAS}.answers is 'x', not a list"),
        (f"{QAS}.answers.1", [], rf"{QAS}.answers.1 is \[\], not an object"),
        (f"{QAS}.answers.1.text", GONE, f"{QAS}.answers.1.text is missing"),
        (f"{QAS}.answers.1.answer_start", 1.0, "answer_start is 1.0, not a whole number"),
        (f"{QAS}.answers.1.answer_start", True, "answer_start is True, not a whole number"),
        (f"{QAS}.is_impossible", 0, f"{QAS}.is_impossible is 0, not true or false"),
        (f"{QAS}.is_impossible", True, f"{QAS} is_impossible, but has answers"),
        (f"{QAS}.is_impossible", GONE, f"qas.0 has is_impossible, {QAS} has not"),
        (f"{QAS}.answers", [], f"{QAS} is not is_impossible, but has no answers"),
    ],
)
def test_what_is_not_as_it_must_be_is_told_with_its_place(tmp_path, path, new, message):
    value = squad_texts.layout(*QUESTIONS, has_impossible=True)
    file = squad_texts.write(tmp_path / "data.json", changed(value, path, new))
    with pytest.raises(UserError, match=rf"data\.json is not as SQuAD's.*: .*{message}.* mend it"):
        squad_data.read(file)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 99, b'{"data": [', b"\xff\xfe\xfd", b"[" * 100_000, b"null"]
)
def test_what_is_no_json_or_no_object_is_told(tmp_path, content):
    (tmp_path / "data.json").write_bytes(content)
    with pytest.raises(UserError, match=r"data\.json is not as SQuAD's files are: .*mend it"):
        squad_data.read(str(tmp_path / "data.json"))


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UserError, match=r"gone\.json cannot be read"):
        squad_data.read(str(tmp_path / "gone.json"))


@pytest.mark.parametrize(
    ("name", "num_questions", "num_answers", "num_impossible"),
    [("dev-v1.1", 4862, 15874, 0), ("dev-v2.0", 4186, 6797, 2189)],
)
def test_the_official_files_are_read_whole(name, num_questions, num_answers, num_impossible):
    path = real_text.path(f"squad/{name}.json")
    questions, has_impossible = squad_data.read(str(path))
    assert len(questions) == path.read_text().count('"question":') == num_questions
    assert sum(len(question.answers) for question in questions) == num_answers
    assert sum(question.is_impossible for question in questions) == num_impossible
    assert has_impossible == bool(num_impossible)
    assert squad_data.misplaced_answers(questions) == []
    moved = [q._replace(context=f"\u2028{q.context}") for q in questions[:100]]
    some = [a for q in moved for a in q.answers if q.context[a.start :][: len(a.text)] != a.text]
    assert len(squad_data.misplaced_answers(moved)) == len(some) > 0
