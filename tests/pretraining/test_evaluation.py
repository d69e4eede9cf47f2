"""Held-out evaluation against NumPy over all records, filling included."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.distribution import strategies
from mslt_tf.distribution.workers import Workers
from mslt_tf.pretraining import evaluation, stage_model
from mslt_tf.records import input_pipeline, record_files
from tests import tiny


@pytest.mark.multi_device
@pytest.mark.parametrize("all_devices", [False, True])
def test_every_record_counts_once_whatever_the_batch(tmp_path, all_devices):
    pattern = tiny.write_random_shards(tmp_path / "r", sizes=(9, 4))
    records = record_files.open_records(
        [pattern], cache_path=str(tmp_path / "facts.json"), report=lambda line: None
    )
    config = tiny.config(method="original")
    workers = Workers(strategies.one_machine(all_devices=all_devices))
    with workers.strategy.scope():
        model = stage_model.build(config, config.plan.stages[0])
    evaluate = evaluation.make_evaluate(
        workers, model, records, batch_size=5, vocab_size=config.model.vocab_size
    )
    assert evaluate(lambda: True) is None  # asked to stop
    found = evaluate(lambda: False)
    (batch,) = input_pipeline.evaluation_batches(records, batch_size=13).as_numpy_iterator()
    assert found == pytest.approx(numpy_evaluation(model, batch), rel=1e-5)


def numpy_evaluation(model, batch):
    inputs = {name: tf.constant(batch[name]) for name in model.input if name in batch}
    outputs = model({**inputs, "dropout_seed": tf.zeros([2], tf.int32)})
    masked_losses, masked_right, labels = [], [], []
    sentence_losses, sentence_right = [], []
    for row in range(13):
        logits = outputs["sentence_pair_logits"][row].numpy()
        label = batch["next_sentence_labels"][row]
        sentence_losses.append(-np.log(np.exp(logits[label]) / np.exp(logits).sum()))
        sentence_right.append(logits.argmax() == label)
        for column, weight in enumerate(batch["masked_lm_weights"][row]):
            if weight:
                logits = outputs["masked_lm_logits"][row, column].numpy()
                label = batch["masked_lm_ids"][row, column]
                masked_losses.append(-np.log(np.exp(logits[label]) / np.exp(logits).sum()))
                masked_right.append(logits.argmax() == label)
                labels.append(label)
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return {
        "masked_lm_loss": np.mean(masked_losses),
        "masked_lm_accuracy": np.mean(masked_right),
        "unigram_entropy": -np.sum(shares * np.log(shares)),
        "sentence_pair_loss": np.mean(sentence_losses),
        "sentence_pair_accuracy": np.mean(sentence_right),
    }
