"""GLUE's metrics, against cases that were computed by hand."""

import math

import numpy as np
import pytest

from mslt_tf.finetuning.glue import glue_metrics, glue_tasks

# True and false positives and negatives.
CONFUSIONS = [(6, 3, 1, 2), (1, 0, 0, 1), (0, 1, 1, 0), (2, 5, 7, 1), (40, 3, 30, 300)]


def labels_and_predictions(tp, fp, fn, tn):
    pairs = [(1, 1)] * tp + [(0, 1)] * fp + [(1, 0)] * fn + [(0, 0)] * tn
    return tuple(np.array(side) for side in zip(*pairs, strict=True))


@pytest.mark.parametrize("confusion", CONFUSIONS)
def test_two_labels_are_scored_by_their_confusions(confusion):
    tp, fp, fn, tn = confusion
    labels, predictions = labels_and_predictions(*confusion)
    assert glue_metrics.accuracy(labels, predictions) == pytest.approx((tp + tn) / sum(confusion))
    assert glue_metrics.f1(labels, predictions) == pytest.approx(2 * tp / (2 * tp + fp + fn))
    root = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert glue_metrics.matthews(labels, predictions) == pytest.approx((tp * tn - fp * fn) / root)


def test_matthews_knows_three_labels():
    # Right 4 of 6; labels occur 2, 2, 2 times, predictions 3, 2, 1 times:
    # (4 * 6 - (2 * 3 + 2 * 2 + 2 * 1)) / sqrt((36 - 14) * (36 - 12)) = 12 / sqrt(528).
    found = glue_metrics.matthews([0, 0, 1, 1, 2, 2], [0, 0, 1, 0, 2, 1])
    assert found == pytest.approx(12 / math.sqrt(528))


@pytest.mark.parametrize(
    ("labels", "predictions", "accuracy", "f1"),
    [
        ([0, 1, 1, 0], [1, 1, 1, 1], 0.5, 2 / 3),  # constant predictions
        ([0, 1, 1, 0], [0, 0, 0, 0], 0.5, 0.0),
        ([1, 1, 1, 1], [1, 0, 1, 1], 0.75, 6 / 7),  # one label missing
        ([0, 0, 0, 0], [0, 0, 1, 0], 0.75, 0.0),
        ([0, 0], [0, 0], 1.0, 0.0),  # neither side says 1
        ([1], [1], 1.0, 1.0),
    ],
)
def test_where_a_side_is_constant_matthews_is_0(labels, predictions, accuracy, f1):
    assert glue_metrics.accuracy(labels, predictions) == pytest.approx(accuracy)
    assert glue_metrics.f1(labels, predictions) == pytest.approx(f1)
    assert glue_metrics.matthews(labels, predictions) == 0.0


def test_correlations_are_those_computed_by_hand():
    # Means 3 and 4; differences -2 -1 0 1 2 and -3 -2 0 0 5; 18 / sqrt(10 * 38).
    labels, predictions = [1, 2, 3, 4, 5], [1, 2, 4, 4, 9]
    assert glue_metrics.pearson(labels, predictions) == pytest.approx(18 / math.sqrt(380))
    # Ranks of the predictions with a tie: 1 2 3.5 3.5 5; differences -2 -1 .5 .5 2: 9.5.
    assert glue_metrics.spearman(labels, predictions) == pytest.approx(9.5 / math.sqrt(10 * 9.5))


def test_ties_on_both_sides_share_their_ranks():
    # Ranks 1.5 1.5 3.5 3.5 and 1 3 3 3: differences -1 -1 1 1 and -1.5 .5 .5 .5; 2 / sqrt(4 * 3).
    found = glue_metrics.spearman([0, 0, 5, 5], [1, 2, 2, 2])
    assert found == pytest.approx(2 / math.sqrt(12))


def test_spearman_only_sees_the_order():
    random = np.random.default_rng(7)
    labels, predictions = random.normal(size=(2, 50))
    expected = glue_metrics.spearman(labels, predictions)
    assert abs(expected) > 0.01
    assert glue_metrics.spearman(np.exp(labels), predictions**3) == pytest.approx(expected)
    assert glue_metrics.spearman(labels, -predictions) == pytest.approx(-expected)
    assert glue_metrics.pearson(3 * labels + 1, labels) == pytest.approx(1)


@pytest.mark.parametrize(
    ("labels", "predictions"),
    [
        ([1.0, 2.0, 3.0], [2.5, 2.5, 2.5]),
        ([2.0, 2.0, 2.0], [1.0, 2.0, 3.0]),
        ([1.0], [2.0]),
        ([1.0, 2.0, 3.0], [1.0, math.nan, 3.0]),
        ([1.0, 2.0, 3.0], [1.0, 2.0, math.inf]),
    ],
)
def test_a_correlation_that_is_not_defined_is_0_without_a_warning(labels, predictions):
    assert glue_metrics.pearson(labels, predictions) == 0.0
    assert glue_metrics.spearman(labels, predictions) == 0.0


def test_nearly_constant_predictions_and_huge_ones_have_a_score_without_a_warning():
    nearly = [2.5, 2.5 + 1e-14, 2.5 + 2e-14]
    assert -1 <= glue_metrics.pearson([1, 2, 3], nearly) <= 1.0000001
    assert glue_metrics.spearman([1, 2, 3], nearly) == pytest.approx(1)
    assert glue_metrics.pearson([1, 2, 3], [1e307, 2e307, 3e307]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cola", {"matthews": 1 / math.sqrt(2)}),
        ("sst2", {"accuracy": 5 / 6}),
        ("mrpc", {"f1": 6 / 7, "accuracy": 5 / 6}),
        ("qqp", {"f1": 6 / 7, "accuracy": 5 / 6}),
        ("mnli", {"accuracy": 5 / 6}),
        ("qnli", {"accuracy": 5 / 6}),
        ("rte", {"accuracy": 5 / 6}),
        ("wnli", {"accuracy": 5 / 6}),
        ("ax", {"matthews": 1 / math.sqrt(2)}),
        ("stsb", {"pearson": 1 / math.sqrt(2), "spearman": 1 / math.sqrt(2)}),
    ],
)
def test_a_task_is_scored_by_glues_metrics_and_chosen_by_their_mean(name, expected):
    # One false positive beside 3 right ones and 2 right negatives: Matthews is
    # 3 * 2 / sqrt(4 * 3 * 3 * 2), and so are the correlations, of two values each.
    labels, predictions = [1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 1]
    scores = glue_metrics.score(glue_tasks.find(name), labels, predictions)
    assert scores == pytest.approx(expected)
    assert list(scores) == list(expected)
    assert all(type(value) is float for value in scores.values())
    assert glue_metrics.selection_score(scores) == pytest.approx(
        sum(expected.values()) / len(expected)
    )


def test_the_order_of_examples_does_not_matter():
    random = np.random.default_rng(3)
    labels, predictions = random.integers(0, 2, (2, 40))
    order = random.permutation(40)
    for task in glue_tasks.TASKS:
        expected = glue_metrics.score(task, labels, predictions)
        found = glue_metrics.score(task, labels[order], predictions[order])
        assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("labels", "predictions"), [([], []), ([1, 0], [1]), ([[1], [0]], [[1], [0]]), (1, 1)]
)
def test_examples_that_do_not_match_are_an_error(labels, predictions):
    with pytest.raises(ValueError, match=r"both must be \[examples\]"):
        glue_metrics.score(glue_tasks.find("sst2"), labels, predictions)
