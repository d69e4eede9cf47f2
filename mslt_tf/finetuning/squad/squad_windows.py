"""Contexts that are longer than a model reads: windows that overlap, each with the question.

A window is `[CLS] question [SEP] tokens of the context [SEP]`, without padding.
Source: google-research/bert, run_squad.py, `convert_examples_to_features`. Other than there,
answers are found among the tokens by their characters.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mslt_tf.finetuning.squad import squad_data
from mslt_tf.finetuning.squad.squad_data import Answer, Question
from mslt_tf.squad_settings import NUM_MARKS, WindowSizes


class OffsetTokens(NamedTuple):
    """A text as tokens that know where they stand in it; offsets never fall from one to the next.

    Token i is made of the characters `text[starts[i]:limits[i]]`.
    """

    ids: Sequence[int] | npt.NDArray[np.int32]
    starts: Sequence[int] | npt.NDArray[np.int32]  # characters
    limits: Sequence[int] | npt.NDArray[np.int32]  # characters


class Window(NamedTuple):
    """A part of a context after the question, as a model reads it."""

    input_ids: npt.NDArray[np.int32]  # [length]
    type_ids: npt.NDArray[np.int32]  # [length]: 0 up to the first [SEP], 1 after it
    tokens: range  # which of the context's tokens it holds
    context_begin: int  # where the first of them stands in input_ids
    has_max_context: npt.NDArray[np.bool_]  # [tokens]: no other window shows more around the token
    start_position: int  # of the answer's first token in input_ids; 0, which is [CLS], if not here
    end_position: int  # of its last token; 0 if not here


class QuestionWindows(NamedTuple):
    """A question as a model reads it."""

    context: OffsetTokens
    windows: list[Window]  # at least one, in the order of the context


def question_windows(
    question: Question,
    tokenize: Callable[[str], OffsetTokens],
    *,
    cls_id: int,
    sep_id: int,
    sizes: WindowSizes | None = None,
) -> QuestionWindows:
    """Returns the windows of a question, with its `training_answer` where they hold it wholly.

    Args:
        question: of a file.
        tokenize: gives a text's tokens with their characters. Many questions have the same
            context, so one that looks up what was tokenised before saves most of the work.
        cls_id: of [CLS].
        sep_id: of [SEP].
        sizes: of the windows; run_squad.py's unless given.
    """
    context = tokenize(question.context)
    answer = squad_data.training_answer(question)
    windows = make_windows(
        tokenize(question.question).ids,
        context.ids,
        cls_id=cls_id,
        sep_id=sep_id,
        answer=answer_tokens(context, answer) if answer else range(0),
        sizes=sizes,
    )
    return QuestionWindows(context, windows)


def answer_tokens(context: OffsetTokens, answer: Answer) -> range:
    """Returns the tokens that hold a character of the answer; none where all were dropped.

    >>> answer_tokens(OffsetTokens([7, 8, 9], [0, 4, 12], [3, 12, 13]), Answer("Japan", 4))
    range(1, 2)
    """
    first = int(np.searchsorted(context.limits, answer.start, side="right"))
    limit = int(np.searchsorted(context.starts, answer.limit, side="left"))
    return range(first, max(first, limit))


def make_windows(
    query: Sequence[int] | npt.NDArray[np.int32],
    context: Sequence[int] | npt.NDArray[np.int32],
    *,
    cls_id: int,
    sep_id: int,
    answer: range = range(0),
    sizes: WindowSizes | None = None,
) -> list[Window]:
    """Returns the windows of a context, in its order; one where the context has no token.

    Args:
        query: ids of the question.
        context: ids of the whole context.
        cls_id: of [CLS].
        sep_id: of [SEP].
        answer: the context's tokens that answer; empty for none.
        sizes: of the windows; run_squad.py's unless given.
    """
    sizes = sizes or WindowSizes()
    query = np.asarray(query[: sizes.max_query_length], np.int32)
    spans = _spans(len(context), sizes.max_seq_length - NUM_MARKS - len(query), sizes.doc_stride)
    has_max_context = _max_context(spans)
    front = np.concatenate([[cls_id], query, [sep_id]]).astype(np.int32)
    windows = []
    for span, is_best in zip(spans, has_max_context, strict=True):
        back = np.append(context[span.start : span.stop], sep_id).astype(np.int32)
        is_inside = bool(answer) and span.start <= answer.start and answer.stop <= span.stop
        moved = len(front) - span.start
        windows.append(
            Window(
                input_ids=np.concatenate([front, back]),
                type_ids=np.repeat(np.array([0, 1], np.int32), [len(front), len(back)]),
                tokens=span,
                context_begin=len(front),
                has_max_context=is_best,
                start_position=answer.start + moved if is_inside else 0,
                end_position=answer.stop - 1 + moved if is_inside else 0,
            )
        )
    return windows


def _spans(num_tokens: int, room: int, stride: int) -> list[range]:
    """Returns which tokens the windows hold; none is left out, however large the stride."""
    spans = [range(min(room, num_tokens))]
    while spans[-1].stop < num_tokens:
        begin = spans[-1].start + min(room, stride)
        spans.append(range(begin, min(begin + room, num_tokens)))
    return spans


def _max_context(spans: list[range]) -> list[npt.NDArray[np.bool_]]:
    """Returns for each window which of its tokens have their maximum context there.

    What counts is the shorter of a token's two sides, plus a hundredth of the window's length; of
    equal windows the first. So each token has exactly one such window.
    """
    scores = np.full([len(spans), spans[-1].stop], -1)
    for row, span in zip(scores, spans, strict=True):
        left = np.arange(len(span))
        row[span.start : span.stop] = 100 * np.minimum(left, left[::-1]) + len(span)
    best = scores.argmax(axis=0)
    return [best[span.start : span.stop] == index for index, span in enumerate(spans)]
