"""Several files are read at once, with a word on how far it is, and remembered."""

import threading
import time

import pytest

from mslt_tf.errors import UserError
from mslt_tf.records import facts_cache, parallel_scan, record_scan
from mslt_tf.records.record_facts import FileFacts, Layout
from tests import tiny

SIZES = (3, 1, 4, 2, 5)


@pytest.fixture
def paths(tmp_path):
    tiny.write_random_shards(tmp_path, sizes=SIZES)
    return sorted(map(str, tmp_path.glob("part-*")))


def scan(paths, folder, *, keeps_facts=True):
    lines = []
    facts = parallel_scan.scan_files(
        paths,
        cache_path=str(folder / "facts.json"),
        report=lines.append,
        keeps_facts=keeps_facts,
    )
    return facts, lines


def test_each_file_gets_its_own_facts_whichever_is_read_first(paths, tmp_path):
    facts, lines = scan(paths, tmp_path)
    assert facts == {path: record_scan.scan_file(path) for path in paths}
    assert list(facts) == paths
    assert lines == ["reading 5 files once, to learn what is in them"]


def test_only_files_that_are_not_known_yet_are_read(paths, tmp_path, monkeypatch):
    known, _ = scan(paths[:3], tmp_path)
    read, scan_file = [], record_scan.scan_file
    monkeypatch.setattr(
        record_scan, "scan_file", lambda path, **options: (read.append(path), scan_file(path))[1]
    )
    facts, lines = scan(paths, tmp_path)
    assert sorted(read) == paths[3:]
    assert {path: facts[path] for path in paths[:3]} == known
    assert lines == ["reading 2 files once, to learn what is in them"]
    assert scan(paths, tmp_path) == (facts, [])
    assert scan([], tmp_path) == ({}, [])


def test_a_worker_that_must_not_write_leaves_no_file(paths, tmp_path):
    facts, _ = scan(paths, tmp_path, keeps_facts=False)
    assert len(facts) == len(SIZES)
    assert not list(tmp_path.glob("facts*"))


def test_what_was_learnt_before_a_damaged_file_is_kept(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(parallel_scan, "MAX_THREADS", 1)
    with open(paths[3], "ab") as file:
        file.write(b"rest")
    with pytest.raises(UserError, match=r"part-3\.tfrecord is damaged at record 2 "):
        scan(paths, tmp_path)
    _, lines = scan(paths[:3], tmp_path)
    assert lines == []


def test_a_damaged_file_ends_the_reading_of_the_others_and_of_those_to_come(
    paths, tmp_path, monkeypatch
):
    monkeypatch.setattr(parallel_scan, "MAX_THREADS", 2)
    monkeypatch.setattr(parallel_scan.os, "cpu_count", lambda: 2)
    begun, is_reading = [], threading.Event()

    def scan_file(path, *, advance):
        begun.append(path)
        if path == paths[1]:
            is_reading.wait(10)
            raise UserError("broken")
        while True:
            advance(1, 1)
            is_reading.set()
            time.sleep(0.01)

    monkeypatch.setattr(record_scan, "scan_file", scan_file)
    with pytest.raises(UserError, match="broken"):
        scan(paths, tmp_path)
    assert begun == paths[:2]
    assert threading.active_count() < 20  # those that read have ended


def test_a_memory_that_cannot_be_written_ends_the_reading(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(parallel_scan.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(facts_cache, "SECONDS_BETWEEN_WRITES", -1)
    ended, scan_file = threading.Event(), record_scan.scan_file

    def scan_first_only(path, *, advance):
        if path == paths[0]:
            return scan_file(path)
        try:
            while True:
                advance(1, 1)
                time.sleep(0.01)
        finally:
            ended.set()

    monkeypatch.setattr(record_scan, "scan_file", scan_first_only)
    with pytest.raises(UserError, match="gone cannot be written to") as refusal:
        scan(paths[:2], tmp_path / "gone")
    assert ended.is_set()  # though the error, and with it where it came from, is still held
    assert refusal


def test_all_files_together_are_reported_while_they_are_read(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(parallel_scan.time, "monotonic", lambda: now[0])
    progress = parallel_scan._Progress({"a": 3_000_000, "b": 5_000_000})
    assert progress.text() == "read 0 of 2 files: 0 records, 0 of 8 MB"
    progress.advance("a", 1_200, 1_000_000)
    progress.advance("b", 800, 1_000_000)
    now[0] += 20
    assert progress.text() == "read 0 of 2 files: 2,000 records, 2 of 8 MB, 0:01:00 left"
    progress.advance("a", 3_500, 3_300_000)  # a guess, as it is compressed
    progress.finish("a")
    assert progress.text() == "read 1 of 2 files: 4,300 records, 4 of 8 MB, 0:00:20 left"


def test_a_report_comes_when_it_is_time_though_no_file_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(parallel_scan, "SECONDS_BETWEEN_REPORTS", 0.05)
    (tmp_path / "a").write_bytes(bytes(2_000_000))
    lines, is_reported = [], threading.Event()

    def report(line):
        lines.append(line)
        if "1 of 2 MB" in line:
            is_reported.set()

    def scan_file(path, *, advance):
        advance(10, 1_000_000)
        assert is_reported.wait(30)
        return FileFacts(Layout(1, 1, "v1", ""), (), 1, 1, 1, "")

    monkeypatch.setattr(record_scan, "scan_file", scan_file)
    parallel_scan.scan_files(
        [str(tmp_path / "a")], cache_path=str(tmp_path / "c"), report=report, keeps_facts=False
    )
    assert lines[0] == "reading 1 file once, to learn what is in it"
    assert any(line.startswith("read 0 of 1 files: 10 records, 1 of 2 MB, 0:00:") for line in lines)
