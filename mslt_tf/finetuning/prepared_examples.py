"""Examples of a data set that tensorflow-datasets prepared: the second source beside files."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors

_BATCH = 1000  # examples; read one by one, the calls into TensorFlow would take most of the time


def read(
    name: str, split: str, features: Sequence[str], *, data_dir: str, download: bool, instead: str
) -> Iterator[tuple[Any, ...]]:
    """Yields the features of each example as plain Python values, in the order of their files.

    Args:
        name: with configuration, e.g. "glue/cola"; of several versions that are prepared, the
            newest is read.
        split: as tensorflow-datasets calls it.
        features: their names; of those in others the whole path, e.g. "answers/text".
        data_dir: where prepared data sets are; "" for tensorflow-datasets' own place.
        download: whether to download and prepare it where it is not there.
        instead: what gives the same data without tensorflow-datasets, e.g. "give --glue_dir".

    Raises:
        UserError: the data set is not prepared, or cannot be; it cannot be read; it lacks the split
            or a feature; or a text is not UTF-8.
    """
    import tensorflow_datasets as tfds  # takes seconds

    builder = _prepared_builder(name, data_dir, download, instead)
    with file_errors.reading(f"{name} of tensorflow-datasets in {builder.data_path}"):
        _check_has(name, "split", [split], list(builder.info.splits), instead)
        data_set = builder.as_dataset(
            split=split,
            # One file after the other: so the order does not depend on their number.
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        )
        there = _paths(data_set.element_spec)
        _check_has(name, "feature", features, there, instead)
        for batch in data_set.ragged_batch(_BATCH):
            columns = (_values(name, batch, path) for path in features)
            yield from zip(*columns, strict=True)


def _prepared_builder(name: str, data_dir: str, download: bool, instead: str) -> Any:
    import tensorflow_datasets as tfds

    with _naming(
        f"{name} of tensorflow-datasets cannot be read", f"Prepare it anew, or {instead}."
    ):
        builder = tfds.builder(name, data_dir=data_dir or None, try_gcs=False)
        if builder.is_prepared():
            return builder
    command = f"tfds build {name}{f' --data_dir={data_dir}' if data_dir else ''}"
    if not download:
        raise UserError(
            f"{name} of tensorflow-datasets is not prepared: there is no {builder.data_path}. "
            f"Nothing is downloaded unasked. Prepare it by: {command}, on a machine that reaches "
            f"the internet; or {instead}."
        )
    what = f"{name} of tensorflow-datasets cannot be downloaded and prepared"
    with _naming(what, f"Prepare it elsewhere by {command} and copy the folder, or {instead}."):
        builder.download_and_prepare()
    return builder


@contextlib.contextmanager
def _naming(what: str, advice: str) -> Iterator[None]:
    """Turns what tensorflow-datasets raises into a UserError, as `file_errors.naming` does."""
    import tensorflow_datasets as tfds

    # It wraps some errors about files in a RuntimeError.
    others = (ValueError, AssertionError, ImportError, RuntimeError, tfds.download.DownloadError)
    try:
        with file_errors.naming(what, advice):
            yield
    except UserError:
        raise
    except others as error:
        raise UserError(f"{what} ({file_errors.reason(error)}). {advice}") from error


def _paths(spec: Any, front: str = "") -> list[str]:
    """Returns the paths of all features of examples."""
    if not isinstance(spec, dict):
        return [front.removesuffix("/")]
    return [path for key, inner in spec.items() for path in _paths(inner, f"{front}{key}/")]


def _check_has(
    name: str, kind: str, wanted: Sequence[str], there: Sequence[str], instead: str
) -> None:
    lacking = [each for each in wanted if each not in there]
    if lacking:
        raise UserError(
            f"{name} of tensorflow-datasets has no {kind} {lacking[0]!r}, but {', '.join(there)}. "
            f"Use another version of it, or {instead}."
        )


def _values(name: str, batch: Any, path: str) -> list[Any]:
    for key in path.split("/"):
        batch = batch[key]
    values = batch.to_list() if isinstance(batch, tf.RaggedTensor) else batch.numpy().tolist()
    try:
        return _decoded(values)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name} of tensorflow-datasets has a {path} that is no UTF-8 text ({error.reason}). "
            "Prepare the data set anew."
        ) from error


def _decoded(values: list[Any]) -> list[Any]:
    """Returns values, and lists of them, with bytes as text."""
    return [
        _decoded(each)
        if isinstance(each, list)
        else each.decode()
        if isinstance(each, bytes)
        else each
        for each in values
    ]
