"""Which layers are copies of which, for plans written by hand."""

import numpy as np
import pytest

from mslt_tf.analysis.attention.copies import Copies, are_unrelated, copies_at, layers_made_by
from mslt_tf.stage_plan import Stage, StagePlan

GROWN = ((None, None), (0, 1, 0, 1), (0, 1, 2, 3, 2, 3), (0, 1, 2, 3, 4, 5))


def plan(*block_sources: tuple[int | None, ...]) -> StagePlan:
    """Returns stages of ten steps, called s0, s1, ..."""
    return StagePlan(
        tuple(
            Stage(f"s{index}", sources, 0, 10, 16, 4, 8)
            for index, sources in enumerate(block_sources)
        )
    )


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (GROWN[:1], ()),
        (GROWN[:2], (Copies("s1", 10, (2, 3), (0, 1)),)),
        (GROWN, (Copies("s1", 10, (2, 3), (0, 1)), Copies("s2", 20, (4, 5), (2, 3)))),
        (((None,), (0, None)), ()),  # a new layer is no copy
        (((None,), (0, 0), (0, None)), ()),  # what was a copy is new
        # The source is another layer now, itself a copy.
        (((None, None), (0, 1, 0), (1, 1, 2)), (Copies("s2", 20, (0,), (1,)),)),
        # Copied anew: what layer 1 was a copy of is past; the source of layer 2 has moved.
        (((None,), (0, 0), (0, 0, 1)), (Copies("s2", 20, (1,), (0,)),)),
    ],
)
def test_copies_are_known_with_what_they_were_copied_from(sources, expected):
    assert copies_at(plan(*sources), len(sources) - 1, 1) == expected


def test_layers_of_groups_correspond_one_by_one():
    (found,) = copies_at(plan((None,), (0, 0)), 1, 3)
    assert (found.layers, found.sources) == ((3, 4, 5), (0, 1, 2))


def test_layers_that_go_back_to_one_are_related():
    copies = copies_at(plan(*GROWN), 3, 1)
    origins = np.array([0, 1, 0, 1, 0, 1])
    np.testing.assert_array_equal(are_unrelated(copies, 6, 1), origins[:, None] != origins)
    np.testing.assert_array_equal(are_unrelated((), 4, 2)[0], [False, False, True, True])


def test_layers_are_those_of_the_stage_that_began_with_them_while_they_stay():
    grown = plan(*GROWN)
    assert layers_made_by(grown, 0, 3, 1) == (0, 1)
    assert layers_made_by(grown, 1, 3, 2) == (4, 5, 6, 7)
    assert layers_made_by(grown, 3, 3, 1) == ()
    assert layers_made_by(plan((None, None), (1, 1)), 0, 1, 1) == (1,)
