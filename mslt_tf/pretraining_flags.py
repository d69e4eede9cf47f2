"""The flags of `mslt_tf.run_pretraining`; the only module that reads them."""

import dataclasses
import functools
from typing import Any, get_args

from absl import flags

from mslt_tf import path_flags, record_flags
from mslt_tf.config import (
    DistributionStrategy,
    OptimizerConfig,
    Precision,
    PretrainingConfig,
    TrunkPrecision,
    Xla,
)
from mslt_tf.errors import UserError
from mslt_tf.methods import Method, end_on_long_sequences, make_plan
from mslt_tf.model_config import FIELD_HELP, ModelConfig
from mslt_tf.startup import values_of

RECORD_FLAGS = ("train_records", "eval_records", "long_train_records", "long_eval_records")


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of `mslt_tf.run_pretraining` on `flag_values`."""
    record_flags.define_flags(flag_values)
    _define_plan_flags(flag_values)
    _define_trunk_flags(flag_values)
    _define_model_flags(flag_values)
    _define_run_flags(flag_values)
    _define_device_flags(flag_values)
    _define_interval_flags(flag_values)


def config_from_flags(flag_values: flags.FlagValues) -> PretrainingConfig:
    """Reads and checks all flags.

    Raises:
        UserError: a value out of its range, or values that do not fit together.
    """
    model = ModelConfig(**values_of(ModelConfig, flag_values))
    plan = make_plan(
        flag_values.method,
        num_blocks=model.num_blocks,
        block_unit=model.block_unit,
        num_stages=flag_values.num_stages,
        num_train_steps=flag_values.num_train_steps,
        joint_fraction=flag_values.joint_fraction,
        seq_length=flag_values.max_seq_length,
        max_predictions_per_seq=flag_values.max_predictions_per_seq,
        batch_size=flag_values.train_batch_size,
        stage_steps=_integers("stage_steps", flag_values.stage_steps),
    )
    if flag_values.long_seq_length:
        plan = end_on_long_sequences(
            plan,
            fraction=flag_values.long_seq_fraction,
            seq_length=flag_values.long_seq_length,
            max_predictions_per_seq=flag_values.long_max_predictions_per_seq,
            batch_size=flag_values.long_train_batch_size or flag_values.train_batch_size,
        )
    parts: dict[str, Any] = {
        "model": model,
        "plan": plan,
        "optimizer": OptimizerConfig(**values_of(OptimizerConfig, flag_values)),
        "micro_batch_size": _integers("micro_batch_size", flag_values.micro_batch_size),
        **{name: tuple(getattr(flag_values, name)) for name in RECORD_FLAGS},
    }
    return PretrainingConfig(**parts, **values_of(PretrainingConfig, flag_values, without=parts))


def _integers(name: str, words: list[str]) -> tuple[int, ...]:
    try:
        return tuple(int(word.replace("_", "")) for word in words)
    except ValueError as error:
        raise UserError(f"{name} is {','.join(words)}. Give whole numbers with commas.") from error


def _define_plan_flags(values: flags.FlagValues) -> None:
    enum = functools.partial(flags.DEFINE_enum, flag_values=values)
    number = functools.partial(flags.DEFINE_float, flag_values=values)
    integer = functools.partial(flags.DEFINE_integer, flag_values=values)
    strings = functools.partial(flags.DEFINE_list, flag_values=values)
    enum(
        "method",
        "mslt",
        list(get_args(Method)),
        "mslt: multi-stage layerwise training. stacking: progressive stacking, everything "
        "always trained. original: the whole model from scratch.",
    )
    integer("num_stages", 4, "mslt: in how many equal parts the layers are added (the paper's k).")
    number(
        "joint_fraction",
        0.2,
        "mslt: share of the steps in which at last all layers train together; 0: none.",
    )
    strings(
        "stage_steps",
        [],
        "Steps of each stage, e.g. 200000,200000,200000,200000,200000, instead of the method's "
        "own shares. Must sum to num_train_steps.",
    )
    integer("num_train_steps", 1_000_000, "Updates of the whole run, all stages.")
    integer(
        "train_batch_size",
        1024,
        "Sequences per update, over all devices and accumulated micro-batches.",
    )
    number(
        "learning_rate",
        0.00088,
        "Peak learning rate of LAMB; rises through the warm-up, then falls to 0 at the end.",
    )
    integer("num_warmup_steps", 10_000, "Steps of warm-up, once per run.")
    integer("stage_warmup_steps", 0, "Steps of another warm-up at the start of each later stage.")
    number("weight_decay_rate", 0.01, "Weight decay, not on LayerNorm and biases.")


def _define_trunk_flags(values: flags.FlagValues) -> None:
    flags.DEFINE_enum(
        "trunk_precision",
        "same",
        list(get_args(TrunkPrecision)),
        "Of activations in frozen layers. bfloat16 under a float32 top is faster on CPUs that have "
        "it; the layers that train see the rounding of those that do not.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "trunk_dropout",
        True,
        "Whether frozen layers drop activations out. False is faster, and not the paper's way.",
        flag_values=values,
    )


def _define_model_flags(values: flags.FlagValues) -> None:
    enum = functools.partial(flags.DEFINE_enum, flag_values=values)
    number = functools.partial(flags.DEFINE_float, flag_values=values)
    integer = functools.partial(flags.DEFINE_integer, flag_values=values)
    base = ModelConfig()
    for field in dataclasses.fields(ModelConfig):
        default = getattr(base, field.name)
        text = FIELD_HELP.get(field.name, f"The model's {field.name}, as in bert_config.json.")
        if field.name == "hidden_act":
            enum(field.name, default, ["gelu", "gelu_new"], text)
        elif isinstance(default, int):
            integer(field.name, default, text)
        else:
            number(field.name, default, text)


def _define_run_flags(values: flags.FlagValues) -> None:
    boolean = functools.partial(flags.DEFINE_bool, flag_values=values)
    enum = functools.partial(flags.DEFINE_enum, flag_values=values)
    integer = functools.partial(flags.DEFINE_integer, flag_values=values)
    path = functools.partial(path_flags.define_path, flag_values=values)
    path(
        "output_dir",
        "",
        "The run's folder: plan, settings, metrics, TensorBoard events, checkpoints, export. A "
        "run that was interrupted goes on from its newest checkpoint.",
    )
    path(
        "init_checkpoint",
        "",
        "Checkpoint folder of another run (RUN/checkpoints/step-N) to take the weights from.",
    )
    enum(
        "precision",
        "float32",
        list(get_args(Precision)),
        "Of activations. bfloat16 for recent GPUs, TPUs and CPUs with AVX512_BF16; float16, "
        "with loss scaling, for older GPUs. Weights, logits and losses are always float32, whose "
        "products recent GPUs compute as TF32.",
    )
    integer("seed", 12_345, "Of initial weights, data order and dropout.")
    boolean(
        "check_cluster",
        False,
        "Check workers, data, disk and the newest checkpoint, and stop before the first step; "
        "leaves no file behind.",
    )
    boolean(
        "dry_run", False, "Print plan and cost and stop: no data, no GPU, no TensorFlow needed."
    )


def _define_device_flags(values: flags.FlagValues) -> None:
    enum = functools.partial(flags.DEFINE_enum, flag_values=values)
    integer = functools.partial(flags.DEFINE_integer, flag_values=values)
    enum(
        "distribution_strategy",
        "mirrored",
        list(get_args(DistributionStrategy)),
        "mirrored: all GPUs of this machine, or its CPU. one_device: the first only. "
        "multi_worker_mirrored: all GPUs of all machines, one process each, which TF_CONFIG or "
        "Slurm's environment name. tpu: all cores of --tpu.",
    )
    flags.DEFINE_string(
        "tpu",
        "",
        "local, on a TPU virtual machine; others cannot be fed from here.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "peer_timeout",
        300.0,
        "Seconds to wait for the other workers at the start.",
        flag_values=values,
    )
    enum(
        "xla",
        "auto",
        list(get_args(Xla)),
        "What XLA compiles: forward and backward pass as a whole, and the update (step), or chains "
        "of element-wise operations only (chains). auto: step on GPUs, chains on CPUs, off on "
        "TPUs, which have compilers of their own.",
    )
    enum(
        "gradient_transport",
        "float32",
        list(get_args(Precision)),
        "What is sent between devices. bfloat16 and float16 halve the bytes, and round each "
        "partial sum; float16 also loses what is below 6e-8.",
    )
    flags.DEFINE_list(
        "micro_batch_size",
        ["0"],
        "Sequences per device and forward pass; gradients of the passes are summed. 0: all. One "
        "number, or one for each stage, as stages that train few layers need less memory: "
        "128,256,256,256,64.",
        flag_values=values,
    )
    integer("eval_batch_size", 32, "Sequences per device and evaluation batch.")


def _define_interval_flags(values: flags.FlagValues) -> None:
    boolean = functools.partial(flags.DEFINE_bool, flag_values=values)
    integer = functools.partial(flags.DEFINE_integer, flag_values=values)
    integer("log_steps", 100, "Steps between entries in metrics.jsonl.")
    integer(
        "checkpoint_steps",
        5_000,
        "Steps between checkpoints. Stages end with one, and so does SIGTERM or Ctrl-C.",
    )
    integer("num_checkpoints_kept", 3, "How many of the newest checkpoints stay.")
    boolean(
        "keep_stage_ends",
        False,
        "Keep the checkpoint that ends each stage as well, to export or compare it later.",
    )
    integer("eval_steps", 0, "Steps between evaluations; each stage ends with one anyway.")
    boolean(
        "lengthen",
        False,
        "Lets a run go on under a plan that gives more steps to its present or later stages only.",
    )
