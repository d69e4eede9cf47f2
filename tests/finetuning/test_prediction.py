"""Outputs for whole splits: what they do not depend on."""

import numpy as np
import pytest

from mslt_tf.finetuning import objectives, prediction, task_model
from mslt_tf.finetuning.sequences import Sequences
from tests.conversion.trained_models import trained_model

LENGTHS = (5, 17, 3, 9, 17, 32, 4)


@pytest.fixture(
    scope="module", params=[objectives.classification(3), objectives.span()], ids=["label", "span"]
)
def trained(request):
    """A model with its objective."""
    encoder = trained_model()
    model = task_model.build(encoder.config, request.param, seed=0)
    task_model.start_from(model, encoder)
    return model, request.param


def examples():
    rng = np.random.default_rng(2)
    return [(rng.integers(5, 50, n), np.arange(n) > n // 2) for n in LENGTHS]


def test_outputs_depend_on_neither_batch_size_nor_order_nor_padding(trained):
    model, objective = trained
    done = []
    predict_alone = prediction.make_predict(model, objective, batch_size=1)
    predict = prediction.make_predict(
        model, objective, batch_size=3, progress=lambda *numbers: done.append(numbers)
    )
    alone = [predict_alone(Sequences.of([each]))[0] for each in examples()]
    expected_shapes = [(n, 2) if objective.reads_every_token else (3,) for n in LENGTHS]
    assert [each.shape for each in alone] == expected_shapes
    assert np.ptp(np.stack([each.ravel()[:2] for each in alone]), axis=0).min() > 1e-3
    order = [3, 0, 6, 2, 5, 1, 4]
    together = predict(Sequences.of([examples()[index] for index in order]))
    for index, found in zip(order, together, strict=True):
        np.testing.assert_allclose(found, alone[index], atol=1e-5)
    assert done == [(3, 7), (6, 7), (7, 7)]
