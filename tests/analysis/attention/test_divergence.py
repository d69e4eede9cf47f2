"""The Jensen-Shannon divergence against SciPy's."""

import numpy as np
from scipy.spatial import distance

from mslt_tf.analysis.attention.divergence import jensen_shannon, layer_divergences


def random_maps(seed: int, *, size: int) -> np.ndarray:
    """Returns three layers of two heads, with zeros among their numbers."""
    rng = np.random.default_rng(seed)
    values = rng.exponential(size=[3, 2, size, size]) * (rng.random([3, 2, size, size]) > 0.3)
    values += np.eye(size) * 1e-3
    return (values / values.sum(-1, keepdims=True)).astype(np.float32)


def test_it_is_the_square_of_scipys_distance():
    p, q = random_maps(1, size=5), random_maps(2, size=5)
    expected = distance.jensenshannon(p.astype(float), q.astype(float), base=2, axis=-1) ** 2
    np.testing.assert_allclose(jensen_shannon(p, q), expected, atol=1e-6)
    ends = jensen_shannon(np.eye(4)[[0, 1]], np.eye(4)[[0, 2]])
    np.testing.assert_array_equal(ends, [0, 1])


def test_layers_are_compared_head_by_head_over_all_tokens():
    ours, theirs = ([random_maps(seed + i, size=i) for i in (4, 6)] for seed in (0, 10))
    found = layer_divergences(ours, theirs)
    assert found.shape == (3, 3)
    rows = [
        distance.jensenshannon(a[2, head, token], b[1, head, token], base=2) ** 2
        for a, b in zip(ours, theirs, strict=True)
        for head in range(2)
        for token in range(len(a[0, 0]))
    ]
    np.testing.assert_allclose(found[2, 1], np.mean(rows), atol=1e-6)
