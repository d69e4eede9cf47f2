"""Flags and settings: which there are, and what they refuse."""

import pytest
from absl import flags

from mslt_tf import pretraining_flags
from mslt_tf.config import OptimizerConfig
from mslt_tf.errors import UserError
from mslt_tf.flag_fields import flag_names
from mslt_tf.model_config import ModelConfig
from mslt_tf.pretraining import same_run
from tests import tiny


def test_the_flags_are_the_pinned_ones(check_golden):
    values = flags.FlagValues()
    pretraining_flags.define_flags(values)
    text = "".join(f"--{name}={values[name].default_as_str}\n" for name in sorted(values))
    check_golden("run_pretraining_flags.txt", text)


def test_every_flag_of_the_settings_stands_in_one_group():
    grouped = [name for names in pretraining_flags.GROUPS.values() for name in names]
    of_settings = [name for each in pretraining_flags.SETTINGS for name in flag_names(each)]
    assert sorted(grouped) == sorted(of_settings)


def test_the_groups_begin_with_what_a_newcomer_looks_for():
    first = {heading: next(iter(names)) for heading, names in pretraining_flags.GROUPS.items()}
    assert list(first)[:3] == ["Run", "Data", "Method"]
    assert (first["Run"], first["Method"]) == ("output_dir", "method")


def test_a_flags_help_is_a_text_of_its_own():
    values = flags.FlagValues()
    pretraining_flags.define_flags(values)
    texts = [values[name].help for name in values]
    assert [text for text in texts if not text.strip().endswith(".")] == []
    assert len(set(texts)) == len(texts)


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
        ("max_predictions_per_seq", 17, "17 predictions in sequences of 16 tokens"),
        ("learning_rate", 0, "learning_rate is 0"),
        ("learning_rate", "nan", "learning_rate is nan"),
        ("num_warmup_steps", 10, "below num_train_steps"),
        ("log_steps", 0, "log_steps is 0"),
        ("micro_batch_size", -1, "micro_batch_size is -1. Use at least 0. 0: all at once"),
        ("micro_batch_size", "4,2,2,-1,1", "micro_batch_size is -1. Use at least 0"),
        ("micro_batch_size", "4,2", r"each stage of the plan \(5\), and has 2\."),
        ("micro_batch_size", "", r"each stage of the plan \(5\), and has 0\."),
        ("micro_batch_size", "4,all", "whole numbers"),
        ("hidden_size", 9, "multiple of 2"),
        ("vocab_size", 0, "vocab_size is 0"),
        ("hidden_dropout_prob", 1.0, "below 1"),
        ("num_stages", 3, "divisor of 4: 1, 2, 4"),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(flag, value, message):
    with pytest.raises(UserError, match=message):
        tiny.config(**{flag: value})


def test_micro_batches_are_of_one_size_or_of_one_for_each_stage():
    def sizes(value):
        config = tiny.config(micro_batch_size=value)
        return [config.micro_batch_size_in(span, num_replicas=1) for span in config.plan.spans]

    assert sizes(0) == sizes(100) == [8] * 5
    assert sizes(2) == [2] * 5
    assert sizes("8,4,4,2,1") == [8, 4, 4, 2, 1]


def test_the_long_steps_are_cut_out_of_the_last_stage():
    config = tiny.config(**tiny.LONG_FLAGS, joint_fraction=0.6, long_train_records="c,d")
    found = [
        (s.name, s.num_steps, s.seq_length, s.max_predictions_per_seq, s.batch_size)
        for s in config.plan.stages[-2:]
    ]
    assert found == [("joint", 3, 16, 4, 8), ("joint_32", 3, 32, 6, 4)]
    assert config.plan.num_steps == 10
    assert config.short_seq_length == 16
    assert (config.long_train_records, config.long_eval_records) == (("c", "d"), ())
    same_batch = tiny.config(
        **tiny.LONG_FLAGS | {"long_train_batch_size": 0, "joint_fraction": 0.6}
    )
    assert [s.batch_size for s in same_batch.plan.stages] == [8] * 6


def test_without_a_long_length_its_other_flags_change_nothing():
    unused = tiny.LONG_FLAGS | {"long_seq_length": 0}
    assert tiny.config(**unused).plan == tiny.config().plan


def test_explicit_stage_steps_count_the_stages_without_the_long_one():
    long = tiny.LONG_FLAGS
    config = tiny.config(**long, stage_steps="1,1,1,1,6")
    assert [s.num_steps for s in config.plan.stages] == [1, 1, 1, 1, 3, 3]
    with pytest.raises(UserError, match=r"\(5: .*\), and has 6\."):
        tiny.config(**long, stage_steps="1,1,1,1,3,3")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"long_seq_length": 16}, "long_seq_length 16 is not more than max_seq_length 16"),
        ({"long_seq_length": -1}, "long_seq_length -1 is not more than max_seq_length 16"),
        ({"long_seq_length": 33}, "stage joint_33 has sequences of 33 tokens, .* 32 positions"),
        (
            {"long_max_predictions_per_seq": 33},
            "stage joint_32 has 33 predictions in sequences of 32 tokens",
        ),
        ({"long_max_predictions_per_seq": 0}, "joint_32: max_predictions_per_seq is 0"),
        ({"long_train_batch_size": -1}, "joint_32: batch_size is -1"),
        ({"long_seq_fraction": 0}, "long_seq_fraction is 0.0. Use a number above 0"),
        ({"long_seq_fraction": 0.01}, "long_seq_fraction 0.01 of 10 steps is 0 steps"),
        ({"long_seq_fraction": 0.7}, "is 7 steps. They must be 1 to 6, .* last stage, joint"),
        ({"method": "original", "long_seq_fraction": 0.99}, "is 10 steps. They must be 1 to 9"),
        ({"joint_fraction": 0}, "last stage, layers_4, freezes the embeddings"),
    ],
)
def test_long_steps_that_do_not_fit_are_refused_by_name(changes, message):
    flags = {**tiny.LONG_FLAGS, "joint_fraction": 0.6}
    tiny.config(**flags)
    with pytest.raises(UserError, match=message):
        tiny.config(**flags | changes)


def test_identity_holds_what_changes_the_run_and_nothing_else():
    identity = tiny.config().identity()
    for other in (
        {"seed": 1},
        {"hidden_size": 16},
        {"num_train_steps": 20},
        {"method": "original"},
        {**tiny.LONG_FLAGS, "method": "original"},
        {"dynamic_masking": "token", "vocab_file": "v"},
    ):
        assert tiny.config(**other).identity() != identity
    for other in ({"output_dir": "x"}, {"log_steps": 1}, {"micro_batch_size": 2}):
        assert tiny.config(**other).identity() == identity


def test_a_run_from_before_there_was_dynamic_masking_goes_on_without():
    off, token = (
        tiny.config(dynamic_masking=choice, vocab_file="v").identity()
        for choice in ("off", "token")
    )
    before = {name: value for name, value in off.items() if name != "dynamic_masking"}
    assert same_run.differing_leaves(before, off) == {}
    assert same_run.differing_leaves(before, token) == {"dynamic_masking": (None, "token")}


@pytest.mark.parametrize("choice", ["token", "whole_word"])
def test_dynamic_masking_without_a_vocabulary_is_refused(choice):
    tiny.config(dynamic_masking=choice, vocab_file="v")
    with pytest.raises(UserError, match=f"^--dynamic_masking={choice} needs --vocab_file"):
        tiny.config(dynamic_masking=choice)


def test_the_default_model_is_bert_base():
    assert tiny.config_from({}).model == ModelConfig()
