"""Data sets that the library's own builders prepare, from files at hand instead of downloads."""

from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow_datasets as tfds


def refuse_download(*_: object, **__: object) -> None:
    """Takes the place of what must not be called."""
    raise AssertionError("a download was tried")


def prepare(builder: tfds.core.DatasetBuilder, examples: Mapping[str, Iterable[Any]]) -> None:
    """Writes a data set whose splits have these examples with their keys."""
    builder._split_generators = lambda dl_manager: dict(examples)
    config = tfds.download.DownloadConfig(try_download_gcs=False, num_shards=2)
    builder.download_and_prepare(download_config=config)
