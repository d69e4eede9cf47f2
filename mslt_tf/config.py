"""The settings of a pretraining run as frozen dataclasses that check themselves.

A field with a text is a flag of the same name; `pretraining_flags.py` reads them.
"""

import dataclasses
import json
from typing import Annotated, Any, Literal

from mslt_tf.bounds import Bounds, NonNegativeInt, PositiveInt, check_numbers
from mslt_tf.errors import UserError
from mslt_tf.flag_fields import flag_field
from mslt_tf.methods import Method
from mslt_tf.model_config import ModelConfig
from mslt_tf.path_flags import FilePath, FilePaths
from mslt_tf.stage_plan import StagePlan, StageSpan
from mslt_tf.text_case import STRIP_ACCENTS, TextCase

Precision = Literal["float32", "bfloat16", "float16"]
TrunkPrecision = Literal["same", "float32", "bfloat16", "float16"]
DistributionStrategy = Literal["one_device", "mirrored", "multi_worker_mirrored", "tpu"]
Xla = Literal["auto", "step", "chains", "off"]
DynamicMasking = Literal["off", "token", "whole_word"]

_PeerTimeout = Annotated[
    float, Bounds(above=0, at_most=30 * 24 * 3_600, hint="It counts seconds, of a month at most.")
]
_MicroBatchSize = Annotated[tuple[int, ...], Bounds(at_least=0, hint="0: all at once.")]
_EvalSteps = Annotated[int, Bounds(at_least=0, hint="0: only at the end of each stage.")]
_Seed = Annotated[int, Bounds(at_least=0, at_most=2**31 - 1)]


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """LAMB and its learning-rate schedule; see `mslt_tf.training.optimization`."""

    learning_rate: Annotated[float, Bounds(above=0, at_most=1e38)] = flag_field(
        0.00088,
        "Peak learning rate of LAMB: it rises through the warm-up, then falls to 0 at the last "
        "step.",
    )
    num_warmup_steps: NonNegativeInt = flag_field(10_000, "Steps of warm-up, once per run.")
    num_train_steps: PositiveInt = flag_field(1_000_000, "Updates of the whole run, all stages.")
    stage_warmup_steps: NonNegativeInt = flag_field(
        0, "Steps of another warm-up where a later stage's optimizer starts afresh."
    )
    weight_decay_rate: Annotated[float, Bounds(at_least=0, at_most=1)] = flag_field(
        0.01, "Weight decay of all weights but those of LayerNorm and biases."
    )

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.num_warmup_steps >= self.num_train_steps:
            raise UserError(
                f"num_warmup_steps is {self.num_warmup_steps} of {self.num_train_steps} steps. "
                "Use 0 or more, below num_train_steps."
            )


@dataclasses.dataclass(frozen=True)
class PretrainingConfig:
    """Everything one pretraining run is told."""

    model: ModelConfig
    plan: StagePlan
    optimizer: OptimizerConfig
    method: Method = flag_field(
        "mslt",
        "mslt: multi-stage layerwise training. stacking: progressive stacking, where nothing is "
        "ever frozen. original: the whole model from scratch, in one stage.",
    )
    output_dir: FilePath = flag_field(
        "",
        "The run's folder: plan, settings, metrics, TensorBoard events, checkpoints, export. A "
        "run that was interrupted goes on from its newest checkpoint.",
    )
    train_records: FilePaths = flag_field(
        (),
        "TFRecord files to train on: paths or globs, separated by commas. create_data makes them; "
        "those of BERT's create_pretraining_data.py and of NVIDIA's and Model Garden's scripts "
        "are read too.",
    )
    eval_records: FilePaths = flag_field(
        (), "TFRecord files to evaluate on, kept out of training. Empty: no evaluation."
    )
    long_train_records: FilePaths = flag_field(
        (), "TFRecord files to train on in the last steps, made with long_seq_length."
    )
    long_eval_records: FilePaths = flag_field(
        (),
        "TFRecord files to evaluate on in the last steps, made with long_seq_length. Empty: "
        "these steps are evaluated on eval_records.",
    )
    vocab_file: FilePath = flag_field(
        "",
        "The WordPiece vocabulary that the records were made with. It is checked against the "
        "records and packed into the export. Empty: neither is done.",
    )
    do_lower_case: bool = flag_field(
        True, "Whether the vocabulary is uncased; as create_data was told."
    )
    strip_accents: bool | None = flag_field(None, STRIP_ACCENTS)
    dynamic_masking: DynamicMasking = flag_field(
        "off",
        "off: train on the masks that the records hold. token: draw other masks in every epoch, "
        "as RoBERTa does. whole_word: the same, but mask all pieces of a word or none. The last "
        "two need vocab_file. Evaluation always keeps the records' masks, so that its losses stay "
        "comparable.",
    )
    init_checkpoint: FilePath = flag_field(
        "",
        "Model whose weights the first stage starts from: another run's (RUN, RUN@STEP or "
        "RUN/checkpoints/step-N), an export, a Hugging Face folder with safetensors, or a "
        "checkpoint of Google's BERT or ALBERT code. Empty: random weights.",
    )
    precision: Precision = flag_field(
        "float32",
        "Type of the activations. bfloat16 is for recent GPUs, TPUs and CPUs with AVX512_BF16; "
        "float16, with loss scaling, is for older GPUs. Weights, logits and losses are always "
        "float32. Recent GPUs multiply float32 matrices as TF32.",
    )
    trunk_precision: TrunkPrecision = flag_field(
        "same",
        "Type of the activations in frozen layers. same: that of --precision. bfloat16 with "
        "--precision=float32 is faster on CPUs with AVX512_BF16, but gives rounded inputs to the "
        "layers that train.",
    )
    distribution_strategy: DistributionStrategy = flag_field(
        "mirrored",
        "mirrored: all GPUs of this machine, or its CPU. one_device: the first only. "
        "multi_worker_mirrored: all GPUs of all machines, with one process on each machine; "
        "TF_CONFIG or Slurm's environment names the machines. tpu: all cores of --tpu.",
    )
    tpu: str = flag_field(
        "",
        "For --distribution_strategy=tpu: must be local, which is the TPU of the virtual machine "
        "that the program runs on.",
    )
    peer_timeout: _PeerTimeout = flag_field(
        300.0, "Seconds to wait for the other workers at the start."
    )
    xla: Xla = flag_field(
        "auto",
        "What XLA compiles. step: the forward and backward pass as a whole, and the update. "
        "chains: only chains of element-wise operations. off: nothing. auto: step on GPUs, "
        "chains on CPUs, off on TPUs, which have compilers of their own.",
    )
    gradient_transport: Precision = flag_field(
        "float32",
        "Type of the gradients that devices send each other. bfloat16 and float16 halve the "
        "bytes and round each partial sum; float16 also loses what is below 6e-8. Several GPUs "
        "cannot add up bfloat16.",
    )
    trunk_dropout: bool = flag_field(
        True, "Whether frozen layers apply dropout, as in the paper. They are faster without."
    )
    micro_batch_size: _MicroBatchSize = flag_field(
        (0,),
        "Sequences per device and forward pass; the gradients of the passes are summed. 0: all at "
        "once. Give one number, or one for each stage, e.g. 128,256,256,256,64: stages that train "
        "few layers need less memory.",
    )
    trim_padding: bool = flag_field(
        True,
        "Where sequences longer than 128 tokens go through in several micro-batches: sort those of "
        "an update by length and leave out padding that a whole micro-batch ends in. Losses and "
        "gradients stay the same but for rounding and dropout; at 512 tokens of Wikipedia this "
        "saves by arithmetic a tenth with four micro-batches and a sixth with many. Does nothing "
        "with one micro-batch, and on TPUs.",
    )
    eval_batch_size: PositiveInt = flag_field(32, "Sequences per device and evaluation batch.")
    seed: _Seed = flag_field(12_345, "Seed of initial weights, data order and dropout.")
    log_steps: PositiveInt = flag_field(
        100, "Steps between entries in metrics.jsonl. There is one with each checkpoint, too."
    )
    checkpoint_steps: PositiveInt = flag_field(
        5_000,
        "Steps between checkpoints. The end of a stage, SIGTERM and Ctrl-C save one as well.",
    )
    num_checkpoints_kept: PositiveInt = flag_field(
        3, "How many of the newest checkpoints are kept."
    )
    keep_stage_ends: bool = flag_field(
        False, "Keep the checkpoint that ends each stage as well, to export or compare it later."
    )
    eval_steps: _EvalSteps = flag_field(
        0, "Steps between evaluations, beside the one at the end of each stage. 0: only that one."
    )
    lengthen: bool = flag_field(
        False,
        "Let a run go on under a plan that differs in one thing: more steps in the stage of its "
        "newest checkpoint, or in later ones.",
    )

    def __post_init__(self) -> None:
        check_numbers(self)
        self._check_lengths()
        if len(self.micro_batch_size) not in (1, len(self.plan.stages)):
            raise UserError(
                "micro_batch_size needs one number, or one for each stage of the plan "
                f"({len(self.plan.stages)}), and has {len(self.micro_batch_size)}. "
                "Give one for all stages, or one for each."
            )
        if self.dynamic_masking != "off" and not self.vocab_file:
            raise UserError(
                f"--dynamic_masking={self.dynamic_masking} needs --vocab_file, to know special "
                "tokens and random words. Give the vocabulary that the records were made with."
            )

    def _check_lengths(self) -> None:
        for stage in self.plan.stages:
            if stage.seq_length > self.model.max_position_embeddings:
                raise UserError(
                    f"stage {stage.name} has sequences of {stage.seq_length} tokens, the model "
                    f"has {self.model.max_position_embeddings} positions. Use shorter ones or "
                    "raise --max_position_embeddings."
                )
            if stage.max_predictions_per_seq > stage.seq_length:
                raise UserError(
                    f"stage {stage.name} has {stage.max_predictions_per_seq} predictions in "
                    f"sequences of {stage.seq_length} tokens. Set --max_predictions_per_seq, or "
                    "--long_max_predictions_per_seq, to the value of the records."
                )

    @property
    def short_seq_length(self) -> int:
        """The length of `train_records`; a greater one is the long stage's."""
        return min(stage.seq_length for stage in self.plan.stages)

    def micro_batch_size_in(self, span: StageSpan, *, num_replicas: int) -> int:
        """Returns how many sequences a replica sends through at once in a stage."""
        share = span.stage.batch_size // num_replicas
        sizes = self.micro_batch_size
        size = sizes[0] if len(sizes) == 1 else sizes[span.index]
        return min(size, share) if size else share

    @property
    def text_case(self) -> TextCase:
        """What was done to the letters of the records' text."""
        return TextCase.of(self.do_lower_case, self.strip_accents)

    def to_json(self) -> str:
        """Returns the settings as text for the run's folder."""
        return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True) + "\n"

    def identity(self) -> dict[str, Any]:
        """Returns what must be equal for a run to go on: stages, model and seed.

        And whether the loss is scaled, as that is state. Not in it: world size, accumulation,
        learning rate, logging, paths. Objective and data are compared beside it.
        """
        is_dynamic = self.dynamic_masking != "off"
        return {
            "stages": [dataclasses.asdict(stage) for stage in self.plan.stages],
            "model": dataclasses.asdict(self.model),
            "scales_loss": self.precision == "float16",
            "seed": self.seed,
            # None is equal to its absence, in checkpoints from before there was a choice.
            "dynamic_masking": self.dynamic_masking if is_dynamic else None,
        }
