"""What one stage says: what it is, its progress and sums, the time that is left."""

from collections.abc import Iterator

import tensorflow as tf

from mslt_tf import cost_model
from mslt_tf.config import PretrainingConfig
from mslt_tf.distribution import gradient_sums
from mslt_tf.pretraining.run import Run
from mslt_tf.pretraining.train_step import StepMetrics, TrainSteps
from mslt_tf.stage_plan import Stage, StageSpan
from mslt_tf.terminal import format_duration
from mslt_tf.training import metrics_log, optimization
from mslt_tf.training.run_log import RunLog


class StageMeter:
    """Takes the sums of each call of compiled steps; logs them where an interval ends."""

    def __init__(self, config: PretrainingConfig, span: StageSpan, log: RunLog):
        self._config, self._span, self._stage, self._log = config, span, span.stage, log
        self._has_compiled = False
        self.seconds_per_step = 0.0  # of the latest call; the first compiled, so a step takes less
        self._begin_interval()

    def add(self, step: int, num_steps: int, totals: StepMetrics, seconds: float) -> None:
        """Takes one call.

        Args:
            step: the global step after it.
            num_steps: steps it did.
            totals: summed over these steps, as numbers.
            seconds: wall-clock it took. The first call compiles: it counts as time spent, but not
                for the speed.
        """
        self._totals = self._totals.add(totals)
        self._num_steps += num_steps
        self._seconds += seconds
        self.seconds_per_step = seconds / num_steps
        if self._has_compiled:
            self._timed_steps += num_steps
            self._timed_seconds += seconds
        self._has_compiled = True
        self._show(step)
        # Also with a checkpoint: a run that goes on from there has lost what came before.
        intervals = (self._config.log_steps, self._config.checkpoint_steps)
        if step == self._span.end or any(step % interval == 0 for interval in intervals):
            self.flush(step)

    def flush(self, step: int) -> None:
        """Logs what came since the last interval, if anything."""
        if self._num_steps:
            kind, name = metrics_log.TRAINING, self._stage.name
            self._log.metrics(kind, stage=name, step=step, values=self._values(step))
            self._begin_interval()

    def _begin_interval(self) -> None:
        self._totals = StepMetrics(0.0, 0.0, 0.0, 0.0)
        self._num_steps, self._seconds = 0, 0.0
        self._timed_steps, self._timed_seconds = 0, 0.0

    def _values(self, step: int) -> dict[str, float]:
        rate = optimization.learning_rate(  # of the update that made this step
            tf.constant(step - 1),
            self._config.optimizer,
            optimizer_start=self._span.optimizer_start,
        )
        values = {
            **_means(self._totals, self._num_steps),
            "learning_rate": float(rate),
            "seconds": self._seconds,
        }
        if self._timed_steps:
            values["sequences_per_second"] = self._sequences_per_second()
        return values

    def _sequences_per_second(self) -> float:
        return self._timed_steps * self._stage.batch_size / self._timed_seconds

    def _show(self, step: int) -> None:
        loss = self._totals.masked_lm_loss / self._num_steps
        text = f"{self._stage.name}  step {step:,} of {self._config.plan.num_steps:,}  "
        text += f"loss {loss:.3f}"
        if self._timed_steps:
            text += f"  {self._sequences_per_second():,.0f} sequences/s"
            text += f"  ETA {format_duration(self._seconds_left(step))}"
        self._log.progress(text)

    def _seconds_left(self, step: int) -> float:
        """Returns the time that is left, later stages reckoned by their FLOPs."""
        plan = self._config.plan
        flops = [
            stage.batch_size * cost_model.stage_cost(self._config.model, stage).flops
            for stage in plan.stages
        ]
        steps_left = [min(span.stage.num_steps, max(0, span.end - step)) for span in plan.spans]
        flops_left = sum(f * n for f, n in zip(flops, steps_left, strict=True))
        return self.seconds_per_step * flops_left / flops[self._span.index]


def _means(totals: StepMetrics, num_steps: int) -> dict[str, float]:
    """Returns the averages over steps; the number of skipped updates stays a number."""
    sums = totals._asdict()
    skipped = sums.pop("skipped_updates")
    norm = sums.pop("gradient_norm") / max(num_steps - skipped, 1.0)
    means = {name: value / num_steps for name, value in sums.items()}
    return {**means, "gradient_norm": norm, "skipped_updates": skipped}


def announce(run: Run, span: StageSpan, step: int) -> None:
    """Says what the stage is, and where in it the run stands."""
    stage = span.stage
    cost = cost_model.stage_cost(run.config.model, stage)
    verb = "goes on" if step > span.first_step else "begins"
    run.log.line(
        f"{stage.name} {verb} at step {step:,}: {stage.num_blocks} "
        f"{run.plan.block_unit} of {stage.seq_length} tokens, "
        f"{cost.num_trainable_parameters / 1e6:.3f}M trainable parameters"
    )


def announce_communication(
    run: Run, stage: Stage, step: int, train_steps: TrainSteps, batches: Iterator
) -> None:
    """Says what the compiled step's collectives carry."""
    if run.strategy.num_replicas_in_sync == 1:
        return
    traced = train_steps.get_concrete_function(batches, tf.constant(1, tf.int64))
    found = gradient_sums.measure(traced, num_local_replicas=run.workers.num_local_replicas)
    run.log.line(
        f"{stage.name}: each update sums {found.num_bytes / 1e6:,.3f} MB per device over "
        f"{run.strategy.num_replicas_in_sync} devices, in {found.num_collectives} collectives"
    )
    values = {"bytes_per_update": found.num_bytes, "collectives": found.num_collectives}
    run.log.metrics("communication", stage=stage.name, step=step, values=values)
