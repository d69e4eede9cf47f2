"""Windows in the graph are those of `squad_windows`."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.export.packing import SpecialIds
from mslt_tf.finetuning.served import graph_windows
from mslt_tf.finetuning.squad import squad_windows
from mslt_tf.squad_settings import WindowSizes

SPECIAL = SpecialIds(padding=0, start=1, end=2, mask=3)


@pytest.mark.parametrize(
    "sizes",
    [
        WindowSizes(24, 5, 10),
        WindowSizes(24, 99, 10),
        WindowSizes(15, 1, 11),
        WindowSizes(180, 140, 10),  # a last window is so short that its length decides
    ],
)
def test_contexts_of_all_lengths_have_the_same_windows_and_maximum_contexts(sizes):
    context_lengths = [*range(50), *range(170, 200, 3)]
    query_lengths = [index % 14 for index in range(len(context_lengths))]
    queries, contexts = (
        tf.RaggedTensor.from_row_lengths(tf.range(sum(lengths)) + 4, lengths)
        for lengths in (query_lengths, context_lengths)
    )
    found = graph_windows.make_windows(queries, contexts, SPECIAL, sizes)
    inputs = {name: values.numpy() for name, values in found.inputs.items()}
    row, places = 0, []
    for index, (query, context) in enumerate(
        zip(queries.to_list(), contexts.to_list(), strict=True)
    ):
        windows = squad_windows.make_windows(query, context, cls_id=1, sep_id=2, sizes=sizes)
        of_tokens = {}
        for window in windows:
            length = len(window.input_ids)
            assert inputs["input_mask"][row].sum() == length
            np.testing.assert_array_equal(inputs["input_word_ids"][row, :length], window.input_ids)
            np.testing.assert_array_equal(inputs["input_type_ids"][row, :length], window.type_ids)
            assert (found.questions[row], found.limits[row]) == (index, length - 1)
            for i in np.flatnonzero(window.has_max_context):
                of_tokens[window.tokens[i]] = (row, window.context_begin + i)
            row += 1
        places += [of_tokens[token] for token in range(len(context))]
    assert row == len(found.questions)
    np.testing.assert_array_equal(found.places, places)
