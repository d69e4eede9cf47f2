"""The flags that say which records a run reads; `pretraining_flags` has all others."""

import functools
from typing import get_args

from absl import flags

from mslt_tf import path_flags
from mslt_tf.config import DynamicMasking


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of records, and of those of the greater length."""
    _define_data_flags(flag_values)
    _define_long_flags(flag_values)


def _define_data_flags(values: flags.FlagValues) -> None:
    boolean = functools.partial(flags.DEFINE_bool, flag_values=values)
    enum = functools.partial(flags.DEFINE_enum, flag_values=values)
    integer = functools.partial(flags.DEFINE_integer, flag_values=values)
    path = functools.partial(path_flags.define_path, flag_values=values)
    paths = functools.partial(path_flags.define_paths, flag_values=values)
    paths(
        "train_records",
        [],
        "TFRecord files to train on: paths or globs, separated by commas. Records of BERT's "
        "create_pretraining_data.py, of NVIDIA's or Model Garden's scripts do as well as ours.",
    )
    paths(
        "eval_records",
        [],
        "TFRecord files to evaluate on, kept out of training. Empty: no evaluation.",
    )
    path(
        "vocab_file",
        "",
        "The WordPiece vocabulary that the records were made with: checked against the records "
        "and packed into the export. Empty: neither.",
    )
    boolean("do_lower_case", True, "Whether the vocabulary is uncased.")
    enum(
        "dynamic_masking",
        "off",
        list(get_args(DynamicMasking)),
        "off: train on the masks that the records hold. token: draw other masks in every epoch, as "
        "RoBERTa; whole_word: of words, not of WordPieces. Both need vocab_file. Evaluation always "
        "keeps the records' masks, so its losses stay comparable.",
    )
    integer("max_seq_length", 128, "Tokens per sequence, as in the records.")
    integer("max_predictions_per_seq", 20, "Masked tokens per sequence, as in the records.")


def _define_long_flags(values: flags.FlagValues) -> None:
    number = functools.partial(flags.DEFINE_float, flag_values=values)
    integer = functools.partial(flags.DEFINE_integer, flag_values=values)
    paths = functools.partial(path_flags.define_paths, flag_values=values)
    integer(
        "long_seq_length",
        0,
        "Tokens per sequence in the last steps, e.g. 512, where the positions above max_seq_length "
        "are learnt. 0: one length throughout.",
    )
    number(
        "long_seq_fraction",
        0.1,
        "Share of all steps that run at long_seq_length, at the end of the last stage.",
    )
    paths("long_train_records", [], "As train_records, long.")
    paths(
        "long_eval_records",
        [],
        "As eval_records, long. Empty: the long steps are evaluated on eval_records.",
    )
    integer(
        "long_max_predictions_per_seq", 80, "Masked tokens per long sequence, as in the records."
    )
    integer(
        "long_train_batch_size", 0, "Sequences per update in the long steps. 0: train_batch_size."
    )
