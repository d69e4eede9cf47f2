r"""Creates pretraining records (masked tokens, next sentence or sentence order) from text.

With the documentation inside this Python installation for a corpus, for example:

  python -m tfrecords_tools.build_vocab --input=embedded --vocab_file=data/vocab.txt
  python -m tfrecords_tools.create_data --input=embedded --vocab_file=data/vocab.txt \
      --output_dir=data/embedded_128

Your own text: --input='texts/*.txt,wiki', files and folders, packed by gzip, bzip2, xz, zstd, zip
or not. Plain text, Parquet, WikiExtractor's output, JSON and books are told apart by looking; see
--text_format. --output_dir gets train-*.tfrecord, heldout-*.tfrecord and, last, dataset_info.json.
Several lengths share the work: --max_seq_length=128,512 --max_predictions_per_seq=20,80 makes the
folders seq_128 and seq_512 in --output_dir.

A run that was stopped goes on when the same command is given again; finished work is kept. The
records are the same with any number of processes.

For text that is too much for one machine, --runner=beam does the work as an Apache Beam pipeline,
which Flink, Spark and Dataflow run. It follows the same recipe, but its records are not those of
--runner=local: partners of random next sentences come from a random part of the documents, another
one in every pass; --heldout_fraction is a probability for each document, so the number of held-out
ones is about right only; and a run that was stopped begins anew. See docs/beam.md.
"""

import dataclasses
import logging
import os
import signal
import sys
from types import FrameType
from typing import Any

from absl import flags

from mslt_tf import flag_fields, startup
from mslt_tf.errors import UserError
from mslt_tf.flag_fields import flag_field, flag_names, values_of
from tfrecords_tools import processes
from tfrecords_tools.settings import DatasetSettings, RecipeFlags
from tfrecords_tools.text import text_input

# A scheduler's, a lost terminal's, and what Slurm can be told to warn with; Python has Ctrl-C.
END_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


@dataclasses.dataclass(frozen=True)
class ProcessFlags:
    """The flag behind `DatasetSettings.num_processes`, which can leave the number to us."""

    num_processes: int = flag_field(
        0, "Processes that share the work. 0: as many as there are processors."
    )


SETTINGS = (DatasetSettings, RecipeFlags, ProcessFlags)
GROUPS = {
    "Input": ["on_error"],  # after those of `text_input`
    "Records": [
        *("output_dir", "vocab_file", "do_lower_case", "strip_accents", "sentence_splitting"),
        *flag_names(RecipeFlags),
        *("heldout_fraction", "drop_duplicates", "num_shards", "feature_names", "compression"),
    ],
    "Work": ["num_processes", "work_dir", "runner", "beam_options"],
}


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags; only on running as a program, as other tools use the same names."""
    text_input.define_flags(flag_values)
    flag_fields.define_flags(GROUPS, SETTINGS, flag_values)


def settings_from_flags(flag_values: flags.FlagValues) -> DatasetSettings:
    """Returns the settings that the command line gives.

    Raises:
        UserError: a value is out of its range, or a needed one is missing.
    """
    parts: dict[str, Any] = {
        "text": text_input.from_flags(flag_values),
        "recipes": RecipeFlags(**values_of(RecipeFlags, flag_values)).recipes(),
        "num_processes": flag_values.num_processes or processes.default_num_processes(),
    }
    return DatasetSettings(**parts, **values_of(DatasetSettings, flag_values, without=parts))


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
