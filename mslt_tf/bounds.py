"""The range of a number, declared with the field that holds it, and the one check of all numbers.

    learning_rate: Annotated[float, Bounds(above=0)]

A dataclass calls `check_numbers` in its `__post_init__`. What its fields declare is an annotation
and no default value, so defaults, `asdict` and the type checker see a plain number.
"""

import dataclasses
import math
from typing import Annotated, Any

from mslt_tf.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a number may be; finite in any case."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    hint: str = ""  # a sentence for whoever gave another number

    def allow(self, number: float) -> bool:
        """Returns whether the number is finite and within the bounds."""
        return (
            _is_finite(number)
            and (self.at_least is None or number >= self.at_least)
            and (self.above is None or number > self.above)
            and (self.at_most is None or number <= self.at_most)
            and (self.below is None or number < self.below)
        )

    def advice(self, number: float) -> str:
        """Returns what to give in the place of `number`.

        >>> Bounds(above=0).advice(math.inf)
        'Use a finite number above 0.'
        >>> Bounds(at_least=1, hint="One is enough.").advice(0)
        'Use at least 1. One is enough.'
        """
        return f"Use {self._in_words(is_finite=_is_finite(number))}. {self.hint}".rstrip()

    def _in_words(self, *, is_finite: bool) -> str:
        if self.at_least is not None and self.at_most is not None:
            return f"{self.at_least} to {self.at_most}"
        limits = {
            "at least": self.at_least,
            "above": self.above,
            "at most": self.at_most,
            "below": self.below,
        }
        words = " and ".join(f"{word} {x}" for word, x in limits.items() if x is not None)
        noun = "a number" if is_finite else "a finite number"
        if words.startswith("at "):
            return words if is_finite else f"{noun}, {words}"
        return f"{noun} {words}".rstrip()


PositiveInt = Annotated[int, Bounds(at_least=1)]
NonNegativeInt = Annotated[int, Bounds(at_least=0)]


def check_numbers(settings: Any, *, prefix: str = "") -> None:
    """Checks every number among the fields of a dataclass, and in those that are tuples.

    Args:
        settings: an instance of a dataclass.
        prefix: of the fields' names in a message, e.g. "--" where they are flags.

    Raises:
        UserError: one is not finite, or not within the bounds that its field declares.
    """
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, int | float):
                check_number(prefix + field.name, number, declared_bounds(field))


def check_number(name: str, number: float, bounds: Bounds) -> None:
    """Checks one number that is no field of a dataclass.

    Raises:
        UserError: it is not finite, or not within the bounds.
    """
    if not bounds.allow(number):
        raise UserError(f"{name} is {number}. {bounds.advice(number)}")


def declared_bounds(field: "dataclasses.Field[Any]") -> Bounds:
    """Returns the bounds that a field declares; without any, all that is finite is allowed."""
    notes = getattr(field.type, "__metadata__", ())  # of Annotated
    return next((note for note in notes if isinstance(note, Bounds)), Bounds())


def _is_finite(number: float) -> bool:
    # A whole number always is; and math.isfinite fails on one that is too large for a float.
    return not isinstance(number, float) or math.isfinite(number)
