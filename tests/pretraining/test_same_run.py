"""Whether a checkpoint belongs to the run that wants to go on from it."""

import copy
import json

import pytest

from mslt_tf.errors import UserError
from mslt_tf.pretraining import same_run
from mslt_tf.training import checkpointing
from tests import tiny

FILE = {"name": "part-0.tfrecord", "num_records": 24, "content": "crc32:00c0ffee"}
DATA = {"16": {"files": [FILE], "order": "0", "legacy_fingerprint": "f"}}
# As it is read back from a checkpoint.
IDENTITY = json.loads(json.dumps({**tiny.config().identity(), "data": DATA}))


def checkpoint_of(identity, step=4):
    return checkpointing.Checkpoint("p", step, identity, {})


def check(old, new, *, step=4, lengthen=False):
    return same_run.check(checkpoint_of(old, step), new, lengthen=lengthen, output_dir="runs/x")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["seed"], 9, "seed: 12345 there, 9 now"),
        (["model", "hidden_size"], 16, "model.hidden_size: 8 there, 16 now"),
        (
            ["data", "16", "files", 0, "content"],
            "crc32:00c0ffef",
            r"records of 16 tokens: part-0\.tfrecord has other content \(24 records\)\)\. Give an",
        ),
        (["stages", 1, "batch_size"], 4, r"stages\.1\.batch_size: 8 there, 4 now"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_by_name(path, value, message):
    other = copy.deepcopy(IDENTITY)
    part = other
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    check(IDENTITY, IDENTITY)
    with pytest.raises(UserError, match=message):
        check(IDENTITY, other)


def test_all_differences_are_named_at_once():
    other = copy.deepcopy(IDENTITY)
    other["seed"] = 9
    other["data"]["16"]["files"].append({**FILE, "name": "part-1.tfrecord"})
    message = (
        r"\(seed: 12345 there, 9 now; records of 16 tokens: part-1\.tfrecord \(24 records\) is"
    )
    with pytest.raises(UserError, match=message):
        check(IDENTITY, other)
    with pytest.raises(UserError, match=message):
        check(IDENTITY, other, lengthen=True)


def test_the_same_records_in_another_order_are_said_and_no_reason_to_stop():
    other = copy.deepcopy(IDENTITY)
    assert check(IDENTITY, other) == []
    other["data"]["16"]["files"][0]["name"] = "renamed"
    assert check(IDENTITY, other) == []
    other["data"]["16"]["order"] = "1"
    (note,) = check(IDENTITY, other)
    assert note.startswith("note: the records of 16 tokens are the same, but")


def test_a_checkpoint_of_before_files_were_compared_goes_on():
    stored = {**IDENTITY, "data": {"16": "f"}}
    assert check(stored, IDENTITY) == []
    with pytest.raises(UserError, match="records of 16 tokens: other files, or other numbers"):
        check({**IDENTITY, "data": {"16": "g"}}, IDENTITY)


def test_a_run_may_be_lengthened_where_it_has_not_been_yet():
    def with_steps(*steps):
        longer = copy.deepcopy(IDENTITY)  # stages of 2 steps
        for stage, num_steps in zip(longer["stages"], steps, strict=True):
            stage["num_steps"] = num_steps
        return longer

    check(IDENTITY, with_steps(2, 2, 5, 2, 9), step=4, lengthen=True)
    with pytest.raises(UserError, match="num_steps"):
        check(IDENTITY, with_steps(2, 2, 5, 2, 9), step=4)
    check(IDENTITY, with_steps(2, 3, 2, 2, 2), step=4, lengthen=True)  # at its end: it may go on
    with pytest.raises(UserError, match=r"stages\.0\.num_steps"):
        check(IDENTITY, with_steps(3, 2, 2, 2, 2), step=4, lengthen=True)  # already left
    with pytest.raises(UserError, match=r"stages\.2\.num_steps"):
        check(IDENTITY, with_steps(2, 2, 1, 2, 2), step=4, lengthen=True)  # shorter
