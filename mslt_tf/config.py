"""The settings of a pretraining run as frozen dataclasses that check themselves.

`pretraining_flags.py` reads them from the command line.
"""

import dataclasses
import json
from typing import Annotated, Any, Literal

from mslt_tf.bounds import Bounds, NonNegativeInt, PositiveInt, check_numbers
from mslt_tf.errors import UserError
from mslt_tf.methods import Method
from mslt_tf.model_config import ModelConfig
from mslt_tf.stage_plan import Stage, StagePlan

Precision = Literal["float32", "bfloat16", "float16"]
TrunkPrecision = Literal["same", "float32", "bfloat16", "float16"]
DistributionStrategy = Literal["one_device", "mirrored", "multi_worker_mirrored", "tpu"]
Xla = Literal["auto", "step", "chains", "off"]
DynamicMasking = Literal["off", "token", "whole_word"]

_PeerTimeout = Annotated[
    float, Bounds(above=0, at_most=30 * 24 * 3_600, hint="It counts seconds, of a month at most.")
]


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """LAMB and its learning-rate schedule; see `mslt_tf.training.optimization`."""

    learning_rate: Annotated[float, Bounds(above=0, at_most=1e38)]  # peak, at the end of warm-up
    num_warmup_steps: NonNegativeInt
    num_train_steps: PositiveInt  # the decay ends here, at 0
    stage_warmup_steps: NonNegativeInt = 0  # after each fresh optimizer but the first
    weight_decay_rate: Annotated[float, Bounds(at_least=0, at_most=1)] = 0.01

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
    method: Method
    output_dir: str
    train_records: tuple[str, ...]  # globs
    eval_records: tuple[str, ...]  # globs; empty: no evaluation
    long_train_records: tuple[str, ...]  # globs; for the plan's long stage, if it has one
    long_eval_records: tuple[str, ...]  # globs; empty: the long stage takes eval_records
    vocab_file: str
    do_lower_case: bool
    dynamic_masking: DynamicMasking
    init_checkpoint: str
    precision: Precision
    trunk_precision: TrunkPrecision  # of frozen blocks; "same": as the others
    distribution_strategy: DistributionStrategy
    tpu: str  # name or address; for the strategy of that name
    peer_timeout: _PeerTimeout  # seconds to wait for the other workers at the start
    xla: Xla  # what it compiles
    gradient_transport: Precision  # of gradients on their way between devices
    trunk_dropout: bool
    # Of all stages or each: sequences per forward pass.
    micro_batch_size: Annotated[tuple[int, ...], Bounds(at_least=0, hint="0: all at once.")]
    eval_batch_size: PositiveInt
    seed: Annotated[int, Bounds(at_least=0, at_most=2**31 - 1)]
    log_steps: PositiveInt
    checkpoint_steps: PositiveInt
    num_checkpoints_kept: PositiveInt
    keep_stage_ends: bool  # beside these, the checkpoint that ends each stage
    eval_steps: Annotated[int, Bounds(at_least=0, hint="0: only at the end of each stage.")]
    lengthen: bool

    def __post_init__(self) -> None:
        check_numbers(self)
        self._check_lengths()
        if len(self.micro_batch_size) not in (1, len(self.plan.stages)):
            raise UserError(
                f"micro_batch_size has {len(self.micro_batch_size)} numbers, the plan has "
                f"{len(self.plan.stages)} stages. Give one number for all stages, or one for each."
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

    def micro_batch_size_in(self, stage: Stage) -> int:
        """Returns how many sequences a replica sends through at once in a stage; 0: all."""
        sizes = self.micro_batch_size
        return sizes[0] if len(sizes) == 1 else sizes[self.plan.stages.index(stage)]

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
