"""The flags of `mslt_tf.run_pretraining` in the groups of --help, and what they make."""

import dataclasses
from typing import Any

from absl import flags

from mslt_tf import flag_fields
from mslt_tf.config import OptimizerConfig, PretrainingConfig
from mslt_tf.flag_fields import flag_field, flag_names, values_of
from mslt_tf.model_config import ModelConfig
from mslt_tf.plan_settings import PlanSettings


@dataclasses.dataclass(frozen=True)
class RunFlags:
    """What the program does with a configuration, other than training it."""

    dry_run: bool = flag_field(
        False, "Print the plan and what it costs, then stop. Needs no data, GPU or TensorFlow."
    )
    check_cluster: bool = flag_field(
        False,
        "Check workers, data, disk and the newest checkpoint, then stop before the first step. "
        "Leaves no file behind.",
    )


SETTINGS = (RunFlags, PlanSettings, OptimizerConfig, ModelConfig, PretrainingConfig)
GROUPS = {
    "Run": ("output_dir", "dry_run", "check_cluster", "init_checkpoint", "lengthen", "seed"),
    "Data": (
        *("train_records", "eval_records", "max_seq_length", "max_predictions_per_seq"),
        *("vocab_file", "do_lower_case", "strip_accents", "dynamic_masking"),
    ),
    "Method": (
        *("method", "num_stages", "joint_fraction", "stage_shares", "stage_steps"),
        *("new_layers", "num_train_steps", "train_batch_size", "learning_rate"),
        *("num_warmup_steps", "stage_warmup_steps", "weight_decay_rate", "trunk_dropout"),
    ),
    "Model": flag_names(ModelConfig),
    "Devices": (
        *("distribution_strategy", "tpu", "peer_timeout", "gradient_transport"),
        *("precision", "trunk_precision", "xla", "micro_batch_size", "trim_padding"),
        "eval_batch_size",
    ),
    "Intervals": (
        *("log_steps", "eval_steps", "checkpoint_steps", "num_checkpoints_kept"),
        "keep_stage_ends",
    ),
    "Last steps at 512": (
        *("long_seq_length", "long_seq_fraction", "long_train_records", "long_eval_records"),
        *("long_max_predictions_per_seq", "long_train_batch_size"),
    ),
}


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of `mslt_tf.run_pretraining` on `flag_values`."""
    flag_fields.define_flags(GROUPS, SETTINGS, flag_values)


def config_from_flags(flag_values: flags.FlagValues) -> PretrainingConfig:
    """Reads and checks all flags.

    Raises:
        UserError: a value out of its range, or values that do not fit together.
    """
    model = ModelConfig(**values_of(ModelConfig, flag_values))
    plan_settings = PlanSettings(**values_of(PlanSettings, flag_values))
    parts: dict[str, Any] = {
        "model": model,
        "plan": plan_settings.make(
            flag_values.method, model, num_train_steps=flag_values.num_train_steps
        ),
        "optimizer": OptimizerConfig(**values_of(OptimizerConfig, flag_values)),
    }
    return PretrainingConfig(**parts, **values_of(PretrainingConfig, flag_values, without=parts))
