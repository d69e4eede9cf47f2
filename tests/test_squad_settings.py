"""The settings of SQuAD: their defaults are run_squad.py's, and what leaves no room is told."""

import dataclasses

import pytest
from absl import flags

from mslt_tf import flag_fields
from mslt_tf.errors import UserError
from mslt_tf.squad_settings import SquadSettings, WindowSizes


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"max_seq_length": 67}, r"--max_query_length is 64, .* Use at most 63\."),
        ({"max_seq_length": 4}, r"--max_seq_length is 4\. Use at least 5\."),
        ({"doc_stride": 0}, r"--doc_stride is 0\. Use at least 1\."),
        ({"max_query_length": 0}, r"--max_query_length is 0\. Use at least 1\."),
    ],
)
def test_sizes_that_leave_no_room_are_told(sizes, message):
    with pytest.raises(UserError, match=message):
        WindowSizes(**sizes)
    assert WindowSizes(max_seq_length=68) == WindowSizes(68, 128, 64)


@pytest.mark.parametrize("name", ["n_best", "max_answer_length"])
def test_no_answer_at_all_is_told(name):
    with pytest.raises(UserError, match=rf"--{name} is 0\. Use at least 1\."):
        SquadSettings(**{name: 0})


def test_all_settings_are_flags_with_the_defaults_of_the_paper():
    values = flags.FlagValues()
    groups = {"SQuAD": flag_fields.flag_names(WindowSizes) + flag_fields.flag_names(SquadSettings)}
    flag_fields.define_flags(groups, [WindowSizes, SquadSettings], values)
    values(["program", "--n_best=7"])
    settings = SquadSettings(
        WindowSizes(**flag_fields.values_of(WindowSizes, values, without=["max_seq_length"])),
        **flag_fields.values_of(SquadSettings, values, without=["windows"]),
    )
    assert dataclasses.asdict(settings) == {
        "windows": {"max_seq_length": 384, "doc_stride": 128, "max_query_length": 64},
        "n_best": 7,
        "max_answer_length": 30,
    }
