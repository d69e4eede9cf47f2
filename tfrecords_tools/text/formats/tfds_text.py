"""Texts of a prepared data set of tensorflow-datasets, examples from one to another.

This is the one reader of text that runs TensorFlow's operations: tf.data reads the examples.
"""

from collections.abc import Callable, Iterator
from typing import Any

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from tfrecords_tools.text.formats.text_formats import Document, split_text
from tfrecords_tools.text.read_report import Leniency

SPLIT = "train"


def describe(name: str, *, text_field: str, data_dir: str) -> tuple[str, int, int]:
    """Looks at a data set without reading it.

    Args:
        name: e.g. "wikipedia/20230601.en:1.0.0"; without a version, the newest one.
        text_field: the feature with the text.
        data_dir: where prepared data sets are; "" for tensorflow-datasets' own place.

    Returns:
        The name with configuration and version, the number of examples, and their bytes.

    Raises:
        UserError: the data set is unknown or not prepared, or has no such split or text field.
    """
    builder = _find_builder(name, data_dir)
    with file_errors.reading(f"--tfds {name}"):
        info = builder.info
        splits = info.splits
        if SPLIT not in splits:
            raise UserError(
                f"--tfds {name} has no split {SPLIT!r}, but {', '.join(splits) or 'none'}. Give "
                "another data set, or its text as files by --input."
            )
        _check_field(info, name, text_field)
        name_and_config, _, version = info.full_name.rpartition("/")
        split = splits[SPLIT]
        return f"{name_and_config}:{version}", split.num_examples, split.num_bytes


def read_examples(
    name: str,
    examples: tuple[int, int],
    *,
    text_field: str,
    data_dir: str,
    num_bytes: int,
    leniency: Leniency,
    advance: Callable[[int], None],
) -> Iterator[Document]:
    """Yields a document per example: the lines of its text, so it can be empty.

    Args:
        name: see `describe`.
        examples: the first one's number, and the number before which to end.
        text_field: see `describe`.
        data_dir: see `describe`.
        num_bytes: which the examples are said to have; `advance` is told of them bit by bit.
        leniency: hears of texts that are not UTF-8.
        advance: is called with numbers of bytes.

    Raises:
        UserError: see `describe`; or the files cannot be read, or a text is not UTF-8 and leniency
            has none for it.
    """
    import tensorflow_datasets as tfds

    builder = _find_builder(name, data_dir)
    begin, end = examples
    with file_errors.reading(f"--tfds {name}"):
        data_set = builder.as_dataset(
            split=f"{SPLIT}[{begin}:{end}]",
            decoders=tfds.decode.PartialDecoding({text_field: True}),
            # One file after the other: the order of the whole is that of its slices.
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        )
        for number, example in enumerate(data_set.as_numpy_iterator()):
            count = end - begin
            advance(num_bytes * (number + 1) // count - num_bytes * number // count)
            try:
                text = example[text_field].decode("utf-8")
            except UnicodeDecodeError as error:
                leniency.skip_document(
                    f"--tfds {name}, example {begin + number:,} of {SPLIT}: the text is not UTF-8 "
                    f"({error.reason} at its byte {error.start:,}). Prepare the data set anew."
                )
                continue
            yield from split_text(text, leniency=leniency)


def find_folder(name: str, *, data_dir: str) -> str:
    """Returns the folder of a data set's files.

    Raises:
        UserError: the data set is unknown or not prepared.
    """
    return str(_find_builder(name, data_dir).data_path)


def _find_builder(name: str, data_dir: str) -> Any:
    """Returns the builder of a prepared data set; never downloads."""
    import tensorflow_datasets as tfds

    where = f" in {data_dir}" if data_dir else ""
    try:
        with file_errors.reading(f"--tfds {name}"):
            builder = tfds.builder(name, data_dir=data_dir or None, try_gcs=False)
    except UserError:
        raise
    except (ValueError, AssertionError, ImportError) as error:
        reason = str(error).strip().split("\n")[0]
        raise UserError(
            f"--tfds {name} is no data set that tensorflow-datasets knows{where}: {reason} "
            "Give NAME/CONFIG:VERSION of one that is prepared, and --tfds_data_dir if it is "
            "elsewhere."
        ) from error
    with file_errors.reading(f"--tfds {name}"):
        is_prepared = builder.is_prepared()
    if not is_prepared:
        folder = f" --data_dir={data_dir}" if data_dir else ""
        raise UserError(
            f"--tfds {name} is not prepared: there is no {builder.data_path}. Nothing is "
            f"downloaded unasked. Prepare it by: tfds build {name}{folder} (or "
            f"tfds.builder({name!r}).download_and_prepare() in Python), or give --tfds_data_dir."
        )
    return builder


def _check_field(info: Any, name: str, text_field: str) -> None:
    features = info.features
    fields = sorted(features) if hasattr(features, "keys") else []
    if text_field not in fields:
        raise UserError(
            f"--tfds {name} has no {text_field!r} in its examples, but {', '.join(fields)}. Name "
            "the one with the text by --text_field."
        )
    feature = features[text_field]
    if feature.shape or feature.np_dtype not in (object, bytes, str):
        raise UserError(
            f"--text_field {text_field!r} of --tfds {name} is {feature}; it must be a text. The "
            f"fields are {', '.join(fields)}."
        )
