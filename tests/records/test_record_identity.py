"""The same data under other names is the same data; other data are told file by file."""

import dataclasses
import gzip
import hashlib
import json
import shutil

import numpy as np
import pytest

from mslt_tf.records import record_facts, record_files, record_identity
from tests import tiny


def open_identity(*paths):
    records = record_files.open_records(
        [str(path) for path in paths],
        cache_path=str(paths[0].parent.parent / "facts.json"),
        report=lambda line: None,
    )
    return records.identity


def as_json(identity):
    return json.loads(json.dumps({"16": dataclasses.asdict(identity)}))


def compare(old, new):
    return record_identity.compare(as_json(old), as_json(new))


@pytest.fixture
def folder(tmp_path):
    """Four files of random records, part-0 to part-3."""
    tiny.write_random_shards(tmp_path / "data", sizes=(9, 5, 7, 5))
    return tmp_path / "data"


@pytest.fixture
def old(folder):
    return open_identity(folder / "part-*")


def rewrite(path, seed, size):
    rng = np.random.default_rng(seed)
    tiny.write_shard(path, [tiny.record(rng) for _ in range(size)])


def test_a_moved_folder_and_another_way_to_name_the_files_change_nothing(folder, old):
    shutil.move(folder, folder.parent / "moved")
    moved = folder.parent / "moved"
    found = open_identity(moved / "part-[23]*", moved / "part-[01]*")
    assert found == old
    assert compare(old, found) == ([], [])


def test_other_names_that_sort_alike_are_the_same_data_in_the_same_order(folder, old):
    for path in folder.iterdir():
        path.rename(folder / path.name.replace("part", "train"))
    assert compare(old, open_identity(folder / "train-*")) == ([], [])


def test_names_that_sort_otherwise_are_the_same_data_in_another_order(folder, old):
    (folder / "part-0.tfrecord").rename(folder / "part-9.tfrecord")
    differences, (note,) = compare(old, open_identity(folder / "part-*"))
    assert differences == []
    assert note.startswith("note: the records of 16 tokens are the same, but")
    assert "may come twice or not at all" in note


def test_a_compressed_copy_is_the_same_data(folder, old):
    for path in folder.iterdir():
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert compare(old, open_identity(folder / "part-*")) == ([], [])


def test_files_that_are_cut_otherwise_come_in_another_order(folder, old, monkeypatch):
    monkeypatch.setattr(record_facts, "BLOCK_BYTES", 1_000)
    (folder.parent / "facts.json").unlink()
    differences, notes = compare(old, open_identity(folder / "part-*"))
    assert (differences, len(notes)) == ([], 1)


def test_what_differs_is_told_by_files_and_counts_and_no_hash(folder, old):
    rewrite(folder / "part-0.tfrecord", seed=7, size=9)
    rewrite(folder / "part-1.tfrecord", seed=8, size=6)
    (folder / "part-2.tfrecord").unlink()
    rewrite(folder / "part-9.tfrecord", seed=9, size=1_200)
    assert compare(old, open_identity(folder / "part-*")) == (
        [
            "records of 16 tokens: part-0.tfrecord has other content (9 records), part-1.tfrecord "
            "has 6 records instead of 5, part-2.tfrecord (7 records) is not there any more, "
            "part-9.tfrecord (1,200 records) is new"
        ],
        [],
    )


@pytest.mark.parametrize("gone", ["part-4.tfrecord", "part-0.tfrecord"])
def test_of_two_equal_files_the_one_that_is_gone_is_named(folder, gone):
    shutil.copy(folder / "part-0.tfrecord", folder / "part-4.tfrecord")
    before = open_identity(folder / "part-*")
    (folder / gone).unlink()
    assert compare(before, open_identity(folder / "part-*"))[0] == [
        f"records of 16 tokens: {gone} (9 records) is not there any more"
    ]


def test_of_many_files_that_differ_some_are_named(folder):
    tiny.write_random_shards(folder, sizes=(2,) * 9)
    before = open_identity(folder / "part-*")
    for path in list(folder.iterdir())[1:]:
        path.unlink()
    ((difference,), _) = compare(before, open_identity(folder / "part-*"))
    assert difference.count("is not there any more") == record_identity.MAX_NAMED
    assert difference.endswith(", and 3 more")


def test_lengths_are_compared_each_with_its_own(folder, old):
    other = open_identity(folder / "part-[01]*")
    both = {"128": as_json(old)["16"], "16": as_json(other)["16"]}
    assert record_identity.compare(both, both) == ([], [])
    differences, _ = record_identity.compare(both, {"16": both["128"], "64": both["16"]})
    assert differences == [
        "records of 16 tokens: part-2.tfrecord (7 records) is new, part-3.tfrecord (5 records) is "
        "new",
        "records of 64 tokens: none there, some now",
        "records of 128 tokens: some there, none now",
    ]


def test_an_older_checkpoint_knows_names_and_counts_only(folder, old):
    counts = [[f"part-{i}.tfrecord", n] for i, n in enumerate((9, 5, 7, 5))]
    fingerprint = hashlib.sha256(json.dumps([[], counts]).encode()).hexdigest()
    stored = {"16": fingerprint}
    assert record_identity.compare(stored, as_json(old)) == ([], [])
    rewrite(folder / "part-0.tfrecord", seed=7, size=9)
    assert record_identity.compare(stored, as_json(open_identity(folder / "part-*"))) == ([], [])
    rewrite(folder / "part-0.tfrecord", seed=7, size=8)
    differences, _ = record_identity.compare(stored, as_json(open_identity(folder / "part-*")))
    assert differences == ["records of 16 tokens: other files, or other numbers of records in them"]


def test_an_older_checkpoint_of_described_records_knows_their_source_too(folder):
    names = sorted(path.name for path in folder.iterdir())
    tiny.describe(folder, names, source_sha256="abc")
    counts = [[f"part-{i}.tfrecord", n] for i, n in enumerate((9, 5, 7, 5))]
    fingerprint = hashlib.sha256(json.dumps([["abc"], counts]).encode()).hexdigest()
    assert open_identity(folder / "part-*").legacy_fingerprint == fingerprint
    tiny.describe(folder, names, source_sha256="abd")
    assert open_identity(folder / "part-*").legacy_fingerprint != fingerprint


def test_described_files_without_checksums_are_known_by_source_and_name(folder):
    names = sorted(path.name for path in folder.iterdir())
    tiny.describe(folder, names, source_sha256="abc")
    before = open_identity(folder / "part-*")
    assert compare(before, before) == ([], [])
    tiny.describe(folder, names, source_sha256="abd")
    ((difference,), _) = compare(before, open_identity(folder / "part-*"))
    assert difference.count("has other content") == 4
    (folder / "dataset_info.json").unlink()
    ((difference,), _) = compare(before, open_identity(folder / "part-*"))
    assert difference.count("cannot be compared without the dataset_info.json that it had") == 4


def test_what_a_later_program_wrote_is_refused(old):
    differences, _ = record_identity.compare({"16": {"digest": 7}}, as_json(old))
    assert differences == [
        "records of 16 tokens: described in a way that this program does not know"
    ]


def test_a_few_words_tell_data_apart_and_not_their_order(folder, old):
    words = old.in_words()
    assert words.startswith("26 records in 4 files (")
    (folder / "part-0.tfrecord").rename(folder / "part-9.tfrecord")
    assert open_identity(folder / "part-*").in_words() == words
    rewrite(folder / "part-9.tfrecord", seed=7, size=9)
    assert open_identity(folder / "part-*").in_words() != words
