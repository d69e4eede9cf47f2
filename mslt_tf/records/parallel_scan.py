"""Reads several record files at once, says how far it is, and keeps what it learnt."""

import contextlib
import functools
import os
import queue
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent import futures

from mslt_tf.records import record_scan
from mslt_tf.records.facts_cache import FactsCache, FileVersion
from mslt_tf.records.record_facts import FileFacts
from mslt_tf.terminal import format_duration

MAX_THREADS = 8
SECONDS_BETWEEN_REPORTS = 5.0


class _StoppedError(Exception):
    """Nobody waits for the facts of a file any more."""


def scan_files(
    paths: Sequence[str], *, cache_path: str, report: Callable[[str], None], keeps_facts: bool
) -> dict[str, FileFacts]:
    """Returns the facts of every file, from `cache_path` where a file has not changed since.

    What it learns anew goes there too if `keeps_facts`: with several workers, only one may write.

    Raises:
        UserError: a file is damaged, empty, or holds other features than BERT's.
    """
    if not paths:
        return {}
    cache = FactsCache(cache_path, report=report)
    versions = {path: FileVersion.of(path) for path in paths}
    facts = {path: cache.get(path, version) for path, version in versions.items()}
    unknown = {path: versions[path] for path in paths if facts[path] is None}
    if not unknown:
        return facts
    files, them = (f"{len(unknown)} files", "them") if len(unknown) > 1 else ("1 file", "it")
    report(f"reading {files} once, to learn what is in {them}")
    try:
        # Closed at once if the cache cannot be written, or the program would end with the reading.
        with contextlib.closing(_scan_all(unknown, report)) as scanned:
            for path, found in scanned:
                facts[path] = found
                if keeps_facts:
                    cache.put(path, versions[path], found)
    finally:
        if keeps_facts:
            cache.write()
    return facts


def _scan_all(
    versions: Mapping[str, FileVersion], report: Callable[[str], None]
) -> Generator[tuple[str, FileFacts], None, None]:
    """Yields path and facts of each file as soon as it is read."""
    progress = _Progress({path: version.num_bytes for path, version in versions.items()})
    done: queue.SimpleQueue[tuple[str, futures.Future]] = queue.SimpleQueue()
    pool = futures.ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1))
    reported = time.monotonic()
    try:
        for path in versions:
            advance = functools.partial(progress.advance, path)
            task = pool.submit(record_scan.scan_file, path, advance=advance)
            task.add_done_callback(functools.partial(_put, done, path))
        while not progress.is_complete():
            with contextlib.suppress(queue.Empty):
                path, task = done.get(timeout=SECONDS_BETWEEN_REPORTS)
                found = task.result()
                progress.finish(path)
                yield path, found
            if time.monotonic() - reported >= SECONDS_BETWEEN_REPORTS:
                reported = time.monotonic()
                report(progress.text())
    finally:
        progress.stop()
        pool.shutdown(cancel_futures=True)


def _put(done: queue.SimpleQueue, path: str, task: futures.Future) -> None:
    done.put((path, task))


class _Progress:
    """How far several threads are with their files; the way to stop them, too."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        """Takes the stored bytes of each file."""
        self._sizes = sizes
        self._num_records = dict.fromkeys(sizes, 0)
        self._num_bytes = dict.fromkeys(sizes, 0)  # stored; about, while a file is read
        self._num_finished = 0
        self._began = time.monotonic()
        self._is_stopped = False

    def advance(self, path: str, num_records: int, num_bytes: int) -> None:
        """Notes how far the reading of a file is; called by its thread.

        Raises:
            _StoppedError: it need not be read any further.
        """
        if self._is_stopped:
            raise _StoppedError
        self._num_records[path] = num_records
        self._num_bytes[path] = min(num_bytes, self._sizes[path])

    def stop(self) -> None:
        """Ends each thread at its next call of `advance`."""
        self._is_stopped = True

    def finish(self, path: str) -> None:
        """Notes that a file was read."""
        self._num_finished += 1
        self._num_bytes[path] = self._sizes[path]

    def is_complete(self) -> bool:
        """Returns whether all files were read."""
        return self._num_finished == len(self._sizes)

    def text(self) -> str:
        """Returns how far all files together are."""
        num_read, num_bytes = sum(self._num_bytes.values()), sum(self._sizes.values())
        text = (
            f"read {self._num_finished} of {len(self._sizes)} files: "
            f"{sum(self._num_records.values()):,} records, {num_read / 1e6:,.0f} of "
            f"{num_bytes / 1e6:,.0f} MB"
        )
        if not num_read:
            return text
        seconds = (time.monotonic() - self._began) * (num_bytes - num_read) / num_read
        return f"{text}, {format_duration(seconds)} left"
