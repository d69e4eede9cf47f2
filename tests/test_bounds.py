"""The bounds that settings declare, and that nothing outside them gets through."""

import dataclasses
import math
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from typing import Annotated, Any

import pytest

from benchmarks.step_time.turns import Schedule
from mslt_tf.bounds import Bounds, check_number, check_numbers, declared_bounds
from mslt_tf.errors import UserError
from mslt_tf.model_config import ModelConfig
from tests import tiny
from tests.documented_commands import ROOT
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings, InspectionSettings, VocabularySettings
from tfrecords_tools.text.text_input import TextInput

PRETRAINING = tiny.config()
SETTINGS = (
    ModelConfig(),
    PRETRAINING,
    PRETRAINING.optimizer,
    PRETRAINING.plan.stages[0],
    Recipe(),
    DatasetSettings(TextInput("a"), "b", "c"),
    VocabularySettings(TextInput("a"), "c"),
    InspectionSettings("b", "c"),
    Schedule(1, 1, 1.0),
)
NOT_FINITE = (math.nan, math.inf, -math.inf)


def numeric_fields(settings: Any) -> Iterator[tuple["dataclasses.Field[Any]", type]]:
    """Yields the fields that hold numbers, each with the type of these."""
    kinds = typing.get_type_hints(type(settings))  # without what is annotated
    for field in dataclasses.fields(settings):
        kind = kinds[field.name]
        of_each = typing.get_args(kind)[0] if typing.get_origin(kind) is tuple else kind
        if of_each in (int, float):
            yield field, of_each


def values_outside(bounds: Bounds, kind: type) -> list[float]:
    """Returns the values that lie next to the bounds, on their other side."""
    values: list[float] = []
    if bounds.at_least is not None:
        least = bounds.at_least
        values.append(least - 1 if kind is int else math.nextafter(least, -math.inf))
    if bounds.at_most is not None:
        most = bounds.at_most
        values.append(most + 1 if kind is int else math.nextafter(most, math.inf))
    return values + [limit for limit in (bounds.above, bounds.below) if limit is not None]


ALL_FIELDS = [(settings, *found) for settings in SETTINGS for found in numeric_fields(settings)]
WRONG_VALUES = [
    pytest.param(settings, field.name, wrong, id=f"{type(settings).__name__}.{field.name}={wrong}")
    for settings, field, kind in ALL_FIELDS
    for wrong in (*NOT_FINITE, *values_outside(declared_bounds(field), kind))
]


@pytest.mark.parametrize(("settings", "name", "wrong"), WRONG_VALUES)
def test_no_setting_takes_what_is_not_finite_or_out_of_its_range(
    settings: Any, name: str, wrong: float
):
    value = (wrong,) if isinstance(getattr(settings, name), tuple) else wrong
    with pytest.raises(UserError, match=rf"\b{name} is {re.escape(str(wrong))}\. Use "):
        dataclasses.replace(settings, **{name: value})


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        pytest.param(settings, field, id=f"{type(settings).__name__}.{field.name}")
        for settings, field, _ in ALL_FIELDS
    ],
)
def test_every_number_among_the_settings_has_a_range(
    settings: Any, field: "dataclasses.Field[Any]"
):
    assert dataclasses.replace(declared_bounds(field), hint="") != Bounds()


def test_what_is_declared_changes_no_value_and_no_default():
    @dataclasses.dataclass(frozen=True)
    class Plain:
        size: int = 3

    @dataclasses.dataclass(frozen=True)
    class Bounded:
        size: Annotated[int, Bounds(at_least=1)] = 3

    assert dataclasses.asdict(Bounded()) == dataclasses.asdict(Plain()) == {"size": 3}
    assert Bounded.size == Plain.size


@pytest.mark.parametrize(
    ("bounds", "allowed", "refused"),
    [
        (Bounds(), [-1e300, 0, 10**400], NOT_FINITE),
        (Bounds(at_least=1), [1, 1.5, 10**400], [0, 0.99, -(10**400), *NOT_FINITE]),
        (Bounds(above=0), [5e-324, 1], [0, -1, *NOT_FINITE]),
        (Bounds(at_most=1), [1, -5], [1.01, 2, *NOT_FINITE]),
        (Bounds(at_least=0, below=1), [0, 0.999], [-0.001, 1, *NOT_FINITE]),
    ],
)
def test_limits_are_inside_or_outside_as_declared(bounds: Bounds, allowed: Any, refused: Any):
    assert [number for number in allowed if not bounds.allow(number)] == []
    assert [number for number in refused if bounds.allow(number)] == []


@pytest.mark.parametrize(
    ("bounds", "number", "advice"),
    [
        (Bounds(), math.nan, "Use a finite number."),
        (Bounds(above=0), math.inf, "Use a finite number above 0."),
        (Bounds(above=0), 0.0, "Use a number above 0."),
        (Bounds(at_least=1), 0, "Use at least 1."),
        (Bounds(at_least=0), math.inf, "Use a finite number, at least 0."),
        (Bounds(at_least=0, at_most=0.5, hint="It is a share."), 1, "Use 0 to 0.5. It is a share."),
        (Bounds(at_least=0, below=1), 1, "Use at least 0 and below 1."),
        (Bounds(above=0, at_most=9), 10, "Use a number above 0 and at most 9."),
    ],
)
def test_the_advice_says_what_to_use(bounds: Bounds, number: float, advice: str):
    assert bounds.advice(number) == advice
    with pytest.raises(UserError, match=f"^--x is {number}. {advice}$"):
        check_number("--x", number, bounds)


def test_only_numbers_are_compared():
    @dataclasses.dataclass
    class Mixed:
        words: tuple[str, ...] = ("a",)
        switch: bool = False
        sources: tuple[int | None, ...] = (None, 0)
        text: str = "nan"

    check_numbers(Mixed())


PRETRAINING_COMMAND = ("mslt_tf.run_pretraining", "--dry_run")
AGREEMENT_COMMAND = ("benchmarks.gpu_agreement",)
DATA_COMMAND = ("tfrecords_tools.create_data", "--input=a", "--vocab_file=b", "--output_dir=c")


@pytest.mark.parametrize(
    ("command", "flag", "message"),
    [
        (
            PRETRAINING_COMMAND,
            "learning_rate=inf",
            "Use a finite number above 0 and at most 1e+38.",
        ),
        (
            PRETRAINING_COMMAND,
            "learning_rate=1e999",
            "Use a finite number above 0 and at most 1e+38.",
        ),
        (PRETRAINING_COMMAND, "weight_decay_rate=nan", "Use 0 to 1."),
        (PRETRAINING_COMMAND, "layer_norm_eps=-1", "Use a number above 0 and below 1."),
        (PRETRAINING_COMMAND, "layer_norm_eps=nan", "Use a finite number above 0 and below 1."),
        (PRETRAINING_COMMAND, "initializer_range=nan", "Use a finite number above 0 and at most 1"),
        (PRETRAINING_COMMAND, "initializer_range=-0.02", "Use a number above 0 and at most 1."),
        (PRETRAINING_COMMAND, "peer_timeout=inf", "It counts seconds"),
        (PRETRAINING_COMMAND, "joint_fraction=nan", "0 leaves the joint stage out."),
        (("scripts.demo",), "num_train_steps=-1", "Use at least 0."),
        (AGREEMENT_COMMAND, "tolerance=nan", "Use a finite number, at least 0."),
        (AGREEMENT_COMMAND, "steps=0", "Use at least 1."),
        (DATA_COMMAND, "heldout_fraction=nan", "Use 0 to 0.5. It is a share of all documents;"),
        (DATA_COMMAND, "masked_lm_prob=inf", "Use 0 to 1. BERT's value is 0.15."),
        (DATA_COMMAND, "num_shards=100000", "Use 0 to 99999. 0: set by the number of records."),
    ],
)
def test_a_command_refuses_such_a_number_with_status_2_and_one_line(
    command: tuple[str, ...], flag: str, message: str
):
    process = subprocess.run(
        [sys.executable, "-m", *command, f"--{flag}"], cwd=ROOT, capture_output=True, text=True
    )
    assert (process.returncode, process.stdout) == (2, "")
    (line,) = process.stderr.splitlines()
    assert re.match(rf"error: (--)?{flag.partition('=')[0]} is \S+\. Use ", line), line
    assert message in line
