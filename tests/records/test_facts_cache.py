"""What was read off record files is remembered, unless the memory or a file has changed."""

import json
import time

import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.records import facts_cache
from mslt_tf.records.facts_cache import FactsCache, FileVersion
from mslt_tf.records.record_facts import Block, FileFacts, Layout

FACTS = FileFacts(
    layout=Layout(128, 20, "v1", ""),
    blocks=(Block("a", 0, 7), Block("a", 9_000, 5)),
    vocab_size=30_522,
    largest_segment=1,
    num_masked=None,
    checksum="00ffab12",
)
VERSION = FileVersion(num_bytes=12_000, mtime_nsec=1_700_000_000_000_000_001)


def open_cache(path):
    lines = []
    return FactsCache(str(path), report=lines.append), lines


@pytest.fixture
def written(tmp_path):
    """The path of a cache that knows one file."""
    path = tmp_path / "facts.json"
    cache, _ = open_cache(path)
    cache.put("a", VERSION, FACTS)
    cache.write()
    return path


def test_facts_of_the_same_version_of_a_file_come_back(written):
    cache, lines = open_cache(written)
    assert cache.get("a", VERSION) == FACTS
    assert lines == []
    assert cache.get("b", VERSION) is None
    assert cache.get("a", FileVersion(12_001, VERSION.mtime_nsec)) is None
    assert cache.get("a", FileVersion(12_000, VERSION.mtime_nsec + 1)) is None


def changed(path, change):
    """Returns the bytes of a cache after `change` of its JSON value."""
    content = json.loads(path.read_bytes())
    change(content)
    return json.dumps(content).encode()


def test_a_file_that_is_written_again_in_the_same_second_has_another_version(tmp_path):
    path = tmp_path / "a"
    versions = set()
    for _ in range(3):
        path.write_bytes(b"12345")
        versions.add(FileVersion.of(str(path)))
        time.sleep(0.02)
    assert len(versions) == 3
    assert {version.num_bytes for version in versions} == {5}


def test_files_elsewhere_have_versions_too():
    tf.io.gfile.makedirs("ram://facts")
    tf.io.write_file("ram://facts/a", "1234")
    assert FileVersion.of("ram://facts/a").num_bytes == 4
    with pytest.raises(tf.errors.NotFoundError):
        FileVersion.of("ram://facts/gone")


DAMAGE = {
    "empty": lambda path: b"",
    "cut short": lambda path: path.read_bytes()[:100],
    "zeros": lambda path: bytes(500),
    "a zero": lambda path: path.read_bytes()[:100] + b"\0" + path.read_bytes()[101:],
    "no text": lambda path: b"\xff\xfe" + path.read_bytes(),
    "a list": lambda path: b"[]",
    "a digit": lambda path: path.read_bytes().replace(b"30522", b"30523"),
    "a field less": lambda path: changed(path, lambda c: c["entries"]["a"].pop("facts")),
    "another type": lambda path: changed(path, lambda c: c.update(entries=[1])),
    "of an earlier version": lambda path: b'{"a 12000 17": {"vocab_size": 3, "blocks": []}}',
    "nested too deeply": lambda path: b"[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_memory_is_passed_over_said_and_made_anew(written, damage):
    written.write_bytes(DAMAGE[damage](written))
    cache, lines = open_cache(written)
    (line,) = lines
    assert line.startswith(f"note: {written} is not used (")
    assert cache.get("a", VERSION) is None
    cache.put("a", VERSION, FACTS)
    cache.write()
    cache, lines = open_cache(written)
    assert (cache.get("a", VERSION), lines) == (FACTS, [])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda e: e["a"]["facts"].update(vocab_size="x"), "a.facts.vocab_size is 'x', not a"),
        (lambda e: e["a"]["facts"]["blocks"][1].pop("num_records"), "blocks.1.num_records is miss"),
        (lambda e: e["a"]["facts"]["layout"].update(compression="ZIP"), "compression is 'ZIP', no"),
    ],
)
def test_a_value_of_another_type_under_a_right_checksum_is_named(written, change, reason):
    def change_and_sign(content):
        change(content["entries"])
        content["checksum"] = facts_cache._checksum(content["entries"])

    written.write_bytes(changed(written, change_and_sign))
    _, (line,) = open_cache(written)
    assert reason in line


def test_thousands_of_files_do_not_mean_as_many_writings(tmp_path, monkeypatch):
    cache, _ = open_cache(tmp_path / "facts.json")
    now, written = [cache._written], []
    monkeypatch.setattr(facts_cache.time, "monotonic", lambda: now[0])
    write = cache.write
    monkeypatch.setattr(cache, "write", lambda: (write(), written.append(now[0])))
    for number in range(100):
        now[0] += 0.3
        cache.put(str(number), VERSION, FACTS)
    assert 5 <= len(written) <= 6  # in 30 s
    again, _ = open_cache(tmp_path / "facts.json")
    assert again.get("80", VERSION) == FACTS


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    cache, _ = open_cache(tmp_path / "gone" / "facts.json")
    cache.put("a", VERSION, FACTS)
    with pytest.raises(UserError, match="gone cannot be written to"):
        cache.write()


def test_a_folder_in_the_place_of_the_memory_is_said(tmp_path):
    (tmp_path / "facts.json").mkdir()
    _, (line,) = open_cache(tmp_path / "facts.json")
    assert "facts.json is not used" in line
