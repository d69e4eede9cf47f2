"""A model of SQuAD, with question and context in, and the answer out."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from mslt_tf.export.encoder import named_inputs
from mslt_tf.export.packing import SpecialIds
from mslt_tf.export.text_inputs import as_many, text_spec
from mslt_tf.finetuning.served import graph_answers, graph_windows
from mslt_tf.finetuning.served.graph_answers import Spans
from mslt_tf.squad_settings import SquadSettings
from mslt_tf.text_case import TextCase
from mslt_tf.tokenization.graph_tokenizer import GraphTokenizer

INPUTS = ("question", "context")

_Tensors = dict[str, tf.Tensor]


def signatures(
    model: tf.keras.Model,
    vocabulary: Sequence[str],
    text_case: TextCase,
    settings: SquadSettings,
    *,
    null_threshold: float | None,
) -> dict[str, Any]:
    """Returns the signatures by name, of which there is one.

    `serving_default` takes `question` and `context`, string [batch], and returns for each question
    `answer`, string [batch], and where it stands in the context, `start` and `end`, int32 [batch],
    in characters; `score`, float32 [batch], the sum of its two logits; and `probability`, float32
    [batch], its share among all spans. In SQuAD 2.0 no answer, "" from 0 to 0, is one more
    candidate, and there is `null_odds`, float32 [batch], its score less that of the best span.

    Args:
        model: from `task_model.build`, trained.
        vocabulary: the encoder's tokens by id.
        text_case: what is done to letters.
        settings: of the windows and answers.
        null_threshold: the `null_odds` up to which a question is answered; None in SQuAD 1.1.
    """
    special = SpecialIds.of(vocabulary)
    # A function of its own, so that it is saved once for both texts.
    tokenize = tf.function(
        GraphTokenizer(vocabulary, text_case).tokenize_with_offsets,
        autograph=False,
        input_signature=[text_spec("text")],
    )

    @tf.function(
        autograph=False,
        input_signature=[{name: text_spec(name) for name in INPUTS}],
    )
    def serving_default(inputs: _Tensors) -> _Tensors:
        question, context = as_many({name: inputs[name] for name in INPUTS})
        query = tokenize(question).ids.merge_dims(1, 2)
        ids, starts, limits = (each.merge_dims(1, 2) for each in tokenize(context))
        windows = graph_windows.make_windows(query, ids, special, settings.windows)
        logits = model(named_inputs(windows.inputs), training=False)
        spans = graph_answers.best_spans(
            logits, windows, ids, max_answer_length=settings.max_answer_length
        )
        begins, ends = _at(starts, spans.firsts), _at(limits, spans.lasts)
        if null_threshold is None:
            return _answer(inputs["context"], begins, ends, spans.scores, spans.totals)
        null = graph_answers.null_scores(logits, windows, ids.nrows())
        return _answer_or_none(inputs["context"], begins, ends, spans, null, null_threshold)

    return {"serving_default": serving_default}


def _at(values: tf.RaggedTensor, columns: tf.Tensor) -> tf.Tensor:
    """Returns one value of each row, int64 [batch]; 0 of a row without any."""
    width = tf.maximum(values.bounding_shape(axis=1), 1)
    return tf.gather(values.to_tensor(shape=tf.stack([-1, width])), columns, batch_dims=1)


def _answer_or_none(
    contexts: tf.Tensor,
    begins: tf.Tensor,
    ends: tf.Tensor,
    spans: Spans,
    null: tf.Tensor,
    null_threshold: float,
) -> _Tensors:
    odds = null - spans.scores
    is_null = odds > null_threshold
    nowhere = tf.zeros_like(begins)
    answer = _answer(
        contexts,
        tf.where(is_null, nowhere, begins),
        tf.where(is_null, nowhere, ends),
        tf.where(is_null, null, spans.scores),
        tf.reduce_logsumexp(tf.stack([spans.totals, null]), axis=0),
    )
    return {**answer, "null_odds": tf.cast(odds, tf.float32)}


def _answer(
    contexts: tf.Tensor, begins: tf.Tensor, ends: tf.Tensor, scores: tf.Tensor, totals: tf.Tensor
) -> _Tensors:
    """Returns the outputs.

    Args:
        contexts: string [batch].
        begins: bytes before the answer, int64 [batch].
        ends: bytes up to its end.
        scores: float64 [batch].
        totals: the log of the sum of exp(score) of all candidates, float64 [batch].
    """
    before = tf.strings.substr(contexts, tf.zeros_like(begins), begins)
    answers = tf.strings.substr(contexts, begins, ends - begins)
    start = tf.strings.length(before, unit="UTF8_CHAR")
    return {
        "answer": answers,
        "start": start,
        "end": start + tf.strings.length(answers, unit="UTF8_CHAR"),
        "score": tf.cast(scores, tf.float32),
        "probability": tf.cast(tf.exp(scores - totals), tf.float32),
    }
