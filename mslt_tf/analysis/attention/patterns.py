"""Numbers on where a head looks: at [CLS], at [SEP], at near tokens, or everywhere."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from mslt_tf.analysis.attention.maps import Maps
from mslt_tf.analysis.attention.text import Sentence

NEAR = 2  # positions to either side


@dataclasses.dataclass(frozen=True)
class Patterns:
    """Where heads look, float64 [layers, heads] each: means over all tokens of all sentences.

    [CLS] and [SEP] are among the tokens that look. The shares overlap: the first tokens of a
    sentence have [CLS] near, the last ones [SEP].
    """

    cls: np.ndarray  # share of attention on [CLS]
    sep: np.ndarray  # share on all [SEP] of the sentence together
    near: np.ndarray  # share on the token itself and up to NEAR positions to either side
    entropy: np.ndarray  # of the attention of a token, in bits; log2(tokens) where it is even


def patterns_of(maps: Maps, sentences: Sequence[Sentence]) -> Patterns:
    """Returns where the heads of a model look, see `Patterns`."""
    found = [_of_sentence(*each) for each in zip(maps, sentences, strict=True)]
    return Patterns(*np.concatenate(found, axis=-1).mean(axis=-1))


def even_patterns(sentences: Sequence[Sentence]) -> Patterns:
    """Returns the numbers of a single head that attends to all tokens alike."""
    sizes = [len(sentence.tokens) for sentence in sentences]
    return patterns_of([np.full([1, 1, size, size], 1 / size) for size in sizes], sentences)


def _of_sentence(maps: np.ndarray, sentence: Sentence) -> np.ndarray:
    """Returns the four numbers for each token that looks: [4, layers, heads, tokens]."""
    maps = maps.astype(np.float64)
    places = np.arange(maps.shape[-1])
    is_near = np.abs(places[:, np.newaxis] - places) <= NEAR
    logs = np.log2(maps, out=np.zeros_like(maps), where=maps > 0)
    return np.stack(
        [
            maps[..., 0],
            maps[..., sentence.is_sep].sum(axis=-1),
            (maps * is_near).sum(axis=-1),
            -(maps * logs).sum(axis=-1),
        ]
    )
