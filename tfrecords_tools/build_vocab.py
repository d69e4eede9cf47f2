r"""Builds a WordPiece vocabulary from the same inputs that create_data takes.

With the documentation inside this Python installation for a corpus, for example:

  python -m tfrecords_tools.build_vocab --input=embedded --vocab_file=data/vocab.txt \
      --vocab_size=8192

Your own text: --input='texts/*.txt,wiki', or --tfds=wikipedia/20230601.en:1.0.0. Words are split
exactly as create_data splits them; give it the same --do_lower_case and --strip_accents. The same
text gives the same file, byte by byte.
"""

import os

from absl import flags

from mslt_tf import flag_fields, startup
from tfrecords_tools.settings import VocabularySettings
from tfrecords_tools.text import text_input

GROUPS = {
    "Input": ["on_error"],  # after those of `text_input`
    "Vocabulary": ["vocab_file", "vocab_size", "do_lower_case", "strip_accents"],
}


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags; only on running as a program, as other tools use the same names."""
    text_input.define_flags(flag_values)
    flag_fields.define_flags(GROUPS, [VocabularySettings], flag_values)


def settings_from_flags(flag_values: flags.FlagValues) -> VocabularySettings:
    """Returns the settings that the command line gives.

    Raises:
        UserError: a value is out of its range, or a needed one is missing.
    """
    text = text_input.from_flags(flag_values)
    values = flag_fields.values_of(VocabularySettings, flag_values, without=["text"])
    return VocabularySettings(text, **values)


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
