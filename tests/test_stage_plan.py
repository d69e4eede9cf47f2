"""The plan: what exists and trains at any step."""

import pytest

from mslt_tf.errors import UserError
from mslt_tf.stage_plan import Stage, StagePlan


def stage(name="s", *, sources, frozen=0, steps=10, batch=4, seq=128):
    return Stage(
        name=name,
        block_sources=tuple(sources),
        num_frozen_blocks=frozen,
        num_steps=steps,
        seq_length=seq,
        max_predictions_per_seq=20,
        batch_size=batch,
    )


PLAN = StagePlan(
    (
        stage("a", sources=[None], steps=3, batch=2),
        stage("b", sources=[0, 0], frozen=1, steps=5, batch=4),
        stage("c", sources=[0, 1], steps=2, batch=8),
    )
)


def test_the_global_step_alone_decides_the_stage():
    found = [PLAN.span_at(step) for step in range(10)]
    assert [span.index for span in found] == [0, 0, 0, 1, 1, 1, 1, 1, 2, 2]
    assert [(span.first_step, span.end) for span in PLAN.spans] == [(0, 3), (3, 8), (8, 10)]
    assert [span.stage for span in PLAN.spans] == list(PLAN.stages)


@pytest.mark.parametrize("step", [-1, 10, 1_000])
def test_a_step_outside_the_plan_raises(step):
    with pytest.raises(ValueError, match=r"not in 0\.\.9"):
        PLAN.span_at(step)


def test_each_stage_is_followed_by_the_next_and_the_last_by_none():
    assert [PLAN.after(span) for span in PLAN.spans] == [*PLAN.spans[1:], None]


def test_consumed_sequences_count_each_stages_own_batch():
    steps = (0, 1, 3, 4, 8, 10)
    found = [PLAN.sequences_before(step, seq_length=128) for step in steps]
    assert found == [0, 2, 6, 10, 26, 42]
    read_in_all = PLAN.sequences_before(PLAN.num_steps, seq_length=128)
    assert read_in_all == sum(s.num_sequences for s in PLAN.stages)


def test_each_length_has_its_own_position_in_its_own_records():
    plan = StagePlan(
        (
            stage("a", sources=[None], steps=3, batch=8),
            stage("b", sources=[0], steps=2, batch=4, seq=512),
            stage("c", sources=[0], steps=2, batch=2),
        )
    )
    short = [plan.sequences_before(step, seq_length=128) for step in range(8)]
    assert short == [0, 8, 16, 24, 24, 24, 26, 28]
    long = [plan.sequences_before(step, seq_length=512) for step in range(8)]
    assert long == [0, 0, 0, 0, 4, 8, 8, 8]
    assert plan.sequences_before(7, seq_length=64) == 0


def test_embeddings_train_just_where_nothing_is_frozen():
    assert [s.trains_embeddings for s in PLAN.stages] == [True, False, True]


def test_optimizer_state_is_kept_only_where_the_same_variables_train():
    same = [stage(sources=[None, None]), stage(sources=[0, 1], seq=512)]
    assert StagePlan(tuple(same)).spans[1].keeps_optimizer
    assert StagePlan(tuple(same)).spans[1].optimizer_start == 0
    assert [span.optimizer_start for span in PLAN.spans] == [0, 3, 8]
    assert [span.keeps_optimizer for span in PLAN.spans] == [False, False, False]
    # The length alone changes nothing about it; another trainable set does.
    longer_and_freezing = [stage(sources=[None, None]), stage(sources=[0, 1], frozen=1, seq=512)]
    assert not StagePlan(tuple(longer_and_freezing)).spans[1].keeps_optimizer
    longer_and_deeper = [stage(sources=[None]), stage(sources=[0, None], seq=512)]
    assert not StagePlan(tuple(longer_and_deeper)).spans[1].keeps_optimizer
    # Same depth and trainable blocks, but other weights in them: state would not belong to them.
    swapped = StagePlan((stage(sources=[None, None]), stage(sources=[1, 0])))
    assert not swapped.spans[1].keeps_optimizer


def test_a_source_that_does_not_exist_is_refused():
    with pytest.raises(UserError, match="has 1 blocks"):
        StagePlan((stage(sources=[None]), stage(sources=[0, 1])))
    with pytest.raises(UserError, match="has 0 blocks"):
        StagePlan((stage(sources=[0]),))
    with pytest.raises(UserError, match="no stage"):
        StagePlan(())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": []}, "freezes 0 of 0"),
        ({"sources": [None], "frozen": 1}, "freezes 1 of 1"),
        ({"sources": [None], "steps": 0}, "s: num_steps is 0. Use at least 1. Give more steps"),
        ({"sources": [None], "batch": 0}, "batch_size is 0"),
    ],
)
def test_a_stage_that_cannot_train_is_refused(change, message):
    with pytest.raises(UserError, match=message):
        stage(**change)


def test_the_table_writes_runs_of_blocks_short():
    rows = [line.split() for line in PLAN.table().splitlines()]
    assert rows[1] == ["a", "3", "1", "0", "+emb", "new", "128", "2"]
    assert rows[2] == ["b", "5", "2", "1", "0", "0", "128", "4"]
    assert rows[3] == ["c", "2", "2", "0-1", "+emb", "0-1", "128", "8"]
