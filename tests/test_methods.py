"""The three methods as plans, against plans written out by hand."""

import pytest

from mslt_tf.errors import UserError
from mslt_tf.methods import make_plan


def plan(method="mslt", **changes):
    settings = {
        "num_blocks": 12,
        "num_stages": 4,
        "num_train_steps": 1_000_000,
        "joint_fraction": 0.2,
        "seq_length": 128,
        "max_predictions_per_seq": 20,
        "batch_size": 1024,
    }
    return make_plan(method, **(settings | changes))


def shapes(plan):
    return [(s.name, s.block_sources, s.num_frozen_blocks, s.num_steps) for s in plan.stages]


def test_mslt_grows_base_by_copies_of_the_top_quarter():
    new = None
    assert shapes(plan()) == [
        ("layers_3", (new, new, new), 0, 200_000),
        ("layers_6", (0, 1, 2, 0, 1, 2), 3, 200_000),
        ("layers_9", (0, 1, 2, 3, 4, 5, 3, 4, 5), 6, 200_000),
        ("layers_12", (0, 1, 2, 3, 4, 5, 6, 7, 8, 6, 7, 8), 9, 200_000),
        ("joint", tuple(range(12)), 0, 200_000),
    ]


def test_stacking_doubles_the_whole_stack_and_freezes_nothing():
    assert shapes(plan("stacking", num_blocks=8)) == [
        ("layers_2", (None, None), 0, 125_000),
        ("layers_4", (0, 1, 0, 1), 0, 175_000),
        ("layers_8", (0, 1, 2, 3, 0, 1, 2, 3), 0, 700_000),
    ]


def test_original_is_one_stage_from_scratch():
    assert shapes(plan("original")) == [("original", (None,) * 12, 0, 1_000_000)]


def test_without_a_joint_stage_the_growing_stages_share_all_steps():
    stages = plan(joint_fraction=0, num_train_steps=800_000).stages
    assert [s.num_steps for s in stages] == [200_000] * 4
    assert stages[-1].name == "layers_12"


@pytest.mark.parametrize("num_train_steps", [8, 11, 99, 1_001, 999_999])
@pytest.mark.parametrize("method", ["mslt", "stacking", "original"])
def test_odd_step_counts_are_split_without_loss(method, num_train_steps):
    split = plan(method, num_train_steps=num_train_steps)
    assert split.num_steps == num_train_steps
    assert split.first_step(len(split.stages)) == num_train_steps


def test_explicit_steps_replace_the_shares():
    assert [
        s.num_steps for s in plan(stage_steps=(1, 2, 3, 4, 90), num_train_steps=100).stages
    ] == [1, 2, 3, 4, 90]


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        ("mslt", {"num_stages": 5}, "divisor of 12: 1, 2, 3, 4, 6, 12"),
        ("mslt", {"num_stages": 0}, "num_stages 0"),
        ("mslt", {"joint_fraction": 1.0}, "joint_fraction is 1.0"),
        ("mslt", {"joint_fraction": -0.1}, "joint_fraction is -0.1"),
        ("mslt", {"stage_steps": (5, 5)}, "2 entries, the plan has 5 stages"),
        ("mslt", {"stage_steps": (1, 1, 1, 1, 1)}, "sum to 5, num_train_steps is 1000000"),
        ("stacking", {"num_blocks": 6}, "multiple of 4"),
        ("mslt", {"num_train_steps": 3}, "num_steps 0"),
    ],
)
def test_impossible_plans_are_refused(method, changes, message):
    with pytest.raises(UserError, match=message):
        plan(method, **changes)
