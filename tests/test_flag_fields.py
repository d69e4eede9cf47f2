"""Fields of dataclasses as flags: what the type makes of them, and what is left of them."""

import dataclasses
from typing import Annotated, Any, Literal

import pytest
from absl import flags

from mslt_tf.bounds import Bounds, declared_bounds
from mslt_tf.errors import UserError
from mslt_tf.flag_fields import define_flags, flag_field, flag_names, heading_of, values_of
from mslt_tf.path_flags import FilePath, FilePaths, JoinedPaths

HOME = "/home/of/someone"


@dataclasses.dataclass(frozen=True)
class Kinds:
    part: dict[str, int]  # no flag
    number: Annotated[int, Bounds(at_least=1)] = flag_field(3, "A number.")
    share: float = flag_field(0.5, "A share.")
    switch: bool = flag_field(True, "A switch.")
    text: str = flag_field("a", "A text.")
    choice: Literal["one", "two"] = flag_field("one", "A choice.")
    words: tuple[str, ...] = flag_field(("a", "b"), "Words.")
    numbers: Annotated[tuple[int, ...], Bounds(at_least=0)] = flag_field((0,), "Numbers.")
    path: FilePath = flag_field("a", "A path.")
    paths: FilePaths = flag_field((), "Paths.")
    joined: JoinedPaths = flag_field("", "Paths in one text.")
    plain: int = 7  # no flag


@dataclasses.dataclass(frozen=True)
class Other:
    more: int = flag_field(1, "More.")


def defined(groups: dict[str, tuple[str, ...]] | None = None) -> flags.FlagValues:
    values = flags.FlagValues()
    define_flags(groups or {"All": flag_names(Kinds)}, [Kinds, Other], values)
    return values


def parsed(*arguments: str) -> dict[str, Any]:
    values = defined()
    values(["program", *arguments])
    return values_of(Kinds, values, without=("part", "plain"))


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("number=4", 4),
        ("share=1", 1.0),
        ("switch=false", False),
        ("text=~/a", "~/a"),
        ("choice=two", "two"),
        ("words=a,~/b", ("a", "~/b")),
        ("words=", ()),
        ("numbers=128,1_000", (128, 1_000)),
        ("path=~/a,b", f"{HOME}/a,b"),
        ('paths=~/a,"b,c"', (f"{HOME}/a", "b,c")),
        ('joined=~/a,"b,c"', f'{HOME}/a,"b,c"'),
    ],
)
def test_a_flag_is_read_as_its_field_says(
    monkeypatch: pytest.MonkeyPatch, given: str, value: object
):
    monkeypatch.setenv("HOME", HOME)
    name = given.partition("=")[0]
    assert Kinds({}, **parsed(f"--{given}")) == Kinds({}, **{name: value})
    assert type(parsed(f"--{given}")[name]) is type(value)


@pytest.mark.parametrize("given", ["number=a", "number=1.5", "share=a", "switch=2", "choice=three"])
def test_what_is_not_of_the_type_is_refused_by_the_flag(given: str):
    with pytest.raises(flags.IllegalFlagValueError, match=f"--{given}"):
        parsed(f"--{given}")


@pytest.mark.parametrize("given", ["1,two", "1.5", "1,,2"])
def test_a_list_of_numbers_takes_whole_numbers(given: str):
    with pytest.raises(UserError, match=rf"^numbers is {given}\. Give whole numbers with commas"):
        parsed(f"--numbers={given}")


def test_default_and_text_are_those_of_the_field():
    values = defined()
    assert Kinds({}, **parsed()) == Kinds({})
    assert (values["words"].value, values["numbers"].value) == (["a", "b"], ["0"])
    assert values["number"].help == "A number."
    assert values["choice"].help == "<one|two>: A choice."
    assert values["paths"].help.startswith("Paths. A name with a comma is written in double quotes")


def test_a_field_without_a_text_is_no_flag():
    assert set(defined()) == set(flag_names(Kinds))
    assert {"part", "plain"} & set(defined()) == set()


def test_to_all_others_such_a_field_is_its_default():
    @dataclasses.dataclass(frozen=True)
    class Plain:
        more: int = 1

    assert Other.more == Plain.more == 1
    assert dataclasses.asdict(Other()) == dataclasses.asdict(Plain())
    assert repr(Other(2)).endswith("Other(more=2)")
    (number,) = (field for field in dataclasses.fields(Kinds) if field.name == "number")
    assert declared_bounds(number) == Bounds(at_least=1)


def test_flags_stand_in_the_order_of_their_groups_whatever_class_has_them():
    values = defined({"First": ("text", "more"), "Second": ("number",)})
    flags.DEFINE_integer("foreign", 1, "Of no group.", flag_values=values)
    assert [(name, heading_of(values[name])) for name in values] == [
        ("text", "First"),
        ("more", "First"),
        ("number", "Second"),
        ("foreign", ""),
    ]


def test_a_name_that_no_field_has_is_a_mistake_of_ours():
    with pytest.raises(KeyError, match="part"):
        defined({"All": ("part",)})
