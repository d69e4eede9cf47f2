"""Who waits for another worker is told so, until it is over."""

import queue
import threading

import pytest

from mslt_tf.pretraining import run_setup
from mslt_tf.training import waiting


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(waiting, "SECONDS_BETWEEN_LINES", 0.02)


def test_lines_come_while_the_call_hangs_and_none_after_it():
    lines = queue.Queue()
    with waiting.telling("the end", report=lines.put):
        for _ in range(3):
            assert lines.get(timeout=30).startswith("waiting for the end: 0:00:0")
    while not lines.empty():
        lines.get()
    with pytest.raises(queue.Empty):
        lines.get(timeout=0.2)


def test_time_is_told_from_the_beginning_on(monkeypatch):
    now = iter(range(100, 1_000_000, 15))
    monkeypatch.setattr(waiting.time, "monotonic", lambda: float(next(now)))
    lines = queue.Queue()
    with waiting.telling("it", report=lines.put):
        told = [lines.get(timeout=30) for _ in range(3)]
    assert told == [f"waiting for it: 0:00:{seconds} so far" for seconds in (15, 30, 45)]


def test_what_does_not_last_is_not_told(monkeypatch):
    monkeypatch.setattr(waiting, "SECONDS_BETWEEN_LINES", 10)
    lines = []
    with waiting.telling("it", report=lines.append):
        pass
    assert lines == []


def test_an_error_ends_the_telling_and_goes_on():
    before = threading.active_count()
    with pytest.raises(ValueError, match="broken"), waiting.telling("it", report=lambda line: None):
        raise ValueError("broken")
    assert threading.active_count() == before


class Workers:
    """A worker whose `gather` hangs until it is let go."""

    def __init__(self, index):
        self.is_chief = index == 0
        self.let_go = threading.Event()

    def gather(self, values):
        assert self.let_go.wait(30)

    def names_of(self, indices):
        return f"worker {indices[0]}"


def test_other_workers_tell_that_they_wait_for_the_chief_and_the_chief_does_not(monkeypatch):
    lines = []

    def say(line):
        lines.append(line)
        other.let_go.set()

    monkeypatch.setattr(run_setup, "say", say)
    other = Workers(1)
    with run_setup._chief_first(other):
        assert lines[0].startswith("waiting for worker 0, which looks at the record files first: ")
    chief = Workers(0)
    lines.clear()
    with run_setup._chief_first(chief):
        chief.let_go.set()
    assert lines == []
