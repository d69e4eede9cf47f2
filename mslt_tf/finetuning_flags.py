"""The flags of `mslt_tf.run_finetuning` in the groups of --help, and what they make."""

from absl import flags

from mslt_tf import flag_fields
from mslt_tf.finetuning_settings import FineTuningSettings, TrainingSettings, is_of_squad
from mslt_tf.flag_fields import values_of
from mslt_tf.squad_settings import DEFAULT_LENGTH, SquadSettings, WindowSizes

SETTINGS = (FineTuningSettings, TrainingSettings, SquadSettings, WindowSizes)
GROUPS = {
    "Run": ("task", "encoder", "output_dir", "num_parallel_runs"),
    "Data": (
        *("glue_dir", "squad_dir", "tfds_data_dir", "max_seq_length"),
        *("vocab_file", "do_lower_case", "strip_accents"),
    ),
    "Grid": ("learning_rates", "num_seeds", "seed"),
    "Training": (*flag_fields.flag_names(TrainingSettings), "eval_batch_size"),
    "SQuAD": ("doc_stride", "max_query_length", "n_best", "max_answer_length"),
    "Results": ("submit", "validate_submission", "export"),
    "Intervals": ("log_steps", "checkpoint_steps"),
}


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of `mslt_tf.run_finetuning` on `flag_values`."""
    flag_fields.define_flags(GROUPS, SETTINGS, flag_values)


def settings_from_flags(flag_values: flags.FlagValues) -> FineTuningSettings:
    """Returns the settings that the flags make.

    Raises:
        UserError: a flag is out of its range, or flags contradict each other.
    """
    settings = values_of(FineTuningSettings, flag_values, without=("training", "squad"))
    # That of GLUE alone may be shorter than a question of SQuAD.
    has_squad = any(map(is_of_squad, settings["task"]))
    windows = WindowSizes(
        max_seq_length=(has_squad and settings["max_seq_length"]) or DEFAULT_LENGTH,
        **values_of(WindowSizes, flag_values, without=("max_seq_length",)),
    )
    return FineTuningSettings(
        training=TrainingSettings(**values_of(TrainingSettings, flag_values)),
        squad=SquadSettings(
            windows=windows, **values_of(SquadSettings, flag_values, without=("windows",))
        ),
        **settings,
    )
