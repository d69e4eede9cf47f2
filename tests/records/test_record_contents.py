"""Records that a model cannot be trained or evaluated on are refused before the first step."""

import gzip
import itertools

import numpy as np
import pytest

from mslt_tf.errors import UserError
from mslt_tf.records import record_sets
from mslt_tf.records.record_facts import Layout
from tests import tiny

SETS = ("train_records", "eval_records", "long_train_records", "long_eval_records")
LONG = {**tiny.LONG_FLAGS, "method": "original"}  # stages of 7 and 3 steps
NUM_PREDICTIONS = {False: tiny.PREDICTIONS, True: tiny.LONG_PREDICTIONS}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Flags that name all four sets."""
    folder = tmp_path_factory.mktemp("data")
    return {
        name: tiny.write_random_shards(folder / name, seed=seed, long=name.startswith("long"))
        for seed, name in enumerate(SETS)
    }


def open_sets(tmp_path, **flags):
    (tmp_path / "run").mkdir(exist_ok=True)
    config = tiny.config(output_dir=tmp_path / "run", **flags)
    return record_sets.open_record_sets(config, report=lambda line: None)


@pytest.mark.parametrize("name", SETS)
def test_segments_that_the_model_does_not_know_are_refused_by_name(data, tmp_path, name):
    for other, segment in itertools.product(SETS, (0, 1)):
        make, size = (tiny.long_record, 32) if other.startswith("long") else (tiny.record, 16)
        record = make(np.random.default_rng(SETS.index(other)), segment_ids=[segment] * size)
        tiny.write_shard(tmp_path / f"{other}_{segment}", [record])
    single = {other: tmp_path / f"{other}_0" for other in SETS}
    open_sets(tmp_path, **single, **LONG, type_vocab_size=1)
    with_two = single | {name: tmp_path / f"{name}_1"}
    open_sets(tmp_path, **with_two, **LONG, type_vocab_size=2)
    message = f"--{name} has segment ids up to 1, the model has type_vocab_size 1. Set --type_vocab"
    with pytest.raises(UserError, match=message):
        open_sets(tmp_path, **with_two, **LONG, type_vocab_size=1)


def test_described_records_have_two_segments(tmp_path):
    tiny.write_random_shards(tmp_path, sizes=(3,))
    tiny.describe(tmp_path, ["part-0.tfrecord"])
    path = tmp_path / "part-0.tfrecord"
    with pytest.raises(UserError, match="--train_records has segment ids up to 1"):
        open_sets(tmp_path, train_records=path, type_vocab_size=1)


def write_without_masks(folder, *, long, names=("a", "b")):
    folder.mkdir()
    make = tiny.long_record if long else tiny.record
    weights = [0] * NUM_PREDICTIONS[long]
    for name in names:
        rng = np.random.default_rng(0)
        records = [make(rng, masked_lm_weights=weights) for _ in range(3)]
        tiny.write_shard(folder / name, records)
    return folder / "*"


@pytest.mark.parametrize("name", SETS)
def test_records_without_a_masked_token_are_refused_by_name(data, tmp_path, name):
    is_long = name.startswith("long")
    path = write_without_masks(tmp_path / "bare", long=is_long)
    message = rf"^--{name}: none of the 6 records of \S*a and 1 more has a masked token"
    with pytest.raises(UserError, match=message):
        open_sets(tmp_path, **data | {name: path}, **LONG)
    one = tiny.long_record if is_long else tiny.record
    tiny.write_shard(tmp_path / "bare" / "c", [one(np.random.default_rng(1))])
    open_sets(tmp_path, **data | {name: path}, **LONG)


def test_records_without_a_masked_token_may_be_trained_on_where_masks_are_drawn(data, tmp_path):
    path = write_without_masks(tmp_path / "bare", long=False, names=("a",))
    vocab_file = tmp_path / "vocab.txt"
    vocab_file.write_text("\n".join(tiny.vocabulary()))
    drawn = {"vocab_file": vocab_file, "dynamic_masking": "token"}
    with pytest.raises(UserError, match=r"Use records with masks, or --dynamic_masking\.$"):
        open_sets(tmp_path, train_records=path)
    open_sets(tmp_path, train_records=path, **drawn)
    with pytest.raises(UserError, match=r"^--eval_records: none of .*Use records with masks\.$"):
        open_sets(tmp_path, train_records=data["train_records"], eval_records=path, **drawn)


@pytest.mark.parametrize(("rows_held", "times"), [(1, 9), (2, 0)])
def test_compressed_files_that_are_unpacked_many_times_an_epoch_are_noted(
    tmp_path, monkeypatch, rows_held, times
):
    monkeypatch.setattr(Layout, "rows_held", rows_held)
    for name, size, compression in (("few", 8, "GZIP"), ("many", 9, "GZIP"), ("plain", 99, "")):
        records = [tiny.record(np.random.default_rng(n)) for n in range(size)]
        tiny.write_shard(tmp_path / name, records, compression=compression)

    def notes(name, **flags):
        lines = []
        config = tiny.config(output_dir=tmp_path, train_records=tmp_path / name, **flags)
        record_sets.open_record_sets(config, report=lines.append)
        return [line for line in lines if line.startswith("note")]

    expected = (
        f"note: --train_records: {tmp_path}/many is unpacked about {times} times an epoch, as"
    )
    assert [note[: len(expected)] for note in notes("m*")] == [expected] * (times > 0)
    assert notes("few") == notes("plain", eval_records=tmp_path / "many") == []


@pytest.mark.parametrize("kind", ["link", "copy", "compressed", "spelling"])
def test_a_copy_of_what_is_trained_on_must_not_be_evaluated_on(tmp_path, kind):
    tiny.write_random_shards(tmp_path / "train")
    train, copied = tmp_path / "train" / "part-1.tfrecord", tmp_path / "held-0.tfrecord"
    if kind == "link":
        copied.symlink_to(train)
    elif kind == "spelling":
        copied = f"{train.parent}/../{train.parent.name}/{train.name}"
    else:
        copied.write_bytes((gzip.compress if kind == "compressed" else bytes)(train.read_bytes()))
    message = "of --eval_records has the same records as part-1.tfrecord of --train_records"
    with pytest.raises(UserError, match=message):
        open_sets(tmp_path, train_records=train.parent / "part-*", eval_records=copied)
