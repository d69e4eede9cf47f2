"""What each of the three programs is told; all of it is checked here."""

import dataclasses
from typing import Annotated, Any, Literal

from mslt_tf.bounds import Bounds, NonNegativeInt, PositiveInt, check_numbers
from mslt_tf.dataset_info import Compression
from mslt_tf.errors import UserError
from mslt_tf.pretraining_example import FeatureNames
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.text.read_report import OnError
from tfrecords_tools.text.text_input import TextInput

Runner = Literal["local", "beam"]

MAX_SHARDS = 99_999  # five digits in a file name

_HeldoutFraction = Annotated[
    float, Bounds(at_least=0, at_most=0.5, hint="It is a share of all documents; 0.02 is usual.")
]
_NumShards = Annotated[
    int, Bounds(at_least=0, at_most=MAX_SHARDS, hint="0: set by the number of records.")
]


MIN_VOCAB_SIZE = 200  # room for the special tokens and an alphabet, begun and continued

_VocabSize = Annotated[
    int,
    Bounds(
        at_least=MIN_VOCAB_SIZE,
        hint="A vocabulary holds the special tokens and all letters; BERT's has 30522 tokens.",
    ),
]


@dataclasses.dataclass(frozen=True)
class DatasetSettings:
    """Everything that one or several data sets of pretraining records depend on.

    Several recipes differ in their lengths only, and share text, tokens and held-out documents.
    """

    text: TextInput
    output_dir: str
    vocab_file: str
    do_lower_case: bool = True
    heldout_fraction: _HeldoutFraction = 0.02  # of the documents
    num_shards: _NumShards = 0  # of the train split; 0: by the number of records
    recipes: tuple[Recipe, ...] = (Recipe(),)
    feature_names: FeatureNames = "v1"
    compression: Compression = ""
    runner: Runner = "local"  # processes of this machine, or Apache Beam
    # These do not change what is written.
    on_error: OnError = "fail"
    num_processes: PositiveInt = 1
    work_dir: str = ""  # "": in output_dir
    beam_options: tuple[str, ...] = ()  # for Beam, unread

    def __post_init__(self) -> None:
        for name in ("output_dir", "vocab_file"):
            if not getattr(self, name):
                raise UserError(f"--{name} is not set, and has no default. See --help.")
        check_numbers(self, prefix="--")
        self._check_recipes()
        if self.beam_options and self.runner != "beam":
            raise UserError("--beam_options are for Beam only. Give --runner=beam too.")
        if self.runner == "local" and not self.work_dir and "://" in self.output_dir:
            raise UserError(
                f"--output_dir {self.output_dir} is remote, and work needs a local folder. Give "
                "one by --work_dir."
            )

    def _check_recipes(self) -> None:
        lengths = [recipe.max_seq_length for recipe in self.recipes]
        if len(set(lengths)) < len(lengths):
            raise UserError(f"--max_seq_length names a length twice: {lengths}. Name each once.")

    @property
    def work_folder(self) -> str:
        """The local folder of unfinished work; new or empty at the begin, cleared at the end."""
        return self.work_dir or f"{self.output_dir.rstrip('/')}/_work"

    def folder_of(self, recipe: Recipe) -> str:
        """Returns where the records of one recipe go."""
        if len(self.recipes) == 1:
            return self.output_dir
        return f"{self.output_dir.rstrip('/')}/seq_{recipe.max_seq_length}"

    def to_record(self, recipe: Recipe) -> dict[str, Any]:
        """Returns the settings that decide one recipe's records, by flag name; not where they lie.

        What is left out with `on_error` changes the text, and shows in the hash of it.
        """
        return {
            **dataclasses.asdict(self.text),
            "do_lower_case": self.do_lower_case,
            "heldout_fraction": self.heldout_fraction,
            "num_shards": self.num_shards,
            "feature_names": self.feature_names,
            "compression": self.compression,
            "on_error": self.on_error,
            # Named only where the records are others than the local ones.
            **({"runner": self.runner} if self.runner != "local" else {}),
            **dataclasses.asdict(recipe),
        }


@dataclasses.dataclass(frozen=True)
class VocabularySettings:
    """What a vocabulary depends on, and where it goes."""

    vocab_file: str
    # These five are the fields of `text`.
    input: str = TextInput.input
    text_format: str = TextInput.text_format
    text_field: str = TextInput.text_field
    tfds: str = TextInput.tfds
    tfds_data_dir: str = TextInput.tfds_data_dir
    on_error: OnError = "fail"
    vocab_size: _VocabSize = 8192  # most tokens
    do_lower_case: bool = True

    @property
    def text(self) -> TextInput:
        """What to read."""
        names = [field.name for field in dataclasses.fields(TextInput)]
        return TextInput(**{name: getattr(self, name) for name in names})

    def __post_init__(self) -> None:
        _ = self.text  # is checked
        if not self.vocab_file:
            raise UserError("--vocab_file is not set, and has no default. See --help.")
        check_numbers(self, prefix="--")


@dataclasses.dataclass(frozen=True)
class InspectionSettings:
    """Which records to look at."""

    input_dir: str
    vocab_file: str
    split: str = "train"
    num_shown: NonNegativeInt = 3  # records to print
    num_counted: Annotated[int, Bounds(at_least=0, hint="0: all records.")] = 10_000  # to count

    def __post_init__(self) -> None:
        for name in ("input_dir", "vocab_file"):
            if not getattr(self, name):
                raise UserError(f"--{name} is not set, and has no default. See --help.")
        check_numbers(self, prefix="--")
