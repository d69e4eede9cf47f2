"""benchmarks/padding: what it refuses, and a real run at a tiny size."""

import subprocess
import sys

import pytest

from benchmarks import padding
from mslt_tf.errors import UserError
from tests import tiny
from tests.documented_commands import ROOT


def test_the_last_stage_is_timed_unless_one_is_named():
    config = tiny.config(train_records="a-*,b-*")
    assert padding.find_stage(config, "").name == "joint"
    assert padding.find_stage(config, "layers_2").name == "layers_2"
    assert padding.records_of(config) == {tiny.SEQ_LENGTH: ("a-*", "b-*")}


def test_each_length_has_its_own_records():
    config = tiny.config(
        **{**tiny.LONG_FLAGS, "long_seq_fraction": 0.2},
        train_records="a-*",
        long_train_records="b-*",
    )
    assert padding.records_of(config) == {tiny.SEQ_LENGTH: ("a-*",), tiny.LONG_SEQ_LENGTH: ("b-*",)}


@pytest.mark.parametrize(
    ("flags", "stage", "message"),
    [
        ({"train_records": "a-*"}, "layers_9", "--stage is layers_9. Use one of layers_1, "),
        ({}, "", "no records for stage joint of 16 tokens. Give them by --train_records"),
    ],
)
def test_what_cannot_be_timed_is_told(flags, stage, message):
    with pytest.raises(UserError, match=message):
        padding.find_stage(tiny.config(**flags), stage)


@pytest.mark.slow
def test_both_take_turns_on_records_of_a_users_own(tmp_path):
    records = tiny.write_random_shards(tmp_path / "records")
    flags = {**tiny.FLAGS, "micro_batch_size": 2, "train_records": records}
    flags |= {"rounds": 2, "warmups": 1, "seconds_per_turn": 0.1}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.padding", *(f"--{n}={v}" for n, v in flags.items())],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["whole", "trimmed", "whole / trimmed"]
    assert float(lines[2].split()[3]) > 0
