"""Which heads of a model are drawn."""

from collections.abc import Sequence

import numpy as np

from mslt_tf.errors import UserError
from mslt_tf.report_settings import Head


def check(asked: int | tuple[Head, ...], sizes: Sequence[tuple[int, int]]) -> None:
    """Checks that there is a run that has the heads that were asked for.

    Args:
        asked: they, or how many.
        sizes: layers, and heads of each, of every run.

    Raises:
        UserError: none has.
    """
    for head in () if isinstance(asked, int) else asked:
        if not any(head.layer < layers and head.head < heads for layers, heads in sizes):
            layers, heads = max(sizes)
            raise UserError(
                f"--attention_heads names {head}, but no run has more than {layers} layers of "
                f"{heads} heads. Give LAYER.HEAD up to {layers - 1}.{heads - 1}."
            )


def choose(
    asked: int | tuple[Head, ...], *, layers: Sequence[int], num_heads: int
) -> tuple[Head, ...]:
    """Returns the heads to draw of some layers.

    Args:
        asked: those that were asked for, of which the ones in `layers` are drawn; or how many.
        layers: ascending; perhaps none.
        num_heads: of each layer.

    >>> [str(head) for head in choose(3, layers=range(12), num_heads=4)]
    ['0.0', '6.2', '11.3']
    """
    if not isinstance(asked, int):
        return tuple(h for h in asked if h.layer in layers and h.head < num_heads)
    if not layers:
        return ()
    places = np.linspace([0, 0], [len(layers) - 1, num_heads - 1], asked)
    rounded = np.floor(places + 0.5).astype(int)
    found = [Head(layers[layer], int(head)) for layer, head in rounded]
    return tuple(dict.fromkeys(found))
