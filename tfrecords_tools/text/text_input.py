"""Which text the tools read, as the command line says it; needs no TensorFlow."""

import dataclasses
import re

from absl import flags

from mslt_tf import path_flags
from mslt_tf.errors import UserError
from mslt_tf.startup import values_of

EMBEDDED = "embedded"  # the --input that stands for the corpus every machine has
AUTO = "auto"
FILE_FORMATS = ("plain", "wiki", "jsonl", "book")
TEXT_FORMATS = (AUTO, *FILE_FORMATS)
# No namespace ("huggingface:..."), as these download; no keyword arguments for the builder.
_TFDS_NAME = re.compile(r"\w+(/[\w.+-]+)?(:\d+\.\d+\.\d+)?")


@dataclasses.dataclass(frozen=True)
class TextInput:
    """Where documents come from: files, the embedded corpus, a tensorflow-datasets data set.

    Raises:
        UserError: a value is none of its kind, or there is neither `input` nor `tfds`.
    """

    input: str = ""  # glob patterns and folders, for `path_flags.split_paths`; or "embedded"
    text_format: str = AUTO  # of all files, or "auto": look at each one
    text_field: str = "text"  # of JSON lines and of the examples of `tfds`
    tfds: str = ""  # e.g. "wikipedia/20230601.en:1.0.0"; its split "train" is read
    tfds_data_dir: str = ""  # where prepared data sets are; empty: tensorflow-datasets' own place

    def __post_init__(self) -> None:
        if not self.input and not self.tfds:
            raise UserError("--input is not set, and has no default. See --help.")
        if self.text_format not in TEXT_FORMATS:
            raise UserError(
                f"--text_format is {self.text_format!r}; it must be one of "
                f"{', '.join(TEXT_FORMATS)}. auto looks at each file."
            )
        if not self.text_field:
            raise UserError(
                '--text_field is empty; it must name the field with the text, e.g. "text".'
            )
        if self.tfds and not _TFDS_NAME.fullmatch(self.tfds):
            raise UserError(
                f"--tfds is {self.tfds!r}; it must be NAME, NAME/CONFIG or NAME/CONFIG:VERSION of "
                "tensorflow-datasets, e.g. wikipedia/20230601.en:1.0.0."
            )


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the five flags of a `TextInput`."""
    path_flags.define_joined_paths(
        "input",
        TextInput.input,
        "Text files: glob patterns and folders (with all files below them), separated by commas; "
        "or the word embedded, for the documentation inside this Python installation.",
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "text_format",
        TextInput.text_format,
        TEXT_FORMATS,
        "How the files are written. plain: a sentence or paragraph a line, a blank line between "
        "documents; wiki: WikiExtractor's <doc> blocks; jsonl: a JSON object a line; book: a file "
        "is one document, blank lines stand between paragraphs; auto: look at each file.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "text_field",
        TextInput.text_field,
        "Field with the text, in JSON lines and in the examples of --tfds.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "tfds",
        TextInput.tfds,
        "Data set of tensorflow-datasets, e.g. wikipedia/20230601.en:1.0.0; its split train is "
        "read. It must be prepared already: nothing is downloaded.",
        flag_values=flag_values,
    )
    path_flags.define_path(
        "tfds_data_dir",
        TextInput.tfds_data_dir,
        "Folder of prepared data sets; empty for the one that tensorflow-datasets takes itself.",
        flag_values=flag_values,
    )


def from_flags(flag_values: flags.FlagValues) -> TextInput:
    """Returns what the flags of `define_flags` say.

    Raises:
        UserError: see `TextInput`.
    """
    return TextInput(**values_of(TextInput, flag_values))
