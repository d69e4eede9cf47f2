"""Which text the tools read, as the command line says it; needs no TensorFlow."""

import dataclasses
import re
from typing import Final, Literal, get_args

from absl import flags

from mslt_tf import flag_fields
from mslt_tf.bounds import PositiveInt, check_numbers
from mslt_tf.errors import UserError
from mslt_tf.flag_fields import flag_field
from mslt_tf.path_flags import FilePath, JoinedPaths

EMBEDDED = "embedded"  # the --input that stands for the corpus every machine has
AUTO: Final = "auto"
PARQUET: Final = "parquet"
TextFormat = Literal["auto", "plain", "wiki", "jsonl", "json", "parquet", "lines", "book"]
TEXT_FORMATS = get_args(TextFormat)
FILE_FORMATS = tuple(name for name in TEXT_FORMATS if name != AUTO)
# Those of which --documents_of counts the parts; in the others the text says where documents end.
COUNTED_FORMATS = ("parquet", "jsonl", "json", "lines")
# No namespace ("huggingface:..."), as these download; no keyword arguments for the builder.
_TFDS_NAME = re.compile(r"\w+(/[\w.+-]+)?(:\d+\.\d+\.\d+)?")


@dataclasses.dataclass(frozen=True)
class TextInput:
    """Where documents come from: files, the embedded corpus, a tensorflow-datasets data set.

    Raises:
        UserError: a value is none of its kind, or there is neither `input` nor `tfds`.
    """

    input: JoinedPaths = flag_field(
        "",
        "Text files: glob patterns (with ** for any depth) and folders (with all files below them, "
        "but for names that begin with . or _), separated by commas; or the word embedded, for the "
        "documentation inside this Python installation.",
    )
    text_format: TextFormat = flag_field(
        AUTO,
        "How the files are written. plain: a sentence or paragraph a line, a blank line between "
        "documents; wiki: WikiExtractor's <doc> blocks; jsonl: a JSON object a line; json: an "
        "array of JSON objects; parquet: a document a row; lines: a document a line; book: a file "
        "is one document, blank lines stand between paragraphs; auto: look at each file, which "
        "finds all of them but lines. Files packed by gzip, bzip2, xz and zstd and the members of "
        "zip archives are unpacked while they are read; what is no text is refused by its kind.",
    )
    text_field: str = flag_field(
        "text", "Field with the text, in JSON, in Parquet files and in the examples of --tfds."
    )
    documents_of: PositiveInt = flag_field(
        1,
        "Rows of Parquet files, JSON objects, lines (of --text_format=lines) or examples of --tfds "
        "that make a document together; for corpora with a sentence a row and nothing that tells "
        "where documents end, such as bookcorpus. The last one of a piece of a file has fewer.",
    )
    tfds: str = flag_field(
        "",
        "Data set of tensorflow-datasets, e.g. wikipedia/20230601.en:1.0.0; its split train is "
        "read. It must be prepared already: nothing is downloaded.",
    )
    tfds_data_dir: FilePath = flag_field(
        "", "Folder of prepared data sets. Empty: the one that tensorflow-datasets uses by itself."
    )

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
        check_numbers(self, prefix="--")
        if self.documents_of > 1 and self.input == EMBEDDED:
            raise UserError("--documents_of is not for the embedded corpus. Leave it out.")
        if self.documents_of > 1 and self.text_format not in (AUTO, *COUNTED_FORMATS):
            raise UserError(
                f"--documents_of is for {', '.join(COUNTED_FORMATS)} and --tfds; --text_format is "
                f"{self.text_format}, which says where documents end. Give one of the two only."
            )
        if self.tfds and not _TFDS_NAME.fullmatch(self.tfds):
            raise UserError(
                f"--tfds is {self.tfds!r}; it must be NAME, NAME/CONFIG or NAME/CONFIG:VERSION of "
                "tensorflow-datasets, e.g. wikipedia/20230601.en:1.0.0."
            )


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of a `TextInput`."""
    flag_fields.define_flags({"Input": flag_fields.flag_names(TextInput)}, [TextInput], flag_values)


def from_flags(flag_values: flags.FlagValues) -> TextInput:
    """Returns what the flags of `define_flags` say.

    Raises:
        UserError: see `TextInput`.
    """
    return TextInput(**flag_fields.values_of(TextInput, flag_values))
