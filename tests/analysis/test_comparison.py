"""Which runs may stand in one report, and what a message says of those that may not."""

import dataclasses
from pathlib import Path

import pytest

from mslt_tf.analysis import comparison, runs
from mslt_tf.analysis.runs import Run
from mslt_tf.errors import UserError
from mslt_tf.report_settings import NamedFolder
from tests import tiny
from tests.analysis import run_folders

EVALUATED = {"train": {10: 3.1}, "held_out": {10: 3.0}}


def make(tmp_path: Path, name: str, folder: str, **settings: object) -> Run:
    """Returns a run of a name in a new folder."""
    path = run_folders.write(tmp_path / folder, **{**EVALUATED, **settings})
    return runs.read(NamedFolder(name, str(path)), report=lambda note: None)


def test_runs_of_one_name_are_one_thing(tmp_path: Path):
    found = [make(tmp_path, n, f"{n}{i}", seed=i) for n, i in (("b", 1), ("a", 2), ("b", 3))]
    assert [(g.name, g.runs) for g in comparison.group(found)] == [
        ("b", (found[0], found[2])),
        ("a", (found[1],)),
    ]


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        ({"hidden_size": 4}, "model"),
        ({"method": "original"}, "plan"),
        ({"learning_rate": 0.02}, "optimizer"),
        ({"trunk_dropout": "false"}, "trunk_dropout"),
    ],
)
def test_runs_of_one_name_must_differ_in_nothing_but_the_seed(
    tmp_path: Path, flags: dict[str, object], what: str
):
    pair = [make(tmp_path, "same", "one"), make(tmp_path, "same", "two", **flags)]
    with pytest.raises(UserError, match=f"both called same, but differ in their {what}"):
        comparison.group(pair)


def test_other_sizes_of_vocabularies_are_refused(tmp_path: Path):
    pair = [make(tmp_path, "a", "a"), make(tmp_path, "b", "b", vocab_size=40)]
    with pytest.raises(UserError, match="their vocabularies have 50 and 40 tokens"):
        comparison.group(pair)


def test_other_vocabularies_of_one_size_are_refused(tmp_path: Path):
    pair = [make(tmp_path, "a", "a"), make(tmp_path, "b", "b")]
    known = [dataclasses.replace(run, vocabulary=run.name) for run in pair]
    with pytest.raises(UserError, match="their vocabularies differ"):
        comparison.group(known)
    assert comparison.group([known[0], pair[1]])  # of the second nothing is known


def test_other_held_out_records_are_refused(tmp_path: Path):
    silent = make(tmp_path, "silent", "silent", held_out={})
    pair = [make(tmp_path, "a", "a"), make(tmp_path, "b", "b", entropy=3.501)]
    message = "a and .*b cannot be compared: their held-out records of 16 tokens differ, with a "
    with pytest.raises(UserError, match=message + "unigram entropy of 3.5000 and 3.5010"):
        comparison.group([silent, *pair])


def test_held_out_records_of_other_lengths_are_refused(tmp_path: Path):
    pair = [make(tmp_path, "a", "a"), make(tmp_path, "b", "b", max_seq_length=8)]
    with pytest.raises(UserError, match="their held-out records have 16 and 8 tokens"):
        comparison.group(pair)


def test_a_last_stage_on_longer_sequences_does_not_hinder(tmp_path: Path):
    # Its evaluations at 32 tokens have another entropy; those at 16 have the same.
    flags = {**tiny.LONG_FLAGS, "method": "original"}
    long = make(tmp_path, "long", "long", held_out={7: 3.1}, train={7: 3.2}, **flags)
    with (Path(long.folder) / "metrics.jsonl").open("a") as file:
        config = tiny.config(**flags)
        file.write(run_folders.entry(config, "eval", 10, 2.9, unigram_entropy=3.1))
    long = runs.read(NamedFolder("long", long.folder), report=lambda note: None)
    assert len(long.evaluations) == 2
    assert len(comparison.group([make(tmp_path, "a", "a"), long])) == 2
