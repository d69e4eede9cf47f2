"""create_data with tasks so small that a little text makes many; as a program, a slow one too.

`python -m tests.tfrecords_tools.small_tasks SECONDS --input=...` sleeps so long after each step of
joining the pieces and of naming the files, so that it can be stopped there.
"""

import sys
import time
from collections.abc import Callable

import pytest

from mslt_tf import startup
from tfrecords_tools import create_data
from tfrecords_tools.text.pieces import text_pieces

PIECE_BYTES = 6_000
PAIRS_PER_PORTION = 50


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes pieces and portions small; only the process that shares out the work cuts them."""
    from tfrecords_tools.dataset import splits

    monkeypatch.setitem(text_pieces.list_pieces.__kwdefaults__, "piece_bytes", PIECE_BYTES)
    monkeypatch.setattr(splits, "PAIRS_PER_PORTION", PAIRS_PER_PORTION)


def slowed(function: Callable[..., object], seconds: float) -> Callable[..., object]:
    """Returns a function that does the same and then sleeps."""

    def slow(*args: object, **kwargs: object) -> object:
        result = function(*args, **kwargs)
        time.sleep(seconds)
        return result

    return slow


def main() -> None:
    """Runs create_data with small tasks and slow ends."""
    from tfrecords_tools.dataset import records, token_store

    shrink(pytest.MonkeyPatch())
    token_store._create = slowed(token_store._create, seconds)
    records.publish = slowed(records.publish, seconds)
    create_data.main()


if __name__ == "__main__":
    seconds = float(sys.argv.pop(1))
    startup.run(main, define_flags=create_data.define_flags, description="")


def refuse_work(*_: object, **__: object) -> None:
    """Stands in for work that must not begin."""
    raise AssertionError("the work began")
