"""Flags and settings: which there are, and what they refuse."""

import pytest
from absl import flags

from mslt_tf import pretraining_flags
from mslt_tf.config import OptimizerConfig
from mslt_tf.errors import UserError
from mslt_tf.model_config import ModelConfig
from tests import tiny


def test_the_flags_are_the_pinned_ones(check_golden):
    values = flags.FlagValues()
    pretraining_flags.define_flags(values)
    text = "".join(f"--{name}={values[name].default_as_str}\n" for name in sorted(values))
    check_golden("run_pretraining_flags.txt", text)


def test_flags_arrive_in_the_settings():
    config = tiny.config(
        train_records="a*,b*", stage_steps="1,2,3,1,3", trunk_dropout="false", seed=7
    )
    assert config.train_records == ("a*", "b*")
    assert [stage.num_steps for stage in config.plan.stages] == [1, 2, 3, 1, 3]
    assert not config.trunk_dropout
    assert config.seed == 7
    assert config.model.hidden_size == 8
    assert config.optimizer == OptimizerConfig(0.01, 2, 10)


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("stage_steps", "1,two", "whole numbers"),
        ("max_seq_length", 33, "33 tokens, the model has 32 positions"),
        ("max_predictions_per_seq", 17, "more than max_seq_length 16"),
        ("learning_rate", 0, "learning_rate is 0"),
        ("learning_rate", "nan", "learning_rate is nan"),
        ("num_warmup_steps", 10, "below num_train_steps"),
        ("log_steps", 0, "log_steps is 0"),
        ("micro_batch_size", -1, "must not be negative"),
        ("hidden_size", 9, "multiple of 2"),
        ("vocab_size", 0, "vocab_size is 0"),
        ("hidden_dropout_prob", 1.0, "below 1"),
        ("num_stages", 3, "divisor of 4: 1, 2, 4"),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(flag, value, message):
    with pytest.raises(UserError, match=message):
        tiny.config(**{flag: value})


def test_identity_holds_what_changes_the_run_and_nothing_else():
    identity = tiny.config().identity()
    for other in (
        {"seed": 1},
        {"hidden_size": 16},
        {"num_train_steps": 20},
        {"method": "original"},
    ):
        assert tiny.config(**other).identity() != identity
    for other in ({"output_dir": "x"}, {"log_steps": 1}, {"micro_batch_size": 2}):
        assert tiny.config(**other).identity() == identity


def test_the_default_model_is_bert_base():
    assert tiny.config_from({}).model == ModelConfig()
