"""Numbers on where heads look, by hand."""

import numpy as np

from mslt_tf.analysis.attention.patterns import even_patterns, patterns_of
from tests.analysis.attention.sentences import even, identity, layers, on, sentence

SEVEN = sentence("a", "b", "c", "d", "e")
THREE = sentence("a")


def test_simple_heads_look_where_they_do():
    heads = [identity(7), even(7), on(0, 7), on(6, 7)]
    found = patterns_of([layers(heads, heads[::-1])], [SEVEN])
    near = [1, (3 + 4 + 5 + 5 + 5 + 4 + 3) / 49, 3 / 7, 3 / 7]
    expected = {
        "cls": [1 / 7, 1 / 7, 1, 0],
        "sep": [1 / 7, 1 / 7, 0, 1],
        "near": near,
        "entropy": [0, np.log2(7), 0, 0],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(found, name), [values, values[::-1]], atol=1e-6)


def test_each_token_of_all_sentences_counts_once():
    found = patterns_of([layers([on(0, 7)]), layers([on(1, 3)])], [SEVEN, THREE])
    np.testing.assert_allclose(found.cls, [[7 / 10]])
    np.testing.assert_allclose(found.near, [[(3 + 3) / 10]])
    np.testing.assert_allclose(even_patterns([SEVEN, THREE]).cls, [[2 / 10]])


def test_all_sep_of_a_sentence_count_together():
    two = sentence("a", "[SEP]", "b")
    np.testing.assert_allclose(even_patterns([two]).sep, [[2 / 5]])
