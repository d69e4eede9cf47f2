"""What a run says at the end of a stage whose layers the next one freezes: were they ready?

What is frozen stays as it is until the joint stage, and everything above is built on it. Three
signs tell that it came too early, in the losses on held-out records: it has hardly left BERT's
early plateau near the unigram entropy, it ended above the stage before, or it was still falling
fast.
"""

import dataclasses

from mslt_tf.stage_plan import StagePlan, StageSpan

# Shares of the unigram entropy that the loss lay below it, of stages that ended on the plateau: 5,
# 8 and 12 %; nothing was gained on top of them. Of those that had left it: 23 %, and 42 % and more.
# benchmarks/results/2026-11-22_learning.md, docs/results.md.
LEAST_BELOW_ENTROPY = 0.15
# Nats above the end of the stage before. First growing stages ended 0.046 above at most, but for
# 0.11 and 0.50 in two runs, which ended 0.39 and 0.22 higher than mslt_first_60; docs/results.md.
STEEP_RISE = 0.05
# Nats in the last tenth. On a first stage of half the cost or more, a growing one brought 0.07.
STEEP_FALL = 0.05
SHORTEST_STAGE = 100  # steps; a tenth of fewer says nothing


@dataclasses.dataclass(frozen=True)
class FrozenStage:
    """Where a stage ended that is going to be frozen; losses in nats per masked token."""

    span: StageSpan
    masked_lm_loss: float  # held out, as the unigram entropy
    unigram_entropy: float
    loss_before_last_tenth: float | None = None  # None: not known, as of a short stage
    loss_of_stage_before: float | None = None  # at its end; None: not known, as of the first stage

    @property
    def fall_in_last_tenth(self) -> float | None:
        """By how much the loss fell in the stage's last tenth."""
        if self.loss_before_last_tenth is None:
            return None
        return self.loss_before_last_tenth - self.masked_lm_loss

    @property
    def rise(self) -> float | None:
        """By how much the loss lies above that of the stage before."""
        if self.loss_of_stage_before is None:
            return None
        return self.masked_lm_loss - self.loss_of_stage_before

    @property
    def below_entropy(self) -> float:
        """By how much the loss lies below the unigram entropy."""
        return self.unigram_entropy - self.masked_lm_loss

    @property
    def values(self) -> dict[str, float]:
        """What of it goes into the metrics."""
        found = {
            "below_unigram_entropy": self.below_entropy,
            "fall_in_last_tenth": self.fall_in_last_tenth,
            "above_stage_before": self.rise,
        }
        return {name: value for name, value in found.items() if value is not None}

    def lines(self) -> list[str]:
        """Returns what to say: where the stage ended, and a note if that was too early."""
        return [self._summary(), *self._notes()]

    def _summary(self) -> str:
        fall = self.fall_in_last_tenth
        text = (
            f"{self.span.stage.name} is frozen from here on. Its held-out loss lies "
            f"{self.below_entropy:.3f} nats below the unigram entropy"
        )
        if fall is None:
            return f"{text}."
        change = "rose" if fall < 0 else "fell"
        return f"{text}, and {change} by {abs(fall):.3f} in its last tenth."

    def _notes(self) -> list[str]:
        fall, rise = self.fall_in_last_tenth or 0.0, self.rise or 0.0
        if self.below_entropy < LEAST_BELOW_ENTROPY * self.unigram_entropy:
            reason = (
                "has hardly left BERT's early plateau, where a model knows little more than which "
                "tokens are frequent; later stages cannot build on that"
            )
        elif rise > STEEP_RISE:
            reason = (
                f"ended {rise:.3f} nats above the stage before it: its new layers had too few "
                "steps, or too low a learning rate, to make up for their start"
            )
        elif fall > STEEP_FALL:
            reason = "was still falling fast, and more steps here are the cheapest ones of a run"
        else:
            return []
        return [f"note: {self.span.stage.name} {reason}. {self._way_back()}"]

    def _way_back(self) -> str:
        return (
            "To give it more steps, stop, remove the checkpoints above step "
            f"{self.span.end:,}, and start with --lengthen and greater --num_train_steps and "
            "--stage_steps; or begin anew with --stage_steps or --stage_shares that give it more."
        )


def is_frozen_next(plan: StagePlan, span: StageSpan) -> bool:
    """Returns whether the stage after this one freezes what this one trained."""
    after = plan.after(span)
    return after is not None and after.stage.num_frozen_blocks > 0


def last_tenth_begin(plan: StagePlan, span: StageSpan) -> int | None:
    """Returns the step whose loss the one at the end is compared with; None where none is."""
    if span.stage.num_steps < SHORTEST_STAGE or not is_frozen_next(plan, span):
        return None
    return span.end - span.stage.num_steps // 10
