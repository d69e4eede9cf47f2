"""What a trial starts from, and in which type it is computed."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.finetuning import objectives, task_model, trial_parts
from mslt_tf.finetuning.trial_parts import TrialParts
from mslt_tf.finetuning_settings import TrainingSettings
from mslt_tf.modeling import weights
from tests.conversion.trained_models import trained_model
from tests.modeling.small_models import random_inputs


def model_of(*, seed=0, **settings):
    objective = objectives.classification(3)
    return TrialParts.build(
        trained_model(), objective, TrainingSettings(**settings), seed=seed
    ).model


def outputs_of(model):
    inputs = random_inputs(trained_model().config)
    return model({name: inputs[name] for name in task_model.INPUTS}, training=False)


def test_the_trial_alone_whose_checkpoint_is_damaged_is_to_be_trained_anew(tmp_path):
    folder, lines = str(tmp_path / "mrpc" / "lr_0.01_seed_0"), []
    assert trial_parts.newest_checkpoint(folder, report=lines.append) is None
    TrialParts.build(trained_model(), objectives.span(), TrainingSettings(), seed=0).save(
        folder, num_steps=3, identity={}, settings={}, report=lines.append
    )
    found = trial_parts.newest_checkpoint(folder, report=lines.append)
    assert found is not None
    assert not lines
    (state,) = (tmp_path / "mrpc").rglob("state.json")
    state.write_text(state.read_text()[:-9])
    with pytest.raises(UserError, match="can be used") as caught:
        trial_parts.newest_checkpoint(folder, report=lines.append)
    assert f"or move {folder} away and start again: this trial alone" in str(caught.value)
    assert len(lines) == 1


def test_from_scratch_starts_from_weights_that_the_seed_decides():
    table = "word_embeddings"
    found = [
        weights.weights_of(model_of(seed=seed, from_scratch=True))["embeddings"]
        for seed in (0, 0, 1)
    ]
    (name,) = [name for name in found[0] if table in name]
    np.testing.assert_array_equal(found[0][name], found[1][name])
    assert (found[0][name] != found[2][name]).any()
    pretrained = trained_model().weights["embeddings"][name]
    assert np.std(found[0][name]) < np.std(pretrained) / 3


def test_bfloat16_is_float32_but_for_rounding():
    wide, narrow = (outputs_of(model_of(precision=each)) for each in ("float32", "bfloat16"))
    assert narrow.dtype == tf.float32
    assert 0 < np.max(np.abs(wide - narrow)) < 0.05 * np.ptp(wide) + 0.01


def test_weights_are_float32_and_the_optimizer_has_two_slots_for_each():
    parts = TrialParts.build(
        trained_model(), objectives.span(), TrainingSettings(precision="bfloat16"), seed=0
    )
    assert {variable.dtype for variable in parts.model.variables} == {tf.float32}
    num_slots = len([v for v in parts.optimizer.variables if v.shape.rank])
    assert num_slots == 2 * len(parts.model.trainable_variables)
    assert int(parts.step) == 0
