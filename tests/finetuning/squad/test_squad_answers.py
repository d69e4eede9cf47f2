"""Answers from logits: which spans count, their order, no answer, and the files."""

import json
import math

import numpy as np
import pytest

from mslt_tf.errors import UserError
from mslt_tf.finetuning.squad import squad_answers, squad_data, squad_metrics, squad_windows
from mslt_tf.finetuning.squad.squad_windows import QuestionWindows
from mslt_tf.squad_settings import WindowSizes
from tests import real_text
from tests.finetuning.squad import squad_texts
from tests.finetuning.squad.squad_texts import CLS, SEP

WORDS = "aa bb cc dd ee ff gg hh ii jj kk ll"
ROOM, STRIDE = 5, 3  # of its tokens


def make_windows(context=WORDS):
    sizes = WindowSizes(ROOM + 5, STRIDE, 2)
    question = squad_texts.question(context)
    return squad_windows.question_windows(
        question, squad_texts.tokenize, cls_id=CLS, sep_id=SEP, sizes=sizes
    )


def no_logits(question, padded_to=0):
    """Returns zeros for all positions of the windows, and of the padding after them."""
    lengths = [max(len(window.input_ids), padded_to) for window in question.windows]
    return [np.zeros(length, np.float32) for length in lengths]


def random_logits(question, seed, steps=None):
    """Returns starts and ends; with `steps`, as few values as that, so that scores are equal."""
    random = np.random.default_rng(seed)
    values = [
        [random.normal(size=len(w.input_ids)).astype(np.float32) for w in question.windows]
        for _ in range(2)
    ]
    if steps is None:
        return values
    return [[np.round(v * steps) / np.float32(steps) for v in of_kind] for of_kind in values]


def find(question, starts, ends, context=WORDS, **options):
    options = {"has_impossible": False, **options}
    return squad_answers.find_answers(context, question, starts, ends, **options)


def reference(question, starts, ends, *, n_best, max_answer_length, has_impossible):
    """Returns (text, score) of the n best answers, by looking at every pair of positions."""
    found = []
    for window, s, e in zip(question.windows, starts, ends, strict=True):
        for i, token in enumerate(window.tokens):
            for j in range(i, len(window.tokens)):
                if window.has_max_context[i] and j - i < max_answer_length:
                    first, last = window.tokens[i], window.tokens[j]
                    begin = question.context.starts[first]
                    limit = question.context.limits[last]
                    at = window.context_begin
                    score = float(s[at + i]) + float(e[at + j])
                    found.append((-score, begin, limit, WORDS[begin:limit]))
                    assert token == first
    ranked = [(text, -score) for score, _, _, text in sorted(found)][:n_best]
    if has_impossible:
        null = ("", min(float(s[0]) + float(e[0]) for s, e in zip(starts, ends, strict=True)))
        ranked = sorted([*ranked, null], key=lambda each: -each[1])[:n_best]
        ranked += [null] if null not in ranked else []
    return ranked


@pytest.mark.parametrize("has_impossible", [False, True])
@pytest.mark.parametrize(("n_best", "max_answer_length"), [(1, 30), (20, 2), (20, 30), (99, 4)])
@pytest.mark.parametrize("steps", [None, 2])
def test_the_best_are_those_of_every_pair_of_positions(
    n_best, max_answer_length, has_impossible, steps
):
    options = {
        "n_best": n_best,
        "max_answer_length": max_answer_length,
        "has_impossible": has_impossible,
    }
    question = make_windows()
    assert len(question.windows) == 4
    for seed in range(20):
        logits = random_logits(question, seed, steps)
        found = find(question, *logits, **options)
        expected = reference(question, *logits, **options)
        assert [(each.text, each.score) for each in found.nbest] == expected
        assert all(WORDS[each.start : each.limit] == each.text for each in found.nbest)
        exps = [math.exp(score) for _, score in expected]
        shares = [each.probability for each in found.nbest]
        np.testing.assert_allclose(shares, np.array(exps) / sum(exps), rtol=1e-12)


@pytest.mark.parametrize("steps", [None, 1])
def test_order_of_windows_and_padding_change_nothing(steps):
    question = make_windows()
    for seed in range(20):
        starts, ends = random_logits(question, seed, steps)
        expected = find(question, starts, ends, has_impossible=True)
        order = np.random.default_rng(seed).permutation(len(question.windows))
        moved = QuestionWindows(question.context, [question.windows[i] for i in order])
        padding = np.full(seed, np.nan if seed % 2 else 99, np.float32)
        padded = [[np.append(of_kind[i], padding) for i in order] for of_kind in (starts, ends)]
        assert find(moved, *padded, has_impossible=True) == expected


def test_what_is_no_answer_is_never_taken_however_high_its_logits():
    question = make_windows()
    starts, ends = no_logits(question), no_logits(question)
    first, second = question.windows[:2]
    for logits in (*starts, *ends):
        logits[:4] = logits[-1] = 50  # [CLS], the question, both [SEP]
    starts[0][first.context_begin + 4] = 40  # "ee" has less context here than in the next window
    starts[1][second.context_begin + 4] = 3  # "hh", where again it has not
    starts[1][second.context_begin + 3] = 2  # "gg", where it has
    ends[1][second.context_begin + 1] = 9  # "ee" ends before that, or "dd ee"
    best = find(question, starts, ends, max_answer_length=1).best
    assert (best.text, best.score) == ("ee", 9.0)
    ends[1][second.context_begin + 1] = 0
    best = find(question, starts, ends, max_answer_length=1).best
    assert (best.text, best.score) == ("gg", 2.0)


def test_a_text_that_stands_twice_is_listed_once_with_its_best_score():
    context = "aa bb aa"
    question = make_windows(context)
    starts, ends = no_logits(question), no_logits(question)
    begin = question.windows[0].context_begin
    starts[0][begin : begin + 3] = [1, 0, 2]
    found = find(question, starts, ends, context, max_answer_length=1).nbest
    assert [(each.text, each.start, each.score) for each in found] == [
        ("aa", 6, 2.0),
        ("bb", 3, 0.0),
    ]


def test_no_answer_competes_by_its_least_score_over_the_windows():
    question = make_windows()
    starts, ends = no_logits(question), no_logits(question)
    for index, (start, end) in enumerate([(5, 5), (2, 1), (4, 4), (9, 0)]):
        starts[index][0], ends[index][0] = start, end
    starts[0][question.windows[0].context_begin] = 4
    found = find(question, starts, ends, has_impossible=True, max_answer_length=1)
    assert [(each.text, each.score) for each in found.nbest[:3]] == [
        ("aa", 4.0),
        ("", 3.0),
        ("bb", 0.0),
    ]
    assert (found.nbest[1].start_logit, found.nbest[1].end_logit) == (2.0, 1.0)
    assert found.null_odds == -1.0
    weights = [math.exp(4), math.exp(3)] + 11 * [1]
    assert found.nbest[0].probability == pytest.approx(weights[0] / sum(weights), rel=1e-12)
    short = find(question, starts, ends, has_impossible=True, max_answer_length=1, n_best=1)
    assert [each.text for each in short.nbest] == ["aa", ""]
    assert find(question, starts, ends).null_odds is None


def test_there_is_no_answer_only_above_the_threshold():
    question = make_windows()
    starts, ends = no_logits(question), no_logits(question)
    for logits in starts:
        logits[0] = 1.5
    found = find(question, starts, ends, has_impossible=True)
    assert found.null_odds == 1.5
    texts = [squad_answers.predicted_text(found, null_threshold=t) for t in (0.0, 1.4, 1.5, 9.0)]
    assert texts == ["", "", "aa", "aa"]
    of_1_1 = find(question, starts, ends)
    assert squad_answers.predicted_text(of_1_1, null_threshold=-99) == "aa"


def test_tokens_of_no_characters_are_no_answer_and_logits_may_be_large():
    made = make_windows("aa bb")
    context = made.context._replace(limits=[0, 5])
    question = made._replace(context=context)
    starts, ends = no_logits(question), no_logits(question)
    starts[0][4:6] = ends[0][4:6] = [4000, 3000]
    found = find(question, starts, ends, "aa bb")
    assert [(each.text, each.score, each.probability) for each in found.nbest] == [
        ("aa bb", 7000.0, 1.0),
        ("bb", 6000.0, 0.0),
    ]


@pytest.mark.parametrize("has_impossible", [False, True])
def test_a_context_without_tokens_has_no_answer(has_impossible):
    question = make_windows(" \u2028 ")
    found = find(question, no_logits(question), no_logits(question), has_impossible=has_impossible)
    assert [(each.text, each.probability) for each in found.nbest] == [("", 1.0)]
    assert squad_answers.predicted_text(found) == ""
    assert found.null_odds == (0.0 if has_impossible else None)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_logits_that_are_no_numbers_are_told(bad):
    question = make_windows()
    for which in range(2):
        logits = [no_logits(question, padded_to=20), no_logits(question, padded_to=20)]
        logits[which][2][19] = bad  # in the padding
        find(question, *logits)
        logits[which][2][3] = bad
        with pytest.raises(UserError, match=r"is not finite.*another checkpoint"):
            find(question, *logits)


@pytest.mark.parametrize(("context", "answer"), squad_texts.AWKWARD.items())
def test_an_answer_has_the_characters_of_its_context(context, answer):
    question = squad_texts.question(context, answer)
    made = squad_windows.question_windows(question, squad_texts.tokenize, cls_id=CLS, sep_id=SEP)
    best = find(made, *right_logits(made), context).best
    assert (best.text, best.start) == (answer, context.index(answer))


def right_logits(question):
    """Returns the logits of a model that is right wherever a window holds the answer."""
    starts, ends = no_logits(question), no_logits(question)
    for window, s, e in zip(question.windows, starts, ends, strict=True):
        s[window.start_position] += 10
        e[window.end_position] += 10
        s[0] = e[0] = 0
    return starts, ends


@pytest.mark.parametrize("max_length", [384, 160])
def test_a_model_that_is_right_has_the_answers_of_the_official_files(max_length):
    path = real_text.path("squad/dev-v1.1.json")
    questions = squad_data.read(str(path)).questions[::31]
    sizes = WindowSizes(max_length, 40, 64)
    predictions, num_windows = {}, 0
    for question in questions:
        made = squad_windows.question_windows(
            question, squad_texts.tokenize, cls_id=CLS, sep_id=SEP, sizes=sizes
        )
        answer = question.answers[0]
        tokens = squad_windows.answer_tokens(made.context, answer)
        begin, limit = made.context.starts[tokens[0]], made.context.limits[tokens[-1]]
        best = find(made, *right_logits(made), question.context, max_answer_length=60).best
        assert (best.start, best.limit) == (begin, limit)
        assert answer.text in best.text
        predictions[question.id] = best.text
        num_windows += len(made.windows)
    assert num_windows > 1.2 * len(questions)
    scores = squad_metrics.score_1_1(questions, predictions)
    assert 98 < scores["exact_match"] <= scores["f1"]


def test_files_are_as_others_read_them_and_replace_those_before(tmp_path):
    question = make_windows()
    answers = {
        f"q\u2028é{seed}": find(question, *random_logits(question, seed), has_impossible=True)
        for seed in range(5)
    }
    for threshold in (-99.0, 0.0, 99.0):
        squad_answers.write(str(tmp_path), answers, null_threshold=threshold)
        texts, nbest, odds = (
            json.loads((tmp_path / f"{name}.json").read_text())
            for name in ("predictions", "nbest_predictions", "null_odds")
        )
        assert list(texts) == list(nbest) == list(odds) == list(answers)
        for key, found in answers.items():
            assert odds[key] == found.null_odds
            assert texts[key] == ("" if found.null_odds > threshold else found.best.text)
            assert list(nbest[key][0]) == ["text", "probability", "start_logit", "end_logit"]
            assert [each["text"] for each in nbest[key]] == [each.text for each in found.nbest]
            assert sum(each["probability"] for each in nbest[key]) == pytest.approx(1)
    assert len(list(tmp_path.iterdir())) == 3


def test_squad_1_1_has_no_file_of_null_odds(tmp_path):
    question = make_windows()
    squad_answers.write(str(tmp_path), {"q": find(question, *random_logits(question, 0))})
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "nbest_predictions.json",
        "predictions.json",
    ]


def test_a_folder_that_takes_no_files_is_told(tmp_path):
    with pytest.raises(UserError, match=r"predictions\.json cannot be written"):
        squad_answers.write(str(tmp_path / "gone"), {})
