"""Where memory is short, the message names what needs less, and that then goes on."""

import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.finetuning import finetuning, short_memory, train_step, trial_training
from mslt_tf.finetuning.served import classifier
from tests.finetuning import tiny_grid

TOO_MUCH = "OOM when allocating tensor with shape[8,32,8] and type float"
TRIAL = "mrpc/lr_0.01_seed_0"


def exhaust(*_, **__):
    raise tf.errors.ResourceExhaustedError(None, None, TOO_MUCH)


def finetune(tiny_data, folder, **given):
    flags = {**tiny_data, "output_dir": folder, "num_epochs": 1, **given}
    return finetuning.finetune(tiny_grid.settings(flags))


def test_a_smaller_batch_is_advised_for_the_first_step_and_taken_in_the_same_folder(
    tiny_data, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(train_step, "make_train_step", lambda *_: exhaust)
        with pytest.raises(UserError) as caught:
            finetune(tiny_data, tmp_path)
    assert str(caught.value).startswith(f"memory is short ({TOO_MUCH}). Give a smaller --train_ba")
    assert finetune(tiny_data, tmp_path, train_batch_size=4) == 0
    assert tiny_grid.result_of(tmp_path / TRIAL)["num_steps"] == tiny_grid.NUM_TRAIN // 4


def test_scoring_and_export_advise_their_own_and_train_nothing_again(
    tiny_data, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr("mslt_tf.finetuning.prediction._tensors", exhaust)
        with pytest.raises(UserError, match=r"Give a smaller --eval_batch_size\. What is fin"):
            finetune(tiny_data, tmp_path)
    monkeypatch.setattr(trial_training.updates, "updates", lambda *_, **__: iter(()))
    with monkeypatch.context() as patch:
        patch.setattr(classifier, "signatures", exhaust)
        with pytest.raises(UserError, match=r"memory is short .* set CUDA_VISIBLE_DEVICES=-1 befo"):
            finetune(tiny_data, tmp_path, eval_batch_size=4, export=True)
    assert (tmp_path / TRIAL / "result.json").exists()


def test_a_full_disk_is_no_short_memory():
    full = tf.errors.ResourceExhaustedError(None, None, "results; No space left on device")
    with pytest.raises(tf.errors.ResourceExhaustedError), short_memory.naming("Give less."):
        raise full
