"""Served answers are those of `squad_answers`, whatever the texts and the batch."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.finetuning.served import question_answering
from mslt_tf.finetuning.squad import squad_answers
from mslt_tf.finetuning.squad.squad_data import Question
from mslt_tf.finetuning.squad.squad_splits import SquadSplits
from mslt_tf.finetuning.squad.squad_task import SquadTask
from mslt_tf.finetuning.squad.squad_tokens import OffsetTokenizer
from mslt_tf.squad_settings import SquadSettings, WindowSizes
from mslt_tf.text_case import TextCase
from tests.finetuning.squad import squad_texts

PIECES = (*squad_texts.AWKWARD, "\U0001f600", "\u200b", "  ", "x" * 120, "what?", "\ufeff", "ไทย")
VOCABULARY = squad_texts.vocabulary(*PIECES)
NAMES = {False: "squad_1.1", True: "squad_2.0"}
NULL_THRESHOLD = -2.5


def random_texts(seed, number, most):
    """Returns texts of up to so many pieces; every seventh has none."""
    random = np.random.default_rng(seed)
    counts = random.integers(1, most + 1, number) * (np.arange(number) % 7 != 3)
    return [random.choice(["", " "]).join(random.choice(PIECES, count)) for count in counts]


QUESTIONS = tuple(
    Question(f"q{i}", question, context, (), False)
    for i, (question, context) in enumerate(
        zip(random_texts(1, 200, 3), random_texts(2, 200, 12), strict=True)
    )
)


def odd_logits(inputs, training=False):
    """Returns logits of few values, so that many are equal; they depend on the whole window."""
    assert not training
    table = tf.constant(np.random.default_rng(1).integers(0, 97, [len(VOCABULARY), 2]))
    ids, mask, types = (
        tf.cast(inputs[name], tf.int64) for name in ("input_ids", "input_mask", "segment_ids")
    )
    weights = tf.gather(table, ids) * mask[:, :, tf.newaxis]
    whole = tf.reduce_sum(weights * (1 + types)[:, :, tf.newaxis], axis=1, keepdims=True)
    logits = tf.cast(weights * (1 + whole) % 13, tf.float32) / 4
    return tf.where(mask[:, :, tf.newaxis] == 1, logits, np.nan)  # of padding nothing is read


def reference(questions, settings, *, has_impossible):
    """Returns the answers of the Python path."""
    tokenizer = OffsetTokenizer(VOCABULARY, TextCase())
    splits = SquadSplits(NAMES[has_impossible], (), questions)
    task = SquadTask(splits, tokenizer, settings, report=print)
    sequences = task.dev_sequences
    outputs = odd_logits(
        {name: tf.constant(v) for name, v in sequences.padded(np.arange(len(sequences))).items()}
    )
    return task.find_answers(
        [row[:length] for row, length in zip(outputs.numpy(), sequences.lengths, strict=True)]
    )


def served(settings, *, null_threshold):
    """Returns the signature for the odd logits."""
    case = TextCase()
    return question_answering.signatures(
        odd_logits, VOCABULARY, case, settings, null_threshold=null_threshold
    )["serving_default"]


def ask(signature, questions, batch_size):
    batches = [questions[i : i + batch_size] for i in range(0, len(questions), batch_size)]
    answers = [
        signature(
            {
                "question": tf.constant([each.question for each in batch]),
                "context": tf.constant([each.context for each in batch]),
            }
        )
        for batch in batches
    ]
    return {name: np.concatenate([each[name] for each in answers]) for name in answers[0]}


@pytest.mark.parametrize(
    ("sizes", "max_answer_length", "batch_size", "has_impossible"),
    [
        (WindowSizes(24, 5, 10), 30, 7, True),
        (WindowSizes(24, 99, 10), 3, 200, True),  # the stride is more than a window holds
        (WindowSizes(160, 128, 10), 30, 200, True),  # last windows are far shorter
        (WindowSizes(15, 1, 11), 1, 50, False),  # one token of the context beside a long question
    ],
)
def test_answers_are_those_of_the_python_path(sizes, max_answer_length, batch_size, has_impossible):
    settings = SquadSettings(sizes, max_answer_length=max_answer_length)
    expected = reference(QUESTIONS, settings, has_impossible=has_impossible)
    signature = served(settings, null_threshold=NULL_THRESHOLD if has_impossible else None)
    found = ask(signature, QUESTIONS, batch_size)
    num_without = 0
    for i, question in enumerate(QUESTIONS):
        answers = expected[question.id]
        text = squad_answers.predicted_text(answers, null_threshold=NULL_THRESHOLD)
        start, end = int(found["start"][i]), int(found["end"][i])
        assert found["answer"][i].decode() == text == question.context[start:end]
        if has_impossible:
            assert found["null_odds"][i] == np.float32(answers.null_odds)
        if text:
            assert (start, end) == (answers.best.start, answers.best.limit)
            assert found["score"][i] == np.float32(answers.best.score)
        else:
            num_without += 1
            assert (start, end) == (0, 0)
    num_empty = sum(not each.context for each in QUESTIONS)
    assert num_empty < num_without < 180 if has_impossible else num_without >= num_empty


@pytest.mark.parametrize("null_threshold", [None, -99.0])
def test_a_probability_is_a_share_among_all_spans_and_no_answer(null_threshold):
    settings = SquadSettings(WindowSizes(24, 5, 10), n_best=9_999, max_answer_length=4)
    contexts = {"code": 4 + 3 + 2 + 1, "Paris to": 7 + 6 + 5 + 4}  # no token twice; spans
    questions = [Question(c, "what?", c, (), False) for c in contexts]
    expected = reference(questions, settings, has_impossible=null_threshold is not None)
    found = ask(served(settings, null_threshold=null_threshold), questions, 9)
    for context, text, probability in zip(
        contexts, found["answer"], found["probability"], strict=True
    ):
        listed = {each.text: each.probability for each in expected[context].nbest}
        assert len(listed) == contexts[context] + (null_threshold is not None)
        assert probability == pytest.approx(listed[text.decode()], rel=1e-5)


def test_questions_without_their_contexts_are_refused():
    questions, contexts = tf.constant(["what?", "who?"]), tf.constant(["Paris"])
    with pytest.raises(tf.errors.InvalidArgumentError, match="context must have as many texts as"):
        served(SquadSettings(), null_threshold=0.0)({"question": questions, "context": contexts})


def test_no_questions_have_no_answers():
    none = tf.constant([], tf.string)
    found = served(SquadSettings(), null_threshold=0.0)({"question": none, "context": none})
    assert {name: values.shape.as_list() for name, values in found.items()} == {
        name: [0] for name in ("answer", "start", "end", "score", "probability", "null_odds")
    }
