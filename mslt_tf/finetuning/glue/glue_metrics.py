"""GLUE's metrics, by scikit-learn and SciPy; all from 0 or -1 to 1, not in percent."""

import statistics
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats
import sklearn.metrics

from mslt_tf.finetuning.glue.glue_tasks import Task

Values = Sequence[float] | npt.NDArray[np.generic]  # [examples]


def score(task: Task, labels: Values, predictions: Values) -> dict[str, float]:
    """Returns each metric of a task by its name, in the order of `task.metrics`.

    Args:
        task: one of GLUE's.
        labels: [examples], places in `task.labels`, or scores where the task is a regression.
        predictions: [examples], the same; scores are taken as they are, not clipped.

    Raises:
        ValueError: the two are not of one length, are empty, or have other axes.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.shape != predictions.shape or labels.ndim != 1 or not labels.size:
        raise ValueError(
            f"labels are {labels.shape} and predictions {predictions.shape}; both must be "
            "[examples], with at least one"
        )
    return {name: float(METRICS[name](labels, predictions)) for name in task.metrics}


def selection_score(scores: Mapping[str, float]) -> float:
    """Returns the one number that a run is chosen by: the mean of a task's metrics, as GLUE does.

    >>> selection_score({"f1": 0.75, "accuracy": 0.5})
    0.625
    """
    return statistics.fmean(scores.values())


def accuracy(labels: Values, predictions: Values) -> float:
    """Returns the share of predictions that are right."""
    return float(sklearn.metrics.accuracy_score(labels, predictions))


def f1(labels: Values, predictions: Values) -> float:
    """Returns the F1 score of label 1; 0 where neither side ever says 1."""
    return float(sklearn.metrics.f1_score(labels, predictions, zero_division=0.0))


def matthews(labels: Values, predictions: Values) -> float:
    """Returns Matthews' correlation, of two labels or more; 0 where either side is constant."""
    if _is_constant(predictions):  # of which scikit-learn warns where the labels are as well
        return 0.0
    return float(sklearn.metrics.matthews_corrcoef(labels, predictions))


def pearson(labels: Values, predictions: Values) -> float:
    """Returns Pearson's correlation.

    It is 0 where it is not defined, so that a collapsed or a diverged model still has a score:
    either side is constant, or not all numbers are finite.
    """
    return _correlation(scipy.stats.pearsonr, labels, predictions)


def spearman(labels: Values, predictions: Values) -> float:
    """Returns Spearman's correlation: Pearson's of the ranks, ties sharing theirs.

    It is 0 where Pearson's is not defined.
    """
    return _correlation(scipy.stats.spearmanr, labels, predictions)


METRICS = {
    "accuracy": accuracy,
    "f1": f1,
    "matthews": matthews,
    "pearson": pearson,
    "spearman": spearman,
}


def _correlation(correlate: Callable[..., Any], labels: Values, predictions: Values) -> float:
    sides = [np.asarray(side, np.float64) for side in (labels, predictions)]
    if any(_is_constant(side) or not np.isfinite(side).all() for side in sides):
        return 0.0
    with warnings.catch_warnings():
        # Of a nearly collapsed model; its correlation is inexact, and is a score like others.
        warnings.simplefilter("ignore", scipy.stats.NearConstantInputWarning)
        found = float(correlate(*sides).statistic)
    return found if np.isfinite(found) else 0.0


def _is_constant(side: Values) -> bool:
    side = np.asarray(side)
    return bool((side == side[0]).all())
