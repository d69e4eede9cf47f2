r"""Creates pretraining records (masked tokens, next sentence or sentence order) from text.

With the documentation inside this Python installation for a corpus, for example:

  python -m tfrecords_tools.build_vocab --input=embedded --vocab_file=data/vocab.txt
  python -m tfrecords_tools.create_data --input=embedded --vocab_file=data/vocab.txt \
      --output_dir=data/embedded_128

Your own text: --input='texts/*.txt,wiki', files and folders, packed by gzip, bzip2 or xz or not.
Plain text, WikiExtractor's output, JSON lines and books are told apart by looking; see
--text_format. --output_dir gets train-*.tfrecord, heldout-*.tfrecord and, last, dataset_info.json.
Several lengths share the work: --max_seq_length=128,512 --max_predictions_per_seq=20,80 makes the
folders seq_128 and seq_512 in --output_dir.

A run that was stopped goes on when the same command is given again; finished work is kept. The
records are the same with any number of processes.

For text that is too much for one machine, --runner=beam does the work as an Apache Beam pipeline,
which Flink, Spark and Dataflow run. It follows the same recipe, but its records are not those of
--runner=local: partners of random next sentences come from a random part of the documents, another
one in every pass; --heldout_fraction is a probability for each document, so the number of held-out
ones is about right only; and a run that was stopped begins anew. See docs/data.md.
"""

import logging
import os
import signal
import sys
from types import FrameType
from typing import Any, get_args

from absl import flags

from mslt_tf import path_flags, startup
from mslt_tf.dataset_info import Compression
from mslt_tf.errors import UserError
from mslt_tf.pretraining_example import FeatureNames, SentenceObjective
from tfrecords_tools import processes
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings, Runner
from tfrecords_tools.text import text_input
from tfrecords_tools.text.read_report import OnError

# A scheduler's, a lost terminal's, and what Slurm can be told to warn with; Python has Ctrl-C.
END_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags; only on running as a program, as other tools use the same names."""
    text_input.define_flags(flag_values)
    path_flags.define_path(
        "output_dir", "", "Folder for the records; may be gs://...", flag_values=flag_values
    )
    path_flags.define_path(
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
        "Files of the train split; 0: one for 200,000 records, at least 8.",
        flag_values=flag_values,
    )
    _define_output_flags(flag_values)
    _define_work_flags(flag_values)
    _define_runner_flags(flag_values)


def _define_output_flags(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_enum(
        "feature_names",
        DatasetSettings.feature_names,
        list(get_args(FeatureNames)),
        "v1: BERT's. v2: as TensorFlow Model Garden calls them (input_word_ids, ...).",
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "compression",
        DatasetSettings.compression,
        list(get_args(Compression)),
        "GZIP: a quarter of the bytes, slower to write and to read. Empty: none.",
        flag_values=flag_values,
    )


def _define_work_flags(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_integer(
        "num_processes",
        0,
        "Processes that share the work; 0: as many as there are processors.",
        flag_values=flag_values,
    )
    path_flags.define_path(
        "work_dir",
        DatasetSettings.work_dir,
        "Local folder for unfinished work, new or empty; its files are removed at the end. Not "
        "given: _work in output_dir.",
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "on_error",
        DatasetSettings.on_error,
        list(get_args(OnError)),
        "What to do about text that cannot be read, e.g. as it is not UTF-8. fail: stop, naming "
        "file and place. skip: leave it out, and count it in the summary.",
        flag_values=flag_values,
    )


def _define_runner_flags(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_enum(
        "runner",
        DatasetSettings.runner,
        list(get_args(Runner)),
        "local: --num_processes of this machine, with --work_dir. beam: Apache Beam, without them; "
        "needs the extra [beam].",
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "beam_options",
        DatasetSettings.beam_options,
        "Beam's own options, with commas, e.g. --runner=DirectRunner,--direct_num_workers=4,"
        "--direct_running_mode=multi_processing. Empty: one process of this machine.",
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
    flags.DEFINE_list(
        "max_seq_length",
        str(Recipe.max_seq_length),
        "Tokens of a record, with [CLS], [SEP]; or several such lengths, with commas.",
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "max_predictions_per_seq",
        str(Recipe.max_predictions_per_seq),
        "Most tokens to predict in a record, about max_seq_length x masked_lm_prob; a number for "
        "each length.",
        flag_values=flag_values,
    )
    flags.DEFINE_boolean(
        "whole_word_masking",
        Recipe.whole_word_masking,
        "Predict all pieces of a word or none.",
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
    parts: dict[str, Any] = {
        "text": text_input.from_flags(flag_values),
        "recipes": _recipes(flag_values),
        "num_processes": flag_values.num_processes or processes.default_num_processes(),
        "beam_options": tuple(flag_values.beam_options),
    }
    others = startup.values_of(DatasetSettings, flag_values, without=parts)
    return DatasetSettings(**parts, **others)


def _recipes(flag_values: flags.FlagValues) -> tuple[Recipe, ...]:
    lengths = _integers(flag_values, "max_seq_length")
    predictions = _integers(flag_values, "max_predictions_per_seq")
    if len(lengths) != len(predictions):
        raise UserError(
            f"--max_seq_length has {len(lengths)} value(s), --max_predictions_per_seq "
            f"{len(predictions)}; each length needs its own number. Give e.g. "
            "--max_seq_length=128,512 --max_predictions_per_seq=20,80."
        )
    each = ("max_seq_length", "max_predictions_per_seq")
    common = startup.values_of(Recipe, flag_values, without=each)
    return tuple(
        Recipe(**dict(zip(each, numbers, strict=True)), **common)
        for numbers in zip(lengths, predictions, strict=True)
    )


def _integers(flag_values: flags.FlagValues, name: str) -> list[int]:
    words: list[str] = flag_values[name].value
    try:
        return [int(word) for word in words]
    except ValueError as error:
        raise UserError(f"--{name} is {','.join(words)}; it takes whole numbers.") from error


def _create_with_beam(settings: DatasetSettings) -> None:
    logging.disable(logging.WARNING)  # Beam misses packages for BigQuery, and says so
    try:
        from tfrecords_tools.beam import beam_pipeline
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "apache_beam":
            raise
        raise UserError(
            "--runner=beam needs Apache Beam, which is not installed. Install it: python -m pip "
            "install -c constraints.txt -e '.[beam]'"
        ) from error
    finally:
        logging.disable(logging.NOTSET)
    beam_pipeline.create(settings)


def _end(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # a shell and the kernel both tell of a lost terminal
    sys.exit(128 + number)


def main() -> None:
    """Creates the data set that the command line describes."""
    settings = settings_from_flags(flags.FLAGS)
    # Text work needs no GPU, and TensorFlow would take all memory of one from a training run.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    for number in END_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it for a lost terminal
            signal.signal(number, _end)  # an orderly end, which takes the workers along
    # Imports TensorFlow, which must come after `startup.run` has prepared it; and wrong flags are
    # reported without waiting for it.
    if settings.runner == "beam":
        _create_with_beam(settings)
    else:
        from tfrecords_tools.dataset import pretraining_dataset

        pretraining_dataset.create(settings)


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
