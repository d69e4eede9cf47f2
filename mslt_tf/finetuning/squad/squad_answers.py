"""From the logits of a question's windows to its answers, and the files that hold them.

Source: google-research/bert, run_squad.py, `write_predictions`. Other than there, all spans are
compared instead of those between the best starts and the best ends, padding is never looked at, and
an answer is the context's own characters. So neither batches nor the order of windows matter.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, own_file
from mslt_tf.finetuning.squad.squad_windows import QuestionWindows, Window

PREDICTIONS_FILE = "predictions.json"
NBEST_FILE = "nbest_predictions.json"
NULL_ODDS_FILE = "null_odds.json"

Logits = npt.NDArray[np.floating[Any]]


class Candidate(NamedTuple):
    """A possible answer."""

    text: str  # "" for none
    start: int  # characters of the context before it
    limit: int  # characters of the context up to its end
    start_logit: float
    end_logit: float
    probability: float = 0.0  # among the candidates that it is listed with

    @property
    def score(self) -> float:
        """The sum of its logits."""
        return self.start_logit + self.end_logit


class QuestionAnswers(NamedTuple):
    """What a model answers to a question."""

    best: Candidate  # that has a text
    nbest: tuple[Candidate, ...]  # best first, with probabilities whose sum is 1
    null_odds: float | None  # score of no answer less that of the best one; None in SQuAD 1.1


_NOTHING = Candidate("", 0, 0, 0.0, 0.0)  # where a context has no token


def find_answers(
    context: str,
    question: QuestionWindows,
    start_logits: Sequence[Logits],
    end_logits: Sequence[Logits],
    *,
    has_impossible: bool,
    n_best: int = 20,
    max_answer_length: int = 30,
) -> QuestionAnswers:
    """Returns the best answers to a question, each text once.

    An answer lies within one window, and begins where its first token has its maximum context. Of
    equal scores, the one that stands first in the context comes first.

    Args:
        context: the text.
        question: its tokens and windows, these in any order.
        start_logits: for each window, [length of the window or more].
        end_logits: the same.
        has_impossible: there may be no answer: as in SQuAD 2.0 that is a candidate too, and stands
            in `nbest` as the last one where it is not among the best. Its logits are those of [CLS]
            in the window where their sum is least.
        n_best: most candidates that are listed.
        max_answer_length: most tokens of an answer.

    Raises:
        UserError: a logit is not finite.
    """
    _check_finite(question.windows, start_logits, end_logits)
    starts, ends = _span_logits(question, start_logits, end_logits, max_answer_length)
    spans: dict[str, Candidate] = {}
    for candidate in _ranked_spans(context, question, starts, ends):
        if len(spans) == n_best:
            break
        spans.setdefault(candidate.text, candidate)
    found = list(spans.values()) or [_NOTHING]
    if not has_impossible:
        return QuestionAnswers(found[0], _with_probabilities(found), None)
    null = _null(start_logits, end_logits)
    ranked = sorted([*spans.values(), null], key=lambda candidate: -candidate.score)[:n_best]
    nbest = ranked if null in ranked else [*ranked, null]
    return QuestionAnswers(found[0], _with_probabilities(nbest), null.score - found[0].score)


def predicted_text(answers: QuestionAnswers, *, null_threshold: float = 0.0) -> str:
    """Returns the answer; "" for none, if `null_odds` are above the threshold."""
    is_null = answers.null_odds is not None and answers.null_odds > null_threshold
    return "" if is_null else answers.best.text


def write(
    folder: str, answers: Mapping[str, QuestionAnswers], *, null_threshold: float = 0.0
) -> None:
    """Writes the files of predictions into a folder, each whole or not at all.

    predictions.json has {id: text}, nbest_predictions.json {id: [{text, probability, start_logit,
    end_logit}]}, and null_odds.json, which SQuAD 1.1 has not, {id: null_odds}.

    Args:
        folder: is there; files of these names in it are replaced.
        answers: by question id.
        null_threshold: see `predicted_text`.

    Raises:
        UserError: a file cannot be written.
    """
    texts = {key: predicted_text(a, null_threshold=null_threshold) for key, a in answers.items()}
    _write_json(os.path.join(folder, PREDICTIONS_FILE), texts)
    nbest = {key: [_entry(candidate) for candidate in a.nbest] for key, a in answers.items()}
    _write_json(os.path.join(folder, NBEST_FILE), nbest)
    odds = {key: a.null_odds for key, a in answers.items() if a.null_odds is not None}
    if odds:
        _write_json(os.path.join(folder, NULL_ODDS_FILE), odds)


def _check_finite(
    windows: Sequence[Window], start_logits: Sequence[Logits], end_logits: Sequence[Logits]
) -> None:
    for window, starts, ends in zip(windows, start_logits, end_logits, strict=True):
        length = len(window.input_ids)
        if not (np.isfinite(starts[:length]).all() and np.isfinite(ends[:length]).all()):
            raise UserError(
                "a logit of the model is not finite, so it has no best answer. Its training went "
                "astray: lower the learning rate, or take another checkpoint."
            )


def _span_logits(
    question: QuestionWindows,
    start_logits: Sequence[Logits],
    end_logits: Sequence[Logits],
    max_answer_length: int,
) -> tuple[Logits, Logits]:
    """Returns the logits of every span: of starts [tokens], of ends [tokens, span length - 1].

    A token's logits are those of the window where it has its maximum context; -inf stands for ends
    that this window does not hold. So each span has one pair of logits.
    """
    num_tokens = len(question.context.ids)
    starts = np.full([num_tokens], -np.inf)
    ends = np.full([num_tokens, max_answer_length], -np.inf)
    beyond = np.full([max_answer_length], -np.inf)
    for window, of_starts, of_ends in zip(question.windows, start_logits, end_logits, strict=True):
        here = slice(window.context_begin, window.context_begin + len(window.tokens))
        kept = np.flatnonzero(window.has_max_context)
        starts[window.tokens.start + kept] = of_starts[here][kept]
        ends_here = np.concatenate([of_ends[here], beyond])
        ends[window.tokens.start + kept] = ends_here[kept[:, None] + np.arange(max_answer_length)]
    return starts, ends


def _ranked_spans(
    context: str, question: QuestionWindows, starts: Logits, ends: Logits
) -> Iterator[Candidate]:
    """Yields every span that has characters, best first; of equal ones the first in the context."""
    scores = starts[:, None] + ends
    for index in np.argsort(-scores, axis=None, kind="stable"):
        first, more = divmod(int(index), ends.shape[1])
        if scores[first, more] == -np.inf:
            return
        start, limit = question.context.starts[first], question.context.limits[first + more]
        if start < limit:
            yield Candidate(
                context[start:limit],
                int(start),
                int(limit),
                float(starts[first]),
                float(ends[first, more]),
            )


def _null(start_logits: Sequence[Logits], end_logits: Sequence[Logits]) -> Candidate:
    """Returns no answer as a candidate; of equal sums, the one with the least start logit."""
    pairs = zip(start_logits, end_logits, strict=True)
    candidates = [
        _NOTHING._replace(start_logit=float(s[0]), end_logit=float(e[0])) for s, e in pairs
    ]
    return min(candidates, key=lambda candidate: (candidate.score, candidate.start_logit))


def _with_probabilities(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    scores = np.array([candidate.score for candidate in candidates])
    weights = np.exp(scores - scores.max())
    shares = (weights / weights.sum()).tolist()
    return tuple(c._replace(probability=p) for c, p in zip(candidates, shares, strict=True))


def _entry(candidate: Candidate) -> dict[str, Any]:
    names = ("text", "probability", "start_logit", "end_logit")
    return {name: getattr(candidate, name) for name in names}


def _write_json(path: str, value: Any) -> None:
    with file_errors.writing(path):
        own_file.write(path, json.dumps(value, indent=1, allow_nan=False) + "\n")
