"""Says what a program waits for, while it hangs in a call that takes as long as others do."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from mslt_tf.terminal import format_duration

SECONDS_BETWEEN_LINES = 10.0


@contextlib.contextmanager
def telling(what: str, *, report: Callable[[str], None]) -> Iterator[None]:
    """Tells what is waited for, and for how long already, every some seconds until the block ends.

    Args:
        what: e.g. "worker 0, which reads the record files".
        report: takes the lines, from another thread.
    """
    is_over = threading.Event()
    thread = threading.Thread(target=_tell, args=(what, report, is_over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()  # no line of it comes later


def _tell(what: str, report: Callable[[str], None], is_over: threading.Event) -> None:
    began = time.monotonic()
    while not is_over.wait(SECONDS_BETWEEN_LINES):
        report(f"waiting for {what}: {format_duration(time.monotonic() - began)} so far")
