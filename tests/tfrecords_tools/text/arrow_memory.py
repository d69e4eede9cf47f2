"""Measures the memory that Arrow takes, which is none of Python's."""

import contextlib
from collections.abc import Callable, Iterator

import pyarrow


@contextlib.contextmanager
def measured() -> Iterator[Callable[[], int]]:
    """Gives a function that returns the most bytes that were taken at once within the context."""
    before = pyarrow.default_memory_pool()
    pool = pyarrow.proxy_memory_pool(before)
    pyarrow.set_memory_pool(pool)
    try:
        yield pool.max_memory
    finally:
        pyarrow.set_memory_pool(before)
