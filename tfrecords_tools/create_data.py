r"""Creates pretraining records (masked tokens, next sentence or sentence order) from text.

With the documentation inside this Python installation for a corpus, for example:

  python -m tfrecords_tools.build_vocab --input=embedded --vocab_file=data/vocab.txt
  python -m tfrecords_tools.create_data --input=embedded --vocab_file=data/vocab.txt \
      --output_dir=data/embedded_128

Your own text: --input='texts/*.txt,wiki/AA/wiki_*'. Plain text has a sentence or a paragraph a
line, and a blank line between documents; WikiExtractor's <doc> files are recognised.
--output_dir gets train-*.tfrecord, heldout-*.tfrecord and, last, dataset_info.json.
"""

import os
from typing import get_args

from absl import flags

from mslt_tf import startup
from mslt_tf.pretraining_example import SentenceObjective
from tfrecords_tools.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags; only on running as a program, as other tools use the same names."""
    flags.DEFINE_string(
        "input",
        "",
        "Text files: glob patterns separated by commas; or the word embedded, for the "
        "documentation inside this Python installation.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "output_dir", "", "Folder for the records; may be gs://...", flag_values=flag_values
    )
    flags.DEFINE_string(
        "vocab_file", "", "WordPiece vocabulary, one token a line.", flag_values=flag_values
    )
    flags.DEFINE_boolean(
        "do_lower_case",
        DatasetSettings.do_lower_case,
        "Lower-case the text and strip accents; must suit the vocabulary.",
        flag_values=flag_values,
    )
    _define_recipe_flags(flag_values)
    flags.DEFINE_float(
        "heldout_fraction",
        DatasetSettings.heldout_fraction,
        "Share of the documents for the heldout split (at least two); 0 for none.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "num_shards",
        DatasetSettings.num_shards,
        "Files of the train split.",
        flag_values=flag_values,
    )


def _define_recipe_flags(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_enum(
        "sentence_objective",
        Recipe.sentence_objective,
        list(get_args(SentenceObjective)),
        "nsp: BERT's, is the second segment the next or a random one? sop: ALBERT's, are two "
        "consecutive segments in order or swapped?",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "max_seq_length",
        Recipe.max_seq_length,
        "Tokens of a record, with [CLS], [SEP].",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "max_predictions_per_seq",
        Recipe.max_predictions_per_seq,
        "Most tokens to predict in a record: about max_seq_length x masked_lm_prob.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "dupe_factor",
        Recipe.dupe_factor,
        "Passes over the text, with other masks.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "short_seq_prob",
        Recipe.short_seq_prob,
        "Probability of aiming at short records.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "masked_lm_prob",
        Recipe.masked_lm_prob,
        "Probability of a token's being predicted.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "random_seed",
        Recipe.random_seed,
        "Same seed, same input: same files.",
        flag_values=flag_values,
    )


def settings_from_flags(flag_values: flags.FlagValues) -> DatasetSettings:
    """Returns the settings that the command line gives.

    Raises:
        UserError: a value is out of its range, or a needed one is missing.
    """
    recipe = Recipe(
        max_seq_length=flag_values.max_seq_length,
        max_predictions_per_seq=flag_values.max_predictions_per_seq,
        dupe_factor=flag_values.dupe_factor,
        short_seq_prob=flag_values.short_seq_prob,
        masked_lm_prob=flag_values.masked_lm_prob,
        random_seed=flag_values.random_seed,
        sentence_objective=flag_values.sentence_objective,
    )
    return DatasetSettings(
        input=flag_values.input,
        output_dir=flag_values.output_dir,
        vocab_file=flag_values.vocab_file,
        do_lower_case=flag_values.do_lower_case,
        heldout_fraction=flag_values.heldout_fraction,
        num_shards=flag_values.num_shards,
        recipe=recipe,
    )


def main() -> None:
    """Creates the data set that the command line describes."""
    settings = settings_from_flags(flags.FLAGS)
    # Text work needs no GPU, and TensorFlow would take all memory of one from a training run.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    # Imports TensorFlow, which must come after `startup.run` has silenced it; and wrong flags are
    # reported without waiting for it.
    from tfrecords_tools import pretraining_dataset

    pretraining_dataset.create(settings)


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
