r"""Builds a WordPiece vocabulary from the same inputs that create_data takes.

With the documentation inside this Python installation for a corpus, for example:

  python -m tfrecords_tools.build_vocab --input=embedded --vocab_file=data/vocab.txt \
      --vocab_size=8192

Your own text: --input='texts/*.txt,wiki', or --tfds=wikipedia/20230601.en:1.0.0. Words are split
exactly as create_data splits them; give it the same --do_lower_case. The same text gives the same
file, byte by byte.
"""

import dataclasses
import os
from typing import Annotated

from absl import flags

from mslt_tf import path_flags, startup
from mslt_tf.bounds import Bounds, check_numbers
from mslt_tf.errors import UserError
from tfrecords_tools.text import text_input
from tfrecords_tools.text.read_report import ON_ERROR, OnError
from tfrecords_tools.text.text_input import TextInput

MIN_VOCAB_SIZE = 200  # room for the special tokens and an alphabet, begun and continued

_VocabSize = Annotated[
    int,
    Bounds(
        at_least=MIN_VOCAB_SIZE,
        hint="A vocabulary holds the special tokens and all letters; BERT's has 30522 tokens.",
    ),
]


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


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags; only on running as a program, as other tools use the same names."""
    text_input.define_flags(flag_values)
    flags.DEFINE_enum(
        "on_error",
        VocabularySettings.on_error,
        ON_ERROR,
        "At a mistake in the text: fail, or skip what cannot be read and count it.",
        flag_values=flag_values,
    )
    path_flags.define_path(
        "vocab_file", "", "File to write; it must not exist yet.", flag_values=flag_values
    )
    flags.DEFINE_integer(
        "vocab_size", VocabularySettings.vocab_size, "Most tokens to take.", flag_values=flag_values
    )
    flags.DEFINE_boolean(
        "do_lower_case",
        VocabularySettings.do_lower_case,
        "Lower-case the text and strip accents.",
        flag_values=flag_values,
    )


def settings_from_flags(flag_values: flags.FlagValues) -> VocabularySettings:
    """Returns the settings that the command line gives.

    Raises:
        UserError: a value is out of its range, or a needed one is missing.
    """
    return VocabularySettings(**startup.values_of(VocabularySettings, flag_values))


def main() -> None:
    """Builds the vocabulary that the command line describes."""
    settings = settings_from_flags(flags.FLAGS)
    # Text work needs no GPU, and TensorFlow would take all memory of one from a training run.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    # Imports TensorFlow, which must come after `startup.run` has prepared it; and wrong flags are
    # reported without waiting for it.
    from tfrecords_tools import vocabulary_learning

    vocabulary_learning.build(settings)


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
