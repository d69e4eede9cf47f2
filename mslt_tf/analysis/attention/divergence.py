"""How much the attention of two layers differs: the Jensen-Shannon divergence of their heads."""

import numpy as np

from mslt_tf.analysis.attention.maps import Maps


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Returns the divergence of distributions on the last axis: 0 for equal ones, 1 for disjoint.

    JS(p, q) = KL(p, m) / 2 + KL(q, m) / 2 with m = (p + q) / 2, in bits.
    Source: Lin (1991), Divergence measures based on the Shannon entropy.
    """
    p, q = (x.astype(np.float64) for x in (p, q))
    middle = (p + q) / 2
    return np.clip((_kl(p, middle) + _kl(q, middle)) / 2, 0, 1)  # of rounding


def layer_divergences(ours: Maps, theirs: Maps) -> np.ndarray:
    """Returns the divergences between the layers of two models on the same sentences.

    Heads of the same number are compared; means over heads and over all tokens of all sentences.

    Returns:
        float64 [our layers, their layers].
    """
    totals = sum(_of_sentence(*each) for each in zip(ours, theirs, strict=True))
    return np.asarray(totals) / sum(maps.shape[-1] for maps in ours)


def _of_sentence(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Returns sums over the tokens of a sentence, [our layers, their layers]."""
    return np.array([[jensen_shannon(a, b).mean(axis=0).sum() for b in theirs] for a in ours])


def _kl(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    return (p * np.log2(ratio)).sum(axis=-1)
