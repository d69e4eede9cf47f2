"""SQuAD as a task: windows to train on, answers to the dev questions, their scores and files."""

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mslt_tf.errors import UserError
from mslt_tf.finetuning import objectives
from mslt_tf.finetuning.objectives import Objective
from mslt_tf.finetuning.sequences import Sequences
from mslt_tf.finetuning.squad import squad_answers, squad_data, squad_metrics, squad_windows
from mslt_tf.finetuning.squad.squad_answers import QuestionAnswers
from mslt_tf.finetuning.squad.squad_data import Question
from mslt_tf.finetuning.squad.squad_splits import DEV, SquadSplits
from mslt_tf.finetuning.squad.squad_tokens import OffsetTokenizer
from mslt_tf.finetuning.squad.squad_windows import QuestionWindows, Window
from mslt_tf.finetuning.task import Outputs, Predict, Scores
from mslt_tf.squad_settings import SquadSettings

_NUM_SHOWN = 3  # questions in a message


@dataclasses.dataclass(frozen=True)
class SquadTask:
    """SQuAD 1.1 or 2.0, a `FineTuningTask`. What is tokenised is tokenised once."""

    splits: SquadSplits
    tokenizer: OffsetTokenizer
    settings: SquadSettings
    report: Callable[[str], None]  # takes lines on progress and on questions that are left out
    num_epochs: int = 2

    @property
    def name(self) -> str:
        """One of `squad_splits.VERSIONS`."""
        return self.splits.name

    @property
    def objective(self) -> Objective:
        """The answer's first and last token."""
        return objectives.span()

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that the splits hold, in their order."""
        digest = hashlib.sha256()
        for part in ([self.name], *self.splits.train, [DEV], *self.splits.dev):
            digest.update(json.dumps(part).encode() + b"\n")
        return digest.hexdigest()

    @property
    def further_fingerprints(self) -> Mapping[str, str]:
        """None: dev is all that is scored."""
        return {}

    @property
    def num_characters(self) -> int:
        """Of all contexts and questions to train on, a context as often as it is asked about."""
        return sum(len(each.context) + len(each.question) for each in self.splits.train)

    def training_sequences(self) -> Sequences:
        """Returns all windows of the questions; targets are int32 [windows, 2].

        As in google-research/bert's run_squad.py, a window without the answer trains too: its
        target is [CLS], for SQuAD 1.1 as for 2.0.

        Raises:
            UserError: no question is left, as the tokenizer drops every character of all answers.
        """
        return self._train

    @functools.cached_property
    def dev_sequences(self) -> Sequences:
        """All windows of the dev questions, in their order."""
        return _sequences(window for question in self._dev for window in question.windows)

    def evaluate(
        self, predict: Predict, folder: str, *, splits: Collection[str] | None = None
    ) -> Mapping[str, Scores]:
        """Returns the scores of dev, and writes its predictions into a folder.

        There are no other `splits` to choose from.

        For SQuAD 2.0 `exact`, `f1` and their parts are those of answering where `null_odds` are at
        most 0. The files answer where they are at most `null_threshold`, which gives `best_f1`
        unless several `null_odds` are equal to it.

        Raises:
            UserError: a logit is not finite, or a file cannot be written.
        """
        answers = self.find_answers(predict(self.dev_sequences))
        if self.splits.has_impossible:
            scores = _scores_2_0(self.splits.dev, answers)
        else:
            scores = squad_metrics.score_1_1(self.splits.dev, _texts(answers))
        squad_answers.write(folder, answers, null_threshold=scores.get("null_threshold", 0.0))
        return {DEV: scores}

    def selection_score(self, scores: Mapping[str, Scores]) -> float:
        """Returns F1; for SQuAD 2.0 with the best threshold for no answer."""
        return scores[DEV]["best_f1" if self.splits.has_impossible else "f1"]

    def identity(self) -> Mapping[str, Any]:
        """Returns the settings."""
        return dataclasses.asdict(self.settings)

    def find_answers(self, outputs: Outputs) -> dict[str, QuestionAnswers]:
        """Returns the answers to the dev questions by their ids.

        Args:
            outputs: for each dev window, float32 [its length, 2]: the logits of start and end.

        Raises:
            UserError: a logit is not finite.
        """
        outputs_left = iter(outputs)
        found = {}
        for question, windows in zip(self.splits.dev, self._dev, strict=True):
            logits = [next(outputs_left) for _ in windows.windows]
            found[question.id] = squad_answers.find_answers(
                question.context,
                windows,
                [each[:, 0] for each in logits],
                [each[:, 1] for each in logits],
                has_impossible=self.splits.has_impossible,
                n_best=self.settings.n_best,
                max_answer_length=self.settings.max_answer_length,
            )
        return found

    @functools.cached_property
    def _train(self) -> Sequences:
        windows, dropped = [], []
        for question, made in self._windows(self.splits.train):
            if _has_answer_without_tokens(question, made):
                dropped.append(question.id)
            else:
                windows += made.windows
        self._tell_dropped(dropped)
        positions = [(window.start_position, window.end_position) for window in windows]
        return _sequences(windows, np.array(positions, np.int32))

    @functools.cached_property
    def _dev(self) -> list[QuestionWindows]:
        return [made for _, made in self._windows(self.splits.dev)]

    def _windows(self, questions: Sequence[Question]) -> Iterator[tuple[Question, QuestionWindows]]:
        texts = (text for each in questions for text in (each.context, each.question))
        tokens = self.tokenizer.tokenize(texts, report=self.report)
        for question in questions:
            yield (
                question,
                squad_windows.question_windows(
                    question,
                    tokens.__getitem__,
                    cls_id=self.tokenizer.cls_id,
                    sep_id=self.tokenizer.sep_id,
                    sizes=self.settings.windows,
                ),
            )

    def _tell_dropped(self, ids: Sequence[str]) -> None:
        if not ids:
            return
        total = len(self.splits.train)
        text = (
            f"{len(ids):,} of {total:,} training questions of {self.name} have an answer of which "
            f"the tokenizer drops every character: {', '.join(map(repr, ids[:_NUM_SHOWN]))}"
        )
        if len(ids) == total:
            raise UserError(f"{text}. Give other data, or an encoder for such text.")
        self.report(f"{text}. They are left out.")


def _has_answer_without_tokens(question: Question, made: QuestionWindows) -> bool:
    answer = squad_data.training_answer(question)
    return answer is not None and not squad_windows.answer_tokens(made.context, answer)


def _sequences(
    windows: Iterable[Window], targets: npt.NDArray[np.int32] | None = None
) -> Sequences:
    return Sequences.of(((window.input_ids, window.type_ids) for window in windows), targets)


def _texts(answers: Mapping[str, QuestionAnswers]) -> dict[str, str]:
    return {key: found.best.text for key, found in answers.items()}


def _scores_2_0(
    questions: Sequence[Question], answers: Mapping[str, QuestionAnswers]
) -> dict[str, float]:
    """Returns the official scores, and the threshold for no answer that gives the best F1."""
    odds = {key: found.null_odds for key, found in answers.items() if found.null_odds is not None}
    scores = squad_metrics.score_2_0(questions, _texts(answers), na_probs=odds, na_prob_thresh=0.0)
    threshold = scores["best_f1_thresh"]
    if scores["best_f1"] == 100 * scores.get("NoAns_total", 0) / scores["total"]:
        # It is best to answer nothing, for which the published rules say 0.
        threshold = math.nextafter(min(odds.values()), -math.inf)
    return scores | {"null_threshold": threshold}
