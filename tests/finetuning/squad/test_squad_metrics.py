"""Scores of SQuAD: by hand, at the limits, and beside another implementation."""

import types

import numpy as np
import pytest

from mslt_tf.errors import UserError
from mslt_tf.finetuning.squad import squad_data, squad_metrics
from mslt_tf.finetuning.squad.squad_data import Answer
from tests import real_text
from tests.finetuning.squad import squad_texts

TEXT = "the cat sat on a mat, The U.S. army"
FOUR = [  # two with answers, two without
    squad_texts.question(TEXT, "the cat sat", "cat", id="cat"),
    squad_texts.question(TEXT, "U.S. army", id="army"),
    squad_texts.question(TEXT, id="none", is_impossible=True),
    squad_texts.question(TEXT, id="nil", is_impossible=True),
]
# By hand: "a cat on mat" against "cat sat" shares 1 of 3 and 2 words, F1 2/5; against "cat" 1 of 3
# and 1, F1 1/2, which counts. "us army!" is the same as "US army" when normalised.
PREDICTIONS = {"cat": "a cat on mat", "army": "US ARMY!", "none": "", "nil": "the mat"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Cat,  an A-team;\na\u2028dog", "cat ateam dog"),
        ("theatre Athena", "theatre athena"),
        ("the_a", "thea"),
        ("\u2014the\u2014 caf\u00e9 \u5317\u4eac", "\u2014 \u2014 caf\u00e9 \u5317\u4eac"),
        ("\u201cquoted\u201d 'plain'", "\u201cquoted\u201d plain"),
        ("The.", ""),
    ],
)
def test_texts_are_compared_without_case_punctuation_articles_and_blanks(text, expected):
    assert squad_metrics.normalize(text) == expected


@pytest.mark.parametrize(
    ("prediction", "answer", "exact", "f1"),
    [
        ("Cat", "the cat!", 1, 1),
        ("cat cat dog", "cat dog dog", 0, 2 / 3),  # two words shared, of three each
        ("a cat on mat", "the cat sat", 0, 2 / 5),
        ("cat", "dog", 0, 0),
        ("", "dog", 0, 0),
        ("cat", "the", 0, 0),
    ],
)
def test_exact_match_and_f1_are_as_computed_by_hand(prediction, answer, exact, f1):
    assert squad_metrics.exact_match(prediction, answer) == exact
    for score in (squad_metrics.f1, squad_metrics.f1_or_nothing):
        assert score(prediction, answer) == pytest.approx(f1)
        assert score(answer, prediction) == pytest.approx(f1)


def test_two_texts_without_words_share_none_in_1_1_and_agree_in_2_0():
    assert squad_metrics.exact_match("", "the") == 1
    assert squad_metrics.f1("", "the") == 0
    assert squad_metrics.f1_or_nothing("", "the") == 1


def test_scores_of_1_1_are_as_computed_by_hand():
    scores = squad_metrics.score_1_1(FOUR[:2], PREDICTIONS)
    assert scores == {"exact_match": 50.0, "f1": 75.0}


def test_scores_of_2_0_are_as_computed_by_hand():
    assert squad_metrics.score_2_0(FOUR, PREDICTIONS) == {
        "exact": 50.0,
        "f1": 62.5,
        "total": 4,
        "HasAns_exact": 50.0,
        "HasAns_f1": 75.0,
        "HasAns_total": 2,
        "NoAns_exact": 50.0,
        "NoAns_f1": 50.0,
        "NoAns_total": 2,
    }
    of_one_kind = squad_metrics.score_2_0(FOUR[:2], PREDICTIONS)
    assert of_one_kind.keys() == {
        *("exact", "f1", "total", "HasAns_exact", "HasAns_f1", "HasAns_total")
    }


def test_no_answer_above_a_threshold_and_the_best_one_are_as_computed_by_hand():
    na_probs = {"cat": 0.7, "army": 0.1, "none": 0.8, "nil": 0.9, "another": 0.0}
    scores = squad_metrics.score_2_0(FOUR, PREDICTIONS, na_probs=na_probs, na_prob_thresh=0.7)
    assert (scores["exact"], scores["f1"], scores["NoAns_exact"]) == (75.0, 87.5, 100.0)
    # Nothing answered: 2 of 4. With army 3, with cat 3 and 3.5, with none the same, with nil less.
    assert (scores["best_exact"], scores["best_exact_thresh"]) == (75.0, 0.1)
    assert (scores["best_f1"], scores["best_f1_thresh"]) == (87.5, 0.7)
    lower = squad_metrics.score_2_0(FOUR, PREDICTIONS, na_probs=na_probs, na_prob_thresh=0.6)
    assert (lower["f1"], lower["HasAns_f1"], lower["best_f1"]) == (75.0, 50.0, 87.5)


def test_where_no_answer_is_best_the_threshold_is_zero():
    na_probs = {question.id: 0.5 for question in FOUR}
    wrong = {question.id: "wrong" for question in FOUR}
    scores = squad_metrics.score_2_0(FOUR, wrong, na_probs=na_probs)
    assert (scores["exact"], scores["best_exact"], scores["best_exact_thresh"]) == (0.0, 50.0, 0.0)


def test_missing_predictions_score_zero_whether_or_not_there_is_an_answer():
    assert squad_metrics.missing(FOUR, PREDICTIONS) == []
    only = {"army": "army", "none": "", "foreign": "x"}
    assert squad_metrics.missing(FOUR, only) == ["cat", "nil"]
    na_probs = {"army": 0.5, "none": 0.6}
    scores = squad_metrics.score_2_0(FOUR, only, na_probs=na_probs)
    assert (scores["exact"], scores["NoAns_exact"], scores["total"]) == (25.0, 50.0, 4)
    assert scores["f1"] == pytest.approx(100 * (2 / 3 + 1) / 4)
    assert (scores["best_exact"], scores["best_f1"]) == (25.0, scores["f1"])
    assert squad_metrics.score_1_1(FOUR[:2], {"army": "the us army"})["exact_match"] == 50.0


def test_without_any_prediction_all_is_zero():
    assert squad_metrics.score_1_1(FOUR[:2], {}) == {"exact_match": 0.0, "f1": 0.0}
    scores = squad_metrics.score_2_0(FOUR, {}, na_probs={})
    assert (scores["exact"], scores["f1"], scores["best_f1"], scores["total"]) == (0, 0, 0, 4)


def test_what_cannot_be_scored_is_told():
    with pytest.raises(UserError, match="question 'none' has no answers, like 1 others"):
        squad_metrics.score_1_1(FOUR, PREDICTIONS)
    with pytest.raises(UserError, match=r"2 questions have a prediction, .* 'army' is the first"):
        squad_metrics.score_2_0(FOUR, PREDICTIONS, na_probs={"cat": 0.1, "none": 0.2})


def answer_with_words(question):
    """Returns one of a question's answers; some of real data are no more than a full stop."""
    texts = [answer.text for answer in question.answers if squad_metrics.normalize(answer.text)]
    return texts[-1] if texts else ""


def test_right_predictions_score_100_and_empty_ones_what_has_no_answer():
    for name in ("dev-v1.1", "dev-v2.0"):
        questions, has_impossible = squad_data.read(str(real_text.path(f"squad/{name}.json")))
        right = {question.id: answer_with_words(question) for question in questions}
        empty = dict.fromkeys(right, "")
        if has_impossible:
            assert squad_metrics.score_2_0(questions, right)["f1"] == 100
            scores = squad_metrics.score_2_0(questions, empty)
            assert (scores["HasAns_f1"], scores["NoAns_f1"]) == (0, 100)
            assert scores["exact"] == 100 * scores["NoAns_total"] / scores["total"]
        else:
            expected = {"exact_match": 100, "f1": 100}
            assert squad_metrics.score_1_1(questions, right) == expected
            # An answer without words, here a full stop, is the same as an empty one.
            scores = squad_metrics.score_1_1(questions, empty)
            assert scores == {"exact_match": 100 / len(questions), "f1": 0}


def noisy(questions, seed):
    """Returns predictions of all kinds: right, of a few words of the context, empty; and odds."""
    random = np.random.default_rng(seed)
    predictions = {}
    for question in questions:
        words = question.context.split(" ")
        begin = int(random.integers(len(words)))
        some = " ".join(words[begin : begin + int(random.integers(1, 6))])
        answers = question.answers or (Answer("", 0),)
        near = f"The {answers[0].text.upper()} {words[0]}"
        choices = (answers[-1].text, some, "", near)
        predictions[question.id] = choices[int(random.integers(len(choices)))]
    odds = {q.id: float(random.normal() + q.is_impossible) for q in questions}
    return predictions, odds


@pytest.mark.parametrize("threshold", [1.0, -0.5])
def test_scores_of_2_0_are_those_of_transformers(threshold):
    theirs = pytest.importorskip("transformers.data.metrics.squad_metrics")
    questions = squad_data.read(str(real_text.path("squad/dev-v2.0.json"))).questions
    predictions, odds = noisy(questions, seed=3)
    examples = [
        types.SimpleNamespace(qas_id=q.id, answers=[{"text": a.text} for a in q.answers])
        for q in questions
    ]
    expected = theirs.squad_evaluate(examples, predictions, odds, threshold)
    found = squad_metrics.score_2_0(questions, predictions, na_probs=odds, na_prob_thresh=threshold)
    assert found == pytest.approx(dict(expected), rel=1e-12)
    assert 20 < found["f1"] < 80
