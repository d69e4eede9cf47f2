"""Ragged sequences, and their padding against lists."""

import numpy as np
import pytest

from mslt_tf.finetuning.sequences import Sequences

EXAMPLES = [([7, 1, 9], [0, 0, 1]), ([5], [0]), ([4, 3, 2, 8, 6], [0, 1, 1, 1, 1])]


@pytest.mark.parametrize(("chosen", "multiple"), [([2, 0], 1), ([1], 4), ([0, 1, 2], 4)])
def test_padding_is_that_of_lists(chosen, multiple):
    width = max(len(EXAMPLES[index][0]) for index in chosen)
    # Never longer than the longest of all, which may be all that a model has positions for.
    width = min(width + -width % multiple, 5)
    ids, types, mask = (
        [part + [0] * (width - len(part)) for part in parts]
        for parts in zip(
            *((*EXAMPLES[index], [1] * len(EXAMPLES[index][0])) for index in chosen), strict=True
        )
    )
    found = Sequences.of(EXAMPLES).padded(np.array(chosen), multiple=multiple)
    expected = {"input_ids": ids, "input_mask": mask, "segment_ids": types}
    assert {name: values.tolist() for name, values in found.items()} == expected
    assert {values.dtype for values in found.values()} == {np.dtype("int32")}


def test_lengths_are_those_of_the_examples():
    sequences = Sequences.of(EXAMPLES, np.array([1, 0, 1]))
    assert len(sequences) == 3
    assert sequences.lengths.tolist() == [3, 1, 5]


def test_a_target_too_few_is_told():
    with pytest.raises(ValueError, match="3 examples need as many targets, not 2"):
        Sequences.of(EXAMPLES, np.array([1, 0]))
