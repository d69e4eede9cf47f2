"""The formats that models are read from: our own runs and exports, and those of others."""

from collections.abc import Callable

import tensorflow as tf

from mslt_tf.conversion import exported_encoder, google_tf1, huggingface, own_runs
from mslt_tf.conversion.found_model import FoundModel
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors

FORMS = (
    f"{own_runs.FORMS}; an export, or encoder/ in it; a Hugging Face folder, with config.json and "
    "model.safetensors; a folder of Google's format, with "
    f"{' or '.join(google_tf1.CONFIG_FILES)} and NAME.index, or its path/NAME"
)


def read(path: str, *, flag: str, report: Callable[[str], None]) -> FoundModel:
    """Returns the model at a path, of whichever of `FORMS` it is.

    Args:
        path: of a file or folder.
        flag: that names it, for messages.
        report: takes lines about damaged checkpoints of our own that are passed over.

    Raises:
        UserError: it is none of them, or cannot be read.
    """
    with file_errors.naming(f"{flag} {path} cannot be read", f"Give {FORMS}."):
        if own_runs.is_own(path):
            return _of_own_run(path, report)
        if huggingface.is_folder(path):
            return huggingface.read(path)
        if exported_encoder.is_export(path):
            return exported_encoder.read(path)
        if google_tf1.is_checkpoint(path):
            return google_tf1.read(path)
        what = _describe_unknown(path)
    raise UserError(f"{flag} {what}. Give {FORMS}.")


def _describe_unknown(path: str) -> str:
    if tf.io.gfile.isdir(path):
        return f"{path} is of no format known"
    if tf.io.gfile.exists(path):
        return f"{path} is a file; its folder, or the name without .index, is what can be read"
    return own_runs.describe_no_run(path)


def _of_own_run(path: str, report: Callable[[str], None]) -> FoundModel:
    checkpoint = own_runs.find(path, report=report)
    found = own_runs.weights_of(checkpoint)
    return FoundModel(
        checkpoint.path,
        own_runs.config_of(checkpoint, found),
        found,
        missing=(),
        unused=(),
        vocabulary=None,
        vocabulary_sha256=own_runs.vocabulary_sha256(checkpoint),
    )
