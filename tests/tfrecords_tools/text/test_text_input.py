"""What the flags for text say."""

import pytest
from absl import flags

from mslt_tf.errors import UserError
from tfrecords_tools.text import text_input
from tfrecords_tools.text.text_input import TextInput


def test_every_flag_reaches_its_field():
    flag_values = flags.FlagValues()
    text_input.define_flags(flag_values)
    given = {
        "input": "a,b",
        "text_format": "jsonl",
        "text_field": "body",
        "documents_of": 7,
        "tfds": "wikipedia/20230601.en:1.0.0",
        "tfds_data_dir": "c",
    }
    flag_values(["program", *(f"--{name}={value}" for name, value in given.items())])
    assert text_input.from_flags(flag_values) == TextInput(**given)


def test_the_defaults_of_the_flags_are_those_of_the_class():
    flag_values = flags.FlagValues()
    text_input.define_flags(flag_values)
    flag_values(["program", "--input=x"])
    assert text_input.from_flags(flag_values) == TextInput(input="x")


@pytest.mark.parametrize("name", ["imdb_reviews", "lm1b:1.1.0", "wikipedia/20230601.en:1.0.0"])
def test_names_of_data_sets_are_taken(name: str):
    assert TextInput(tfds=name).tfds == name


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "--input is not set"),
        ({"input": "a", "text_format": "csv"}, "--text_format is 'csv'; it must be one of auto, "),
        ({"input": "a", "text_field": ""}, "--text_field is empty"),
        ({"input": "a", "documents_of": 0}, "--documents_of is 0. Use at least 1"),
        (
            {"input": "a", "documents_of": 9, "text_format": "book"},
            "--text_format is book, which says where documents end",
        ),
        ({"input": "embedded", "documents_of": 9}, "--documents_of is not for the embedded"),
        ({"tfds": "huggingface:x"}, "--tfds is 'huggingface:x'; it must be NAME"),
        ({"tfds": "x/a=True"}, "--tfds is"),
        ({"tfds": "../x"}, "--tfds is"),
    ],
)
def test_other_values_are_refused_by_their_flag(values: dict[str, str], message: str):
    with pytest.raises(UserError, match=message):
        TextInput(**values)
