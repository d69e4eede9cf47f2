"""What a run is told about its plan, beside method, model and number of steps."""

import dataclasses

from mslt_tf.flag_fields import flag_field
from mslt_tf.methods import Method, NewLayers, end_on_long_sequences, make_plan
from mslt_tf.model_config import ModelConfig
from mslt_tf.stage_plan import StagePlan


@dataclasses.dataclass(frozen=True)
class PlanSettings:
    """The flags that become a plan; `make` checks them, as most depend on each other."""

    num_stages: int = flag_field(
        4,
        "For --method=mslt: in how many equal parts the layers are added, one in each stage (the "
        "paper's k).",
    )
    joint_fraction: float = flag_field(
        0.2,
        "For --method=mslt: share of all steps that the joint stage at the end gets, in which all "
        "layers train together. 0: no joint stage.",
    )
    stage_steps: tuple[int, ...] = flag_field(
        (),
        "Steps of each stage, e.g. 200000,200000,200000,200000,200000, instead of the method's "
        "own shares. Their sum must be num_train_steps.",
    )
    stage_shares: tuple[float, ...] = flag_field(
        (),
        "Steps of each stage as shares of all steps, e.g. 0.77,0.07,0.05,0.05,0.06, instead of "
        "stage_steps. Their sum must be 1. Steps of the first stage are the cheapest ones, and "
        "what it learns is frozen in the stages after it; but growing stages need some learning "
        "rate, too.",
    )
    new_layers: NewLayers = flag_field(
        "copied",
        "For --method=mslt: what new layers start as. copied: the layers below them, as in the "
        "paper. random: initial weights, to see what the copies are worth.",
    )
    train_batch_size: int = flag_field(
        1024, "Sequences per update, over all devices and accumulated micro-batches."
    )
    max_seq_length: int = flag_field(128, "Tokens per sequence, as in the records.")
    max_predictions_per_seq: int = flag_field(20, "Masked tokens per sequence, as in the records.")
    long_seq_length: int = flag_field(
        0,
        "Tokens per sequence in the last steps, e.g. 512, so that the positions above "
        "max_seq_length are learnt. 0: there are none, and all steps have max_seq_length.",
    )
    long_seq_fraction: float = flag_field(
        0.1, "Share of all steps that run at long_seq_length, at the end of the last stage."
    )
    long_max_predictions_per_seq: int = flag_field(
        80, "Masked tokens per long sequence, as in the records."
    )
    long_train_batch_size: int = flag_field(
        0, "Sequences per update in the long steps. 0: train_batch_size."
    )

    def make(self, method: Method, model: ModelConfig, *, num_train_steps: int) -> StagePlan:
        """Returns the plan of a method for a model.

        Raises:
            UserError: values out of their range, or that fit neither each other nor the model.
        """
        plan = make_plan(
            method,
            num_blocks=model.num_blocks,
            block_unit=model.block_unit,
            num_stages=self.num_stages,
            num_train_steps=num_train_steps,
            joint_fraction=self.joint_fraction,
            seq_length=self.max_seq_length,
            max_predictions_per_seq=self.max_predictions_per_seq,
            batch_size=self.train_batch_size,
            stage_steps=self.stage_steps,
            stage_shares=self.stage_shares,
            new_layers=self.new_layers,
        )
        if not self.long_seq_length:
            return plan
        return end_on_long_sequences(
            plan,
            fraction=self.long_seq_fraction,
            seq_length=self.long_seq_length,
            max_predictions_per_seq=self.long_max_predictions_per_seq,
            batch_size=self.long_train_batch_size or self.train_batch_size,
        )
