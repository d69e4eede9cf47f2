"""The three methods as plans, against plans written out by hand."""

import dataclasses

import pytest

from mslt_tf.errors import UserError
from mslt_tf.methods import end_on_long_sequences, make_plan
from mslt_tf.stage_plan import Stage


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


def long_plan(method="mslt", *, fraction=0.1, seq_length=512, **changes):
    return end_on_long_sequences(
        plan(method, **changes),
        fraction=fraction,
        seq_length=seq_length,
        max_predictions_per_seq=80,
        batch_size=256,
    )


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


def test_new_layers_may_start_from_initial_weights():
    found = plan(new_layers="random").stages
    assert [s.block_sources[s.num_frozen_blocks :] for s in found[:-1]] == [(None,) * 3] * 4
    assert [s.block_sources[: s.num_frozen_blocks] for s in found] == [
        *(tuple(range(depth)) for depth in (0, 3, 6, 9, 0)),
    ]
    assert found[-1] == plan().stages[-1]


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
    assert split.spans[-1].end == num_train_steps


def test_explicit_steps_replace_the_shares():
    assert [
        s.num_steps for s in plan(stage_steps=(1, 2, 3, 4, 90), num_train_steps=100).stages
    ] == [1, 2, 3, 4, 90]


@pytest.mark.parametrize(("num_train_steps", "steps"), [(100, 60), (1_000_000, 600_000)])
def test_explicit_shares_fit_any_number_of_steps(num_train_steps, steps):
    stages = plan(stage_shares=(0.6, 0.1, 0.1, 0.1, 0.1), num_train_steps=num_train_steps).stages
    assert [s.num_steps for s in stages] == [steps, *[steps // 6] * 4]


def test_shares_of_thirds_lose_no_step():
    third = 0.3333333
    stages = plan("stacking", stage_shares=(third, third, third), num_train_steps=100).stages
    assert [s.num_steps for s in stages] == [33, 34, 33]


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        ("mslt", {"num_stages": 5}, "divisor of 12: 1, 2, 3, 4, 6, 12"),
        ("mslt", {"num_stages": 0}, "num_stages is 0"),
        ("mslt", {"joint_fraction": 1.0}, "joint_fraction is 1.0"),
        ("mslt", {"joint_fraction": -0.1}, "joint_fraction is -0.1"),
        ("mslt", {"joint_fraction": float("nan")}, "joint_fraction is nan. Use a finite number"),
        ("stacking", {"joint_fraction": float("inf")}, "joint_fraction is inf"),
        ("mslt", {"stage_steps": (5, 5)}, r"stage_steps needs .* \(5: .*\), and has 2\."),
        ("mslt", {"stage_steps": (1, 1, 1, 1, 1)}, "sum to 5, num_train_steps is 1000000"),
        ("mslt", {"stage_shares": (0.5, 0.5)}, r"stage_shares needs .* \(5: .*\), and has 2\."),
        (
            "stacking",
            {"stage_shares": (0.5, 0.3, 0.1)},
            "stage_shares sum to 0.9. .* make their sum 1",
        ),
        ("stacking", {"stage_shares": (1.2, -0.1, -0.1)}, "an entry of stage_shares is 1.2. Use"),
        ("stacking", {"stage_shares": (0.5, 0.5, 0.0)}, "an entry of stage_shares is 0.0. Use"),
        ("original", {"stage_shares": (float("nan"),)}, "an entry of stage_shares is nan"),
        ("original", {"stage_shares": (1.0,), "stage_steps": (5,)}, "Give one of them"),
        ("stacking", {"new_layers": "random"}, "for mslt, not for stacking"),
        ("stacking", {"num_blocks": 6}, "multiple of 4"),
        ("mslt", {"num_train_steps": 3}, "num_steps is 0. Use at least 1"),
    ],
)
def test_impossible_plans_are_refused(method, changes, message):
    with pytest.raises(UserError, match=message):
        plan(method, **changes)


@pytest.mark.parametrize(
    ("method", "last", "left"),
    [
        ("mslt", "joint", 100_000),
        ("stacking", "layers_12", 600_000),
        ("original", "original", 900_000),
    ],
)
def test_the_last_tenth_of_all_steps_is_long_in_a_stage_of_its_own(method, last, left):
    whole, found = plan(method), long_plan(method)
    *before, shortened, long = found.stages
    assert tuple(before) == whole.stages[:-1]
    # The stage that it is cut out of keeps its sources and length, and loses these steps.
    assert shortened == dataclasses.replace(whole.stages[-1], num_steps=left)
    assert shortened.name == last
    assert long == Stage(
        name=f"{last}_512",
        block_sources=tuple(range(12)),
        num_frozen_blocks=0,
        num_steps=100_000,
        seq_length=512,
        max_predictions_per_seq=80,
        batch_size=256,
    )
    assert found.num_steps == 1_000_000
    assert found.spans[len(before) + 1].keeps_optimizer


@pytest.mark.parametrize("method", ["mslt", "stacking"])
def test_a_long_share_of_the_whole_last_stage_replaces_it(method):
    whole = plan(method)
    last = whole.stages[-1]
    found = long_plan(method, fraction=last.num_steps / whole.num_steps)
    assert found.stages[:-1] == whole.stages[:-1]
    assert found.stages[-1] == dataclasses.replace(
        last,
        name=f"{last.name}_512",
        seq_length=512,
        max_predictions_per_seq=80,
        batch_size=256,
    )
    # Other variables train than in the stage before, so the optimizer starts afresh there.
    assert not found.spans[-1].keeps_optimizer


def test_the_long_stage_of_groups_is_one_of_groups():
    found = long_plan(num_blocks=4, block_unit="groups")
    assert found.block_unit == "groups"
    assert shapes(found)[-2:] == [
        ("joint", (0, 1, 2, 3), 0, 100_000),
        ("joint_512", (0, 1, 2, 3), 0, 100_000),
    ]


def test_a_single_growing_stage_trains_the_embeddings_and_can_end_long():
    found = long_plan(num_stages=1, joint_fraction=0)
    assert [(s.name, s.num_steps) for s in found.stages] == [
        ("layers_12", 900_000),
        ("layers_12_512", 100_000),
    ]


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        ("mslt", {"fraction": 0.3}, "is 300000 steps. They must be 1 to 200000, .* joint"),
        ("mslt", {"fraction": 1e-9}, "is 0 steps. They must be 1 to 200000"),
        ("original", {"fraction": 0.9999999}, "is 1000000 steps. They must be 1 to 999999"),
        *(
            ("mslt", {"fraction": value}, f"long_seq_fraction is {value}")
            for value in (0.0, -0.1, 1.0, float("nan"), float("inf"))
        ),
        ("original", {"num_train_steps": 4}, "0.1 of 4 steps is 0 steps"),
        ("mslt", {"joint_fraction": 0}, "layers_12, freezes the embeddings"),
        ("mslt", {"seq_length": 128}, "128 is not more than max_seq_length 128"),
        ("stacking", {"seq_length": 64}, "64 is not more than max_seq_length 128"),
    ],
)
def test_long_steps_that_cannot_be_cut_out_are_refused(method, changes, message):
    with pytest.raises(UserError, match=message):
        long_plan(method, **changes)
