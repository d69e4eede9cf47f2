"""JSON that is read back: the one way in which its values become the types that code relies on.

What lies on a disk may be cut short, filled with zeros or edited. So nothing of it is used before
its shape and types were compared with those that the code declares.
"""

import collections
import dataclasses
import json
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

T = TypeVar("T")

_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
_MAX_SHOWN = 80  # characters of a wrong value in a message


class JsonValueError(ValueError):
    """A text is no JSON, or a value is not of the type that was declared; the message says which.

    It says nothing of the file, and what to do: whoever reads the file knows.
    """


def loads(text: str | bytes, *, distinct_names: bool = False) -> Any:
    """Returns the value of a JSON text.

    Args:
        text: UTF-8 if bytes.
        distinct_names: refuse an object that has a name twice. Else the last one counts, as JSON
            leaves it open.

    Raises:
        JsonValueError: it is not UTF-8, no JSON, nested too deeply, or has a name twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_distinct if distinct_names else None)
    except JsonValueError:
        raise
    except (ValueError, RecursionError) as error:
        raise JsonValueError(f"it is no JSON ({error or type(error).__name__})") from error


def _distinct(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) < len(members):
        ((name, times),) = collections.Counter(name for name, _ in members).most_common(1)
        raise JsonValueError(f"{name[:_MAX_SHOWN]!r} stands in it {times} times")
    return value


def parse(declared: type[T], value: Any, *, name: str = "") -> T:
    """Returns a JSON value as the declared type.

    Args:
        declared: a dataclass, or what its fields may be declared as: str, int, float, bool,
            Literal, Any, a union, `tuple[X, ...]`, `list[X]`, `Mapping[str, X]`. A field with a
            default may be absent.
        value: as `loads` returns it.
        name: dotted path of the value, for the message.

    >>> parse(tuple[int, ...], [1, 2])
    (1, 2)

    Raises:
        JsonValueError: names the first value that is not as declared.
    """
    parsed: T = _parse(declared, value, name)
    return parsed


def _parse(declared: Any, value: Any, name: str) -> Any:
    if declared is Any:
        return value
    if dataclasses.is_dataclass(declared):
        return _parse_dataclass(declared, value, name)
    origin = get_origin(declared)
    if origin is Literal:
        return _check(value in get_args(declared), value, name, f"one of {get_args(declared)}")
    if origin in (typing.Union, types.UnionType):
        return _parse_union(get_args(declared), value, name)
    if origin in (tuple, list):
        _check(isinstance(value, list), value, name, "a list")
        of_each = get_args(declared)[0]
        return origin(_parse(of_each, part, _join(name, str(i))) for i, part in enumerate(value))
    if origin in (dict, Mapping):
        _check(isinstance(value, dict), value, name, "an object")
        of_each = get_args(declared)[1]
        return {key: _parse(of_each, part, _join(name, key)) for key, part in value.items()}
    return _parse_plain(declared, value, name)


def _parse_plain(declared: type, value: Any, name: str) -> Any:
    if declared is float and type(value) is int and abs(value) <= sys.float_info.max:
        return float(value)
    if declared is types.NoneType:
        return _check(value is None, value, name, "null")
    return _check(type(value) is declared, value, name, _WORDS[declared])  # bool is no int here


def _parse_union(choices: tuple[Any, ...], value: Any, name: str) -> Any:
    for choice in choices[:-1]:
        try:
            return _parse(choice, value, name)
        except JsonValueError:
            continue
    return _parse(choices[-1], value, name)


def _parse_dataclass(declared: Any, value: Any, name: str) -> Any:
    _check(isinstance(value, dict), value, name, "an object")
    hints = typing.get_type_hints(declared)
    fields = {field.name: field for field in dataclasses.fields(declared)}
    unknown = sorted(value.keys() - fields.keys())
    if unknown:
        raise JsonValueError(f"{_join(name, unknown[0])} is no field that this program knows")
    for field in fields.values():
        has_default = (field.default, field.default_factory) != (dataclasses.MISSING,) * 2
        if field.name not in value and not has_default:
            raise JsonValueError(f"{_join(name, field.name)} is missing")
    return declared(
        **{key: _parse(hints[key], part, _join(name, key)) for key, part in value.items()}
    )


def _check(is_right: bool, value: Any, name: str, wanted: str) -> Any:
    if is_right:
        return value
    shown = repr(value)
    shown = shown if len(shown) <= _MAX_SHOWN else shown[:_MAX_SHOWN] + "..."
    raise JsonValueError(f"{name or 'the value'} is {shown}, not {wanted}")


def _join(name: str, part: str) -> str:
    return f"{name}.{part}" if name else part
