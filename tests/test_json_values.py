"""What is read back from JSON has the declared types, or the first wrong value is named."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Literal

import pytest

from mslt_tf import json_values


@dataclasses.dataclass(frozen=True)
class Wheel:
    size: float
    kind: Literal["front", "back"] = "front"


@dataclasses.dataclass(frozen=True)
class Car:
    name: str
    doors: int
    is_old: bool
    wheels: tuple[Wheel, ...]
    parts: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    owner: str | None = None
    colours: list[str] = dataclasses.field(default_factory=list)
    notes: Any = None


CAR = Car(
    "beetle",
    2,
    True,
    (Wheel(15.0), Wheel(16.5, "back")),
    parts={"bolts": (1, 2)},
    owner="nobody",
    colours=["red", "black"],
    notes=[{"x": 1}],
)
VALUE = json.loads(json.dumps(dataclasses.asdict(CAR)))


def test_what_was_written_is_read_back():
    assert json_values.parse(Car, VALUE) == CAR


def test_fields_with_defaults_may_be_absent_and_whole_numbers_stand_for_floats():
    value = {"name": "a", "doors": 1, "is_old": False, "wheels": [{"size": 3}]}
    car = json_values.parse(Car, value)
    assert car == Car("a", 1, False, (Wheel(3.0),))
    assert type(car.wheels[0].size) is float


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"doors": "2"}, "doors is '2', not a whole number"),
        ({"doors": True}, "doors is True, not a whole number"),
        ({"doors": 2.0}, "doors is 2.0, not a whole number"),
        ({"name": None}, "name is None, not a text"),
        ({"is_old": 1}, "is_old is 1, not true or false"),
        ({"wheels": {}}, "wheels is {}, not a list"),
        ({"wheels": [{"size": 1}, {"size": "x"}]}, "wheels.1.size is 'x', not a number"),
        ({"wheels": [{"size": 1, "kind": "left"}]}, "wheels.0.kind is 'left', not one of"),
        ({"wheels": [{"size": 10**400}]}, r"wheels.0.size is 10*\.\.\., not a number"),
        ({"wheels": [7]}, "wheels.0 is 7, not an object"),
        ({"parts": {"a": [1, "b"]}}, "parts.a.1 is 'b', not a whole number"),
        ({"owner": 3}, "owner is 3, not null"),
        ({"colour": "red"}, "colour is no field that this program knows"),
    ],
)
def test_the_first_wrong_value_is_named(change, message):
    with pytest.raises(json_values.JsonValueError, match=message):
        json_values.parse(Car, VALUE | change)


def test_a_missing_field_is_named():
    value = {name: part for name, part in VALUE.items() if name != "doors"}
    with pytest.raises(json_values.JsonValueError, match="doors is missing"):
        json_values.parse(Car, value)


def test_a_long_wrong_value_is_cut():
    with pytest.raises(json_values.JsonValueError) as error:
        json_values.parse(Car, VALUE | {"doors": "x" * 1000})
    assert len(str(error.value)) < 150


def test_a_name_that_stands_twice_is_told_where_that_is_asked_for():
    text = '{"a": 1, "b": {"c": 1, "d": 2, "c": 3}}'
    with pytest.raises(json_values.JsonValueError, match=r"^'c' stands in it 2 times$"):
        json_values.loads(text, distinct_names=True)
    assert json_values.loads(text) == {"a": 1, "b": {"c": 3, "d": 2}}


@pytest.mark.parametrize("text", [b"\0\0\0", "", '{"a": 1', b"\xff\xfe", "[" * 100_000, "{'a': 1}"])
def test_what_is_no_json_is_one_kind_of_error(text):
    with pytest.raises(json_values.JsonValueError, match="it is no JSON"):
        json_values.loads(text)
