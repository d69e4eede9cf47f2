"""What each of the three programs is told; all of it is checked here."""

import dataclasses
from typing import Annotated, Any, Literal

from mslt_tf.bounds import Bounds, NonNegativeInt, PositiveInt, check_numbers
from mslt_tf.dataset_info import Compression
from mslt_tf.errors import UserError
from mslt_tf.flag_fields import flag_field
from mslt_tf.path_flags import FilePath
from mslt_tf.pretraining_example import FeatureNames, SentenceObjective
from mslt_tf.text_case import STRIP_ACCENTS, TextCase
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.text.read_report import OnError
from tfrecords_tools.text.sentences.sentence_ends import SentenceSplitting
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
class RecipeFlags:
    """The flags that become a `Recipe`, or several: one for each length."""

    sentence_objective: SentenceObjective = flag_field(
        Recipe.sentence_objective,
        "What the sentence label of a record tells. nsp, as in BERT: whether the second segment is "
        "the next one or a random one. sop, as in ALBERT: whether two consecutive segments are in "
        "order or swapped.",
    )
    max_seq_length: tuple[str, ...] = flag_field(
        (str(Recipe.max_seq_length),),
        "Tokens of a record, with [CLS] and [SEP]; or several such lengths, with commas.",
    )
    max_predictions_per_seq: tuple[str, ...] = flag_field(
        (str(Recipe.max_predictions_per_seq),),
        "The most tokens to predict in a record, about max_seq_length x masked_lm_prob; one "
        "number for each length.",
    )
    whole_word_masking: bool = flag_field(
        Recipe.whole_word_masking, "Predict all pieces of a word or none."
    )
    dupe_factor: int = flag_field(
        Recipe.dupe_factor, "Passes over the text, each with other pairs and masks."
    )
    short_seq_prob: float = flag_field(
        Recipe.short_seq_prob,
        "Probability that a document's records of one pass are made shorter than max_seq_length.",
    )
    masked_lm_prob: float = flag_field(
        Recipe.masked_lm_prob,
        "Share of a record's tokens that are predicted: at least one token, and at most "
        "max_predictions_per_seq.",
    )
    random_seed: int = flag_field(
        Recipe.random_seed,
        "Seed of all that is random. The same seed and input give the same files.",
    )

    def recipes(self) -> tuple[Recipe, ...]:
        """Returns a recipe for each length.

        Raises:
            UserError: a value is out of its range, not every length has its predictions, or a
                record would have more predictions than tokens, which no pretraining takes.
        """
        lengths = _integers("max_seq_length", self.max_seq_length)
        predictions = _integers("max_predictions_per_seq", self.max_predictions_per_seq)
        if len(lengths) != len(predictions):
            raise UserError(
                f"--max_seq_length has {len(lengths)} value(s), --max_predictions_per_seq "
                f"{len(predictions)}; each length needs its own number. Give e.g. "
                "--max_seq_length=128,512 --max_predictions_per_seq=20,80."
            )
        recipes = tuple(
            Recipe(
                **dataclasses.asdict(self)
                | {"max_seq_length": length, "max_predictions_per_seq": most}
            )
            for length, most in zip(lengths, predictions, strict=True)
        )
        for recipe in recipes:
            _check_predictions(recipe)
        return recipes


def _check_predictions(recipe: Recipe) -> None:
    length, most = recipe.max_seq_length, recipe.max_predictions_per_seq
    if most > length:
        raise UserError(
            f"--max_predictions_per_seq is {most} for records of {length} tokens; it can be "
            f"{length} at most. Give about max_seq_length x masked_lm_prob: "
            f"{max(1, round(length * recipe.masked_lm_prob))}."
        )


def _integers(name: str, words: tuple[str, ...]) -> list[int]:
    try:
        return [int(word) for word in words]
    except ValueError as error:
        raise UserError(f"--{name} is {','.join(words)}; it takes whole numbers.") from error


@dataclasses.dataclass(frozen=True)
class DatasetSettings:
    """Everything that one or several data sets of pretraining records depend on.

    Several recipes differ in their lengths only, and share text, tokens and held-out documents.
    """

    text: TextInput
    output_dir: FilePath = flag_field("", "Folder for the records; may be gs://...")
    vocab_file: FilePath = flag_field("", "WordPiece vocabulary, one token a line.")
    do_lower_case: bool = flag_field(True, "Lower-case the text; must suit the vocabulary.")
    strip_accents: bool | None = flag_field(None, STRIP_ACCENTS)
    sentence_splitting: SentenceSplitting = flag_field(
        "auto",
        "auto: sentences end where the script of the text ends them; text without such ends is cut "
        "at blanks. line: each line of a document is a sentence, for text that is split already.",
    )
    heldout_fraction: _HeldoutFraction = flag_field(
        0.02, "Share of the documents for the heldout split (at least two); 0 for none."
    )
    drop_duplicates: bool = flag_field(
        False,
        "Leave out documents that are an earlier one again, letter for letter. Without it they "
        "stay, on the same side of the held-out split as the first.",
    )
    num_shards: _NumShards = flag_field(
        0, "Files of the train split. 0: one for each 200,000 records, at least 8."
    )
    recipes: tuple[Recipe, ...] = (Recipe(),)  # of `RecipeFlags`
    feature_names: FeatureNames = flag_field(
        "v1",
        "How a record names its features. v1: as BERT's own records do. v2: as TensorFlow Model "
        "Garden's do (input_word_ids, ...).",
    )
    compression: Compression = flag_field(
        "", "GZIP: a quarter of the bytes, slower to write and to read. Empty: none."
    )
    runner: Runner = flag_field(
        "local",
        "local: --num_processes of this machine, with --work_dir. beam: Apache Beam, without "
        "these two; needs the extra [beam].",
    )
    # These do not change what is written.
    on_error: OnError = flag_field(
        "fail",
        "What to do about text that cannot be read, e.g. because it is not UTF-8. fail: stop and "
        "name the file and the place. skip: leave it out and count it in the summary.",
    )
    num_processes: PositiveInt = 1
    work_dir: FilePath = flag_field(
        "",
        "Local folder for unfinished work, new or empty; its files are removed at the end. Empty: "
        "_work in output_dir.",
    )
    beam_options: tuple[str, ...] = flag_field(
        (),
        "Beam's own options, with commas, e.g. --runner=DirectRunner,--direct_num_workers=4,"
        "--direct_running_mode=multi_processing. Empty: one process of this machine.",
    )

    def __post_init__(self) -> None:
        for name in ("output_dir", "vocab_file"):
            if not getattr(self, name):
                raise UserError(f"--{name} is not set, and has no default. See --help.")
        check_numbers(self, prefix="--")
        self._check_recipes()
        if self.beam_options and self.runner != "beam":
            raise UserError("--beam_options are for Beam only. Give --runner=beam too.")
        if self.drop_duplicates and self.runner == "beam":
            raise UserError(
                "--drop_duplicates compares all documents with one another, which --runner=beam "
                "does not do. Leave one of the two out, or remove repeated documents beforehand."
            )
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
    def text_case(self) -> TextCase:
        """What is done to letters."""
        return TextCase.of(self.do_lower_case, self.strip_accents)

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
            **dataclasses.asdict(self.text_case),
            "sentence_splitting": self.sentence_splitting,
            "heldout_fraction": self.heldout_fraction,
            "num_shards": self.num_shards,
            "feature_names": self.feature_names,
            "compression": self.compression,
            "on_error": self.on_error,
            # Named only where the records are others than the local ones.
            **({"runner": self.runner} if self.runner != "local" else {}),
            **({"drop_duplicates": True} if self.drop_duplicates else {}),
            **dataclasses.asdict(recipe),
        }


@dataclasses.dataclass(frozen=True)
class VocabularySettings:
    """What a vocabulary depends on, and where it goes."""

    text: TextInput
    vocab_file: FilePath = flag_field("", "File to write; it must not exist yet.")
    on_error: OnError = flag_field(
        "fail",
        "What to do about text that cannot be read. fail: stop there. skip: leave it out and "
        "count it.",
    )
    vocab_size: _VocabSize = flag_field(8192, "The most tokens that the vocabulary may have.")
    do_lower_case: bool = flag_field(True, "Lower-case the text.")
    strip_accents: bool | None = flag_field(None, STRIP_ACCENTS)

    @property
    def text_case(self) -> TextCase:
        """What is done to letters."""
        return TextCase.of(self.do_lower_case, self.strip_accents)

    def __post_init__(self) -> None:
        if not self.vocab_file:
            raise UserError("--vocab_file is not set, and has no default. See --help.")
        check_numbers(self, prefix="--")


@dataclasses.dataclass(frozen=True)
class InspectionSettings:
    """Which records to look at."""

    input_dir: FilePath = flag_field("", "Folder that create_data made.")
    vocab_file: FilePath = flag_field("", "The vocabulary it was made with.")
    split: str = flag_field("train", "train or heldout.")
    num_shown: NonNegativeInt = flag_field(3, "How many records to print.")
    num_counted: Annotated[int, Bounds(at_least=0, hint="0: all records.")] = flag_field(
        10_000, "How many records to count for the shares that are printed. 0: all."
    )

    def __post_init__(self) -> None:
        for name in ("input_dir", "vocab_file"):
            if not getattr(self, name):
                raise UserError(f"--{name} is not set, and has no default. See --help.")
        check_numbers(self, prefix="--")
