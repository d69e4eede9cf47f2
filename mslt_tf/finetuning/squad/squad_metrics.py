"""The scores of SQuAD 1.1 and 2.0: exact match and F1, in percent.

Source: Rajpurkar et al. 2016, section 6.1, and 2018, section 5; keys and rules in doubtful cases
are those of the published evaluation scripts.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from mslt_tf.errors import UserError
from mslt_tf.finetuning.squad.squad_data import Question

_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")

Score = Callable[[str, str], float]  # of a predicted text and a right one, 0 to 1


class BestThreshold(NamedTuple):
    """The threshold for no answer that gives the best score."""

    score: float  # percent
    threshold: float


def normalize(text: str) -> str:
    """Returns a text in lower case without ASCII punctuation and articles, with single blanks.

    >>> normalize("The  U.S. (an ally)")
    'us ally'
    """
    without_punctuation = text.lower().translate(_WITHOUT_PUNCTUATION)
    return " ".join(_ARTICLE.sub(" ", without_punctuation).split())


def exact_match(prediction: str, answer: str) -> float:
    """Returns 1 where two texts are the same after `normalize`, else 0."""
    return float(normalize(prediction) == normalize(answer))


def f1(prediction: str, answer: str) -> float:
    """Returns the harmonic mean of precision and recall over words; 0 where they share none.

    >>> f1("the tall tower", "tower of Paris")
    0.4
    """
    predicted, right = normalize(prediction).split(), normalize(answer).split()
    num_same = (Counter(predicted) & Counter(right)).total()
    if not num_same:
        return 0.0
    precision, recall = num_same / len(predicted), num_same / len(right)
    return 2 * precision * recall / (precision + recall)


def f1_or_nothing(prediction: str, answer: str) -> float:
    """Returns `f1`; but 1, as SQuAD 2.0 has it, where neither of two texts has a word."""
    if normalize(prediction) or normalize(answer):
        return f1(prediction, answer)
    return 1.0


def missing(questions: Sequence[Question], predictions: Mapping[str, str]) -> list[str]:
    """Returns the ids of questions without a prediction; each of them scores 0."""
    return [question.id for question in questions if question.id not in predictions]


def score_1_1(
    questions: Sequence[Question], predictions: Mapping[str, str]
) -> dict[str, float | int]:
    """Returns the scores of SQuAD 1.1: exact_match and f1, in percent of all questions.

    Args:
        questions: at least one; of several answers, that counts which scores best.
        predictions: texts by question id; others are passed over.

    Raises:
        UserError: a question has no answer.
    """
    unlabelled = [question.id for question in questions if not question.answers]
    if unlabelled:
        raise UserError(
            f"question {unlabelled[0]!r} has no answers, like {len(unlabelled) - 1:,} others. "
            "Only labelled data can be scored, or SQuAD 2.0, where is_impossible is told."
        )
    answers = {question.id: [a.text for a in question.answers] for question in questions}
    return {
        "exact_match": _percent(_scores(exact_match, answers, predictions)),
        "f1": _percent(_scores(f1, answers, predictions)),
    }


def score_2_0(
    questions: Sequence[Question],
    predictions: Mapping[str, str],
    *,
    na_probs: Mapping[str, float] | None = None,
    na_prob_thresh: float = 1.0,
) -> dict[str, float | int]:
    """Returns the scores of SQuAD 2.0, in percent: exact, f1, total, HasAns_*, NoAns_*.

    Args:
        questions: at least one; of several answers, that counts which scores best.
        predictions: texts by question id, "" for no answer; others are passed over.
        na_probs: by question id, how likely it is that there is no answer; any scale. With them
            come best_exact, best_f1 and their thresholds. These tell most of predictions that have
            a text for every question.
        na_prob_thresh: what is above it counts as predicted to have no answer.

    Raises:
        UserError: a question with a prediction has no value in `na_probs`.
    """
    answers = {question.id: _answers_2_0(question) for question in questions}
    exact = _scores(exact_match, answers, predictions)
    f1s = _scores(f1_or_nothing, answers, predictions)
    impossible = {question.id for question in questions if not question.answers}
    above = _above(answers.keys() & predictions.keys(), na_probs, na_prob_thresh)
    overrides = {key: float(key in impossible) for key in above}
    found = _of_groups(exact | overrides, f1s | overrides, impossible)
    if na_probs is not None:
        for name, scores in (("exact", exact), ("f1", f1s)):
            best = best_threshold(scores, impossible, predictions, na_probs)
            found |= {f"best_{name}": best.score, f"best_{name}_thresh": best.threshold}
    return found


def best_threshold(
    scores: Mapping[str, float],
    impossible: set[str],
    predictions: Mapping[str, str],
    na_probs: Mapping[str, float],
) -> BestThreshold:
    """Returns the best score that a threshold on `na_probs` can give, and the threshold.

    The least threshold of equal ones is taken, and 0.0 where it is best to answer nothing. Among
    questions of equal `na_probs` their order decides, as if one could part them.

    Args:
        scores: of the predictions as they are, 0 to 1, by question id.
        impossible: ids of questions without answer.
        predictions: the predicted texts.
        na_probs: how likely it is that there is no answer.
    """
    total: float = sum(key in predictions for key in impossible)
    best = BestThreshold(total, 0.0)
    for key in sorted(na_probs, key=lambda key: na_probs[key]):
        if key not in scores or key not in predictions:
            continue
        total += -bool(predictions[key]) if key in impossible else scores[key]
        if total > best.score:
            best = BestThreshold(total, na_probs[key])
    return best._replace(score=100 * best.score / len(scores))


def _answers_2_0(question: Question) -> list[str]:
    return [answer.text for answer in question.answers if normalize(answer.text)] or [""]


def _scores(
    score: Score, answers: Mapping[str, Sequence[str]], predictions: Mapping[str, str]
) -> dict[str, float]:
    """Returns the score of each question, with the best of its answers."""
    return {
        key: max(score(predictions[key], text) for text in texts) if key in predictions else 0.0
        for key, texts in answers.items()
    }


def _above(ids: set[str], na_probs: Mapping[str, float] | None, threshold: float) -> list[str]:
    """Returns which of the questions are predicted to have no answer by their `na_probs`."""
    if na_probs is None:
        na_probs = dict.fromkeys(ids, 0.0)
    without = sorted(ids - na_probs.keys())
    if without:
        raise UserError(
            f"{len(without):,} questions have a prediction, but no probability of no answer: "
            f"{without[0]!r} is the first. Give both for the same questions."
        )
    return [key for key in ids if na_probs[key] > threshold]


def _of_groups(
    exact: Mapping[str, float], f1s: Mapping[str, float], impossible: set[str]
) -> dict[str, float | int]:
    groups = {
        "": list(exact),
        "HasAns_": [key for key in exact if key not in impossible],
        "NoAns_": [key for key in exact if key in impossible],
    }
    found: dict[str, float | int] = {}
    for prefix, ids in groups.items():
        if ids:
            found[f"{prefix}exact"] = _percent({key: exact[key] for key in ids})
            found[f"{prefix}f1"] = _percent({key: f1s[key] for key in ids})
            found[f"{prefix}total"] = len(ids)
    return found


def _percent(scores: Mapping[str, float]) -> float:
    return 100 * sum(scores.values()) / len(scores)
