"""What a trained model tells of its run."""

import pytest

from tests.conversion.trained_models import trained_model

STAGES = [
    {"num_steps": 4, "seq_length": 32},
    {"num_steps": 2, "seq_length": 64},
]


@pytest.mark.parametrize(
    ("step", "longest"), [(0, None), (1, 32), (4, 32), (5, 64), (6, 64), (7, 64)]
)
def test_only_stages_that_have_begun_count_for_the_longest_sequence(step, longest):
    model = trained_model(step=step, identity={"stages": STAGES})
    assert model.longest_trained_sequence == longest


def test_of_a_model_of_others_the_longest_sequence_is_not_known():
    assert trained_model(identity={}).longest_trained_sequence is None
