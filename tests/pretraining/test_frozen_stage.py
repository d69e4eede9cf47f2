"""What a run says before the layers of a stage are frozen."""

import pytest

from mslt_tf.pretraining.frozen_stage import FrozenStage, is_frozen_next, last_tenth_begin
from tests import tiny


def frozen(loss, before=None, stage_before=None, *, entropy=6.0):
    span = tiny.config().plan.spans[0]
    return FrozenStage(span, loss, entropy, before, stage_before)


def plan(**changes):
    return tiny.config(**changes).plan


def test_the_fall_in_the_last_tenth_and_the_distance_to_the_entropy_are_told():
    end = frozen(4.5, 4.52)
    assert end.values == pytest.approx({"below_unigram_entropy": 1.5, "fall_in_last_tenth": 0.02})
    (line,) = end.lines()
    assert "lies 1.500 nats below the unigram entropy, and fell by 0.020" in line


def test_the_distance_to_the_stage_before_is_in_the_metrics():
    assert frozen(4.5, stage_before=4.6).values == pytest.approx(
        {"below_unigram_entropy": 1.5, "above_stage_before": -0.1}
    )


def test_a_loss_that_rose_is_told_as_that():
    assert "rose by 0.100 in its last tenth" in frozen(4.5, 4.4).lines()[0]


# 15 % of 6 nats are 0.9.
@pytest.mark.parametrize(
    ("loss", "before", "stage_before", "said"),
    [
        (5.12, 5.12, None, "early plateau"),
        (5.08, 5.09, None, None),
        (5.08, 5.14, None, "still falling fast"),
        (5.12, 5.40, None, "early plateau"),  # it just begins to leave it
        (4.0, None, None, None),
        (6.1, None, None, "early plateau"),
        (4.0, 4.0, 3.94, "ended 0.060 nats above the stage before it"),
        (4.0, 4.2, 3.94, "ended 0.060 nats above the stage before it"),  # more steps cure both
        (4.0, 4.0, 3.96, None),
        (4.0, 4.1, 4.5, "still falling fast"),
    ],
)
def test_a_stage_that_ends_too_early_is_noted(loss, before, stage_before, said):
    notes = frozen(loss, before, stage_before).lines()[1:]
    assert [said in note for note in notes] == ([True] if said else [])
    assert all("--lengthen" in note for note in notes)


def test_only_stages_that_the_next_one_freezes_are_judged():
    mslt, stacking = plan(num_train_steps=1_000), plan(method="stacking", num_train_steps=1_000)
    names = [span.stage.name for span in mslt.spans if is_frozen_next(mslt, span)]
    assert names == ["layers_1", "layers_2", "layers_3"]  # not the last one before joint
    assert not any(is_frozen_next(stacking, span) for span in stacking.spans)


def test_the_last_tenth_of_a_long_stage_is_compared():
    begins = [last_tenth_begin(p, p.spans[1]) for p in (plan(num_train_steps=1_000),)]
    assert begins == [380]
    short = plan(num_train_steps=400)
    assert last_tenth_begin(short, short.spans[0]) is None
