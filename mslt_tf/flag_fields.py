"""Flags that are fields of dataclasses: type, check, default and text in one place.

    @dataclasses.dataclass(frozen=True)
    class OptimizerConfig:
        learning_rate: Annotated[float, Bounds(above=0)] = flag_field(0.1, "Peak learning rate.")

`define_flags` makes flags of such fields and `values_of` reads them. The type decides how a flag is
parsed: bool, also where None stands for "not told", int, float, str, a `Literal`, a tuple of str,
int or float (given with commas), or a path in the types of `path_flags`. What is no field with a
text is no flag.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from absl import flags

from mslt_tf.errors import UserError

_HELP = "help"  # among the metadata of a field
_HEADING = "heading_in_help"  # an attribute that our flags have beside absl's own

_DEFINE_BY_TYPE: dict[Any, Callable[..., object]] = {
    bool: flags.DEFINE_bool,
    bool | None: flags.DEFINE_bool,  # None: not told
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}

_ITEMS = {str: "words", int: "whole numbers", float: "numbers"}  # of lists

_Value = TypeVar("_Value")
_Field = dataclasses.Field[Any]


def flag_field(default: _Value, help: str) -> _Value:
    """Returns a field of a dataclass that is a flag of the same name, and what --help says of it.

    To the type checker it is its default, as with `dataclasses.field`.
    """
    return dataclasses.field(default=default, metadata={_HELP: help})


def flag_names(settings: type) -> tuple[str, ...]:
    """Returns the names of the flags among the fields of a dataclass, in their order."""
    return tuple(field.name for field in _fields_with_text(settings))


def define_flags(
    groups: Mapping[str, Iterable[str]], settings: Iterable[type], flag_values: flags.FlagValues
) -> None:
    """Defines flags, in the order in which --help shows them.

    Args:
        groups: headings, each with the names of its flags.
        settings: the dataclasses that have fields of these names.
        flag_values: where to define them.

    Raises:
        KeyError: a name is no flag of `settings`.
    """
    fields = {field.name: field for each in settings for field in _fields_with_text(each)}
    for heading, names in groups.items():
        for name in names:
            _define(fields[name], flag_values)
            setattr(flag_values[name], _HEADING, heading)


def heading_of(flag: "flags.Flag[Any]") -> str:
    """Returns the heading that a flag stands under; "" for one that no group holds."""
    heading: str = getattr(flag, _HEADING, "")
    return heading


def values_of(
    settings: type, flag_values: flags.FlagValues, *, without: Iterable[str] = ()
) -> dict[str, Any]:
    """Returns the values of the flags that are named like the fields of a dataclass.

    Raises:
        UserError: a list of numbers has something else in it.
    """
    fields = [field for field in dataclasses.fields(settings) if field.name not in set(without)]
    return {field.name: _value(field, flag_values) for field in fields}


def _fields_with_text(settings: type) -> list[_Field]:
    return [field for field in dataclasses.fields(settings) if _HELP in field.metadata]


def _define(field: _Field, flag_values: flags.FlagValues) -> None:
    default = field.default
    if isinstance(default, tuple):
        default = [str(value) for value in default]
    _definer(field)(
        name=field.name, default=default, help=field.metadata[_HELP], flag_values=flag_values
    )


def _definer(field: _Field) -> Callable[..., object]:
    """Returns the function that defines a flag of the field's type."""
    plain, notes = _parts_of_type(field)
    for note in notes:
        if callable(note):  # a path's type names the function itself
            return note  # type: ignore[no-any-return]
    if get_origin(plain) is Literal:
        return functools.partial(flags.DEFINE_enum, enum_values=list(get_args(plain)))
    if get_origin(plain) is tuple:
        return flags.DEFINE_list
    return _DEFINE_BY_TYPE[plain]


def _value(field: _Field, flag_values: flags.FlagValues) -> Any:
    value: Any = flag_values[field.name].value
    plain, _ = _parts_of_type(field)
    if get_origin(plain) is not tuple:
        return value
    return _items(field.name, value, get_args(plain)[0])


def _parts_of_type(field: _Field) -> tuple[Any, tuple[Any, ...]]:
    """Returns the type of a field without what `Annotated` notes on it, and these notes."""
    if get_origin(field.type) is not Annotated:
        return field.type, ()
    plain, *notes = get_args(field.type)
    return plain, tuple(notes)


def _items(name: str, words: list[str], kind: type) -> tuple[Any, ...]:
    """Returns the words of a list as values of a type, one of _ITEMS."""
    try:
        return tuple(kind(word) for word in words)
    except ValueError as error:
        raise UserError(f"{name} is {','.join(words)}. Give {_ITEMS[kind]} with commas.") from error
