"""Held-out evaluation: how well the model fills masks and judges sentence pairs."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from mslt_tf.distribution.workers import Workers
from mslt_tf.pretraining import losses
from mslt_tf.records import input_pipeline
from mslt_tf.records.batch import Batch
from mslt_tf.records.record_files import Records


class EvaluationSums(NamedTuple):
    """What is summed over all records: float32 scalars."""

    masked_lm_loss: tf.Tensor
    masked_lm_right: tf.Tensor
    masked_tokens: tf.Tensor
    sentence_pair_loss: tf.Tensor
    sentence_pair_right: tf.Tensor
    sequences: tf.Tensor


# Evaluates the model as it is then; returns None if asked to stop before the end.
Evaluate = Callable[[Callable[[], bool]], dict[str, float] | None]


def make_evaluate(
    workers: Workers,
    model: tf.keras.Model,
    records: Records,
    *,
    batch_size: int,
    vocab_size: int,
) -> Evaluate:
    """Returns a function that evaluates `model` on every record once, without dropout.

    It takes a function that tells whether to stop, asked between batches and agreed on by all
    workers, and returns `masked_lm_loss` and `sentence_pair_loss` in nats, `masked_lm_accuracy`,
    `sentence_pair_accuracy`, and `unigram_entropy` in nats: the entropy of the masked tokens' own
    frequencies, the loss of the best guess that ignores all context.

    Args:
        workers: who evaluates; each reads its share.
        model: built under their strategy.
        records: the held-out set.
        batch_size: sequences per replica.
        vocab_size: of the model.
    """
    strategy, num_replicas = workers.strategy, workers.strategy.num_replicas_in_sync
    num_steps = -(-records.num_records // (batch_size * num_replicas))

    @tf.function(autograph=False)
    @tf.autograph.experimental.do_not_convert
    def evaluation_step(batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
        shares = strategy.run(
            lambda batch: evaluation_sums(model, batch, vocab_size=vocab_size), args=(batch,)
        )
        return tuple(strategy.reduce(tf.distribute.ReduceOp.SUM, s, axis=None) for s in shares)

    def evaluate(should_stop: Callable[[], bool]) -> dict[str, float] | None:
        batches = iter(
            strategy.distribute_datasets_from_function(
                # Without an end: looking for it would cost a collective per step.
                lambda _: input_pipeline.evaluation_batches(
                    records, batch_size=batch_size, share=input_pipeline.Share.of(workers)
                ).repeat()
            )
        )
        sums, token_counts = tf.zeros([len(EvaluationSums._fields)]), tf.zeros([vocab_size])
        for _ in range(num_steps):
            if should_stop():
                return None
            step_sums, step_counts = evaluation_step(next(batches))
            sums, token_counts = sums + step_sums, token_counts + step_counts
        return _averages(sums, token_counts)

    return evaluate


def _averages(sums: tf.Tensor, token_counts: tf.Tensor) -> dict[str, float]:
    found = EvaluationSums(*sums.numpy())
    frequencies = tf.math.divide_no_nan(token_counts, tf.reduce_sum(token_counts))
    return {
        "masked_lm_loss": float(found.masked_lm_loss / found.masked_tokens),
        "masked_lm_accuracy": float(found.masked_lm_right / found.masked_tokens),
        "unigram_entropy": float(-tf.reduce_sum(tf.math.xlogy(frequencies, frequencies))),
        "sentence_pair_loss": float(found.sentence_pair_loss / found.sequences),
        "sentence_pair_accuracy": float(found.sentence_pair_right / found.sequences),
    }


def evaluation_sums(
    model: tf.keras.Model, batch: Batch, *, vocab_size: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns a batch's sums, float32 [6] as `EvaluationSums` names them, and counts [vocab]."""
    inputs = {name: batch[name] for name in ("input_ids", "input_mask", "segment_ids")}
    inputs["masked_lm_positions"] = batch["masked_lm_positions"]
    inputs["dropout_seed"] = tf.zeros([2], tf.int32)  # unused outside training
    outputs = model(inputs, training=False)
    masked_logits, sentence_logits = outputs["masked_lm_logits"], outputs["sentence_pair_logits"]
    token_weights, weights = batch["masked_lm_weights"], batch["example_weights"]
    masked_right = _right(masked_logits, batch["masked_lm_ids"]) * token_weights
    sentence_right = _right(sentence_logits, batch["next_sentence_labels"]) * weights
    sums = EvaluationSums(
        tf.reduce_sum(losses.masked_lm_losses(masked_logits, batch)),
        tf.reduce_sum(masked_right),
        tf.reduce_sum(token_weights),
        tf.reduce_sum(losses.sentence_pair_losses(sentence_logits, batch) * weights),
        tf.reduce_sum(sentence_right),
        tf.reduce_sum(weights),
    )
    ids, id_weights = tf.reshape(batch["masked_lm_ids"], [-1]), tf.reshape(token_weights, [-1])
    return tf.stack(sums), tf.math.unsorted_segment_sum(id_weights, ids, vocab_size)


def _right(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32) == labels, tf.float32)
