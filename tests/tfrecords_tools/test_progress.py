"""Progress on a terminal and in a log file."""

import io

from tfrecords_tools.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(stream: io.StringIO, *, total: int | None) -> None:
    """Finishes 4 units in a second, for 25 seconds."""
    now = [100.0]
    progress = Progress("read", unit="lines", total=total, stream=stream, clock=lambda: now[0])
    for _ in range(100):
        now[0] += 0.25
        progress.advance()
    progress.finish()


def test_a_log_gets_a_line_per_ten_seconds_and_the_last():
    stream = io.StringIO()
    run(stream, total=120)
    assert stream.getvalue().splitlines() == [
        "read: 40 of 120 lines, 4/s, ETA 0:00:20",
        "read: 80 of 120 lines, 4/s, ETA 0:00:10",
        "read: 100 lines, 4/s, 25.0 s",
    ]


def test_without_a_total_nothing_is_promised():
    stream = io.StringIO()
    run(stream, total=None)
    assert stream.getvalue().splitlines()[0] == "read: 40 lines, 4/s, 10.0 s"


def test_a_terminal_has_one_line_that_changes():
    stream = Terminal()
    run(stream, total=120)
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().count("\r\x1b[K") == 101
