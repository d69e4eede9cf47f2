"""What of a traced graph runs: TensorFlow drops all that no result depends on."""

from collections.abc import Callable, Hashable, Iterable


def reachable(
    results: Iterable[Hashable], inputs_of: Callable[[Hashable], Iterable[Hashable]]
) -> set[Hashable]:
    """Returns the results and all that they depend on."""
    found: set[Hashable] = set()
    open_ends = list(results)
    while open_ends:
        node = open_ends.pop()
        if node not in found:
            found.add(node)
            open_ends += inputs_of(node)
    return found
