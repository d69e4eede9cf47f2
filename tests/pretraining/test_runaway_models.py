"""Models that ran away are not saved, and the way back that is told is one that there is."""

import re
import shutil

import pytest

from mslt_tf.errors import UserError
from mslt_tf.modeling import weights
from mslt_tf.pretraining import run_folder
from tests import tiny
from tests.pretraining.quick_runs import pretrain, steps

pytestmark = pytest.mark.usefixtures("quick_export")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return {"train_records": tiny.write_random_shards(tmp_path_factory.mktemp("data"))}


def test_a_model_that_ran_away_is_not_saved(data, tmp_path):
    message = (
        r"after step \d+ the model is of no use: a weight of .* is .*e\+.* none may exceed 1000\. "
        r"It is not saved\. Start again with a lower --learning_rate"
    )
    with pytest.raises(UserError, match=message):
        pretrain(tmp_path, data, learning_rate=1e6, num_warmup_steps=0)
    assert steps(tmp_path) == []
    assert not (tmp_path / "export").exists()


@pytest.mark.slow
def test_a_checkpoint_whose_first_step_fails_is_named_with_the_way_back(
    data, tmp_path, monkeypatch
):
    assert pretrain(tmp_path, data, num_train_steps=4) == 0
    spoil(tmp_path / "checkpoints" / "step-00000004", monkeypatch, data, tmp_path)
    longer = {"num_train_steps": 6, "lengthen": True}
    message = (
        r"not finite at step 4 .*Going on from .*/step-00000004 leads here again.*"
        r" the run goes on from step 2 then"
    )
    with pytest.raises(UserError, match=message):
        pretrain(tmp_path, data, **longer)
    shutil.move(tmp_path / "checkpoints" / "step-00000004", tmp_path / "aside")
    assert pretrain(tmp_path, data, **longer) == 0  # the advice works


@pytest.mark.parametrize(
    ("saved", "failed", "advice"),
    [
        ([], None, r"there is no checkpoint yet, so the run begins anew"),
        ([4], 4, r"step-00000004 leads here again, .* the run begins anew then"),
        ([2, 4], 4, r"step-00000004 leads here again, .* the run goes on from step 2 then"),
        ([2, 4], 5, r"goes on from .*/step-00000004\. Where .* goes on from step 2 then"),
    ],
)
def test_the_way_back_is_one_that_there_is(tmp_path, saved, failed, advice):
    for step in saved:
        (tmp_path / "checkpoints" / f"step-{step:08d}").mkdir(parents=True)
    config = tiny.config(output_dir=tmp_path)
    assert re.search(advice, run_folder.describe_way_back(config, failed_checkpoint=failed))


def spoil(path, monkeypatch, data, folder):
    """Lets a run write a checkpoint whose weights are no numbers, as the version before did."""
    with monkeypatch.context() as patch:
        patch.setattr(weights, "check_usable", spoil_model)
        shutil.rmtree(path)
        shutil.rmtree(folder / "export")
        assert pretrain(folder, data, num_train_steps=4) == 0


def spoil_model(model):
    for variable in model.trainable_variables:
        variable.assign(variable * float("nan"))
