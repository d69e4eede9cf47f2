"""The process that runs the steps of one stage when asked; `step_time` starts it.

Forward and backward are timed by functions of their own. "forward" asks the function that computes
the gradient for its losses only: what TensorFlow and XLA then drop, as nothing needs it, is the
backward pass.
"""

import contextlib
import io
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from benchmarks.step_time import pipes, profile
from benchmarks.step_time.memory import Memory
from mslt_tf import startup
from mslt_tf.config import PretrainingConfig
from mslt_tf.errors import UserError
from mslt_tf.pretraining import (
    losses,
    run_folder,
    run_setup,
    stage_input,
    train_step,
    worker_setup,
)
from mslt_tf.pretraining.run import Run
from mslt_tf.pretraining.stage_parts import StageParts
from mslt_tf.stage_plan import Stage, StageSpan


def make_tasks(config: PretrainingConfig, stage: Stage) -> pipes.Tasks:
    """Builds the stage and returns what it can be asked for."""
    memory = Memory()
    workers = worker_setup.start_workers(config)
    _check_one_device(workers.strategy)
    with (
        contextlib.redirect_stdout(io.StringIO()),  # what a run says before it starts
        run_folder.claimed(config, workers, writes=False),
    ):
        run = run_setup.open_run(config, workers)
    return Steps(run, stage, memory).tasks()


class Steps:
    """A stage's compiled functions and what they are fed."""

    def __init__(self, run: Run, stage: Stage, memory: Memory):
        """Builds the stage; nothing is traced before it is asked for."""
        span = _span_of(run, stage)
        with run.strategy.scope():
            parts = StageParts.build(run.config, span, run.xla)
        micro_batch_size = run.config.micro_batch_size_in(span, num_replicas=1)
        self._train_steps = train_step.make_train_steps(
            run.config,
            strategy=run.strategy,
            model=parts.model,
            optimizer=parts.optimizer,
            global_step=parts.global_step,
            micro_batch_size=micro_batch_size,
            xla=run.xla,
        )
        self._from_records = stage_input.training_batches(run, stage, 0)
        batch = run.strategy.experimental_local_results(next(self._from_records))[0]
        self._from_memory = iter(
            run.strategy.distribute_datasets_from_function(
                lambda _: tf.data.Dataset.from_tensors(batch).repeat()
            )
        )
        self._forward, self._gradient = _make_parts_of_step(run, parts, batch, micro_batch_size)
        self._optimizer_bytes = _num_bytes(parts.optimizer.weights)
        self._memory = memory
        memory.mark_before_first_step()

    def tasks(self) -> pipes.Tasks:
        """Returns what can be asked for.

        "step" is fed by the real input pipeline, "step_from_memory" by one batch over and over.
        """
        return {
            "step": _timed(lambda n: self._train(self._from_records, n)),
            "step_from_memory": _timed(lambda n: self._train(self._from_memory, n)),
            "forward": _timed(lambda n: _repeat(self._forward, n)),
            "gradient": _timed(lambda n: _repeat(self._gradient, n)),
            "facts": self._facts,
            "losses": self._losses,
            "profile": self._profile,
        }

    def _train(self, batches: Any, num_steps: int) -> float:
        """Returns the mean loss."""
        totals, _ = self._train_steps(batches, tf.constant(num_steps, tf.int64))
        return float(totals.masked_lm_loss + totals.sentence_pair_loss) / num_steps

    def _facts(self, _: int) -> dict[str, Any]:
        return {"optimizer_bytes": self._optimizer_bytes, "memory": self._memory.now()}

    def _losses(self, num_steps: int) -> dict[str, list[float]]:
        return {"losses": [self._train(self._from_memory, 1) for _ in range(num_steps)]}

    def _profile(self, num_steps: int) -> dict[str, Any]:
        operations = profile.profile(lambda: self._train(self._from_memory, num_steps))
        return {"operations": operations}


def _span_of(run: Run, stage: Stage) -> StageSpan:
    """Returns a stage as if the run began with it; one that is not in the plan goes by its last."""
    same = [span.index for span in run.plan.spans if span.stage == stage]
    index = same[0] if same else len(run.plan.stages) - 1
    return StageSpan(index, stage, 0, stage.num_steps, optimizer_start=0, keeps_optimizer=False)


def _make_parts_of_step(
    run: Run, parts: StageParts, batch: Any, micro_batch_size: int
) -> tuple[Callable[[], tf.Tensor], Callable[[], tf.Tensor]]:
    """Returns functions of the forward pass and of forward and backward, for a batch."""
    strategy, batch_size = run.strategy, batch["input_ids"].shape[0]
    micro_batch = {name: values[:micro_batch_size] for name, values in batch.items()}
    compute_shares = train_step.make_gradient_function(
        parts.model, parts.optimizer, micro_batch_size=micro_batch_size, xla=run.xla
    )
    seed = tf.constant([1, 2], tf.int64)

    def shares(batch: Any) -> train_step.Shares:
        return compute_shares(batch, losses.loss_counts(batch), seed)

    # Of what the results do not need nothing is left: the backward pass.
    @tf.function(jit_compile=True if run.xla == "step" else None)
    def losses_only(batch: Any) -> losses.Losses:
        return shares(batch).losses

    @tf.function
    def forward(batch: Any) -> losses.Losses:
        return strategy.run(losses_only, args=(batch,))

    @tf.function
    def gradient(batch: Any) -> train_step.Shares:
        return strategy.run(shares, args=(batch,))

    def forward_of_batch() -> tf.Tensor:
        for _ in range(batch_size // micro_batch_size):
            result = forward(micro_batch).masked_lm
        return strategy.experimental_local_results(result)[0]

    def gradient_of_batch() -> tf.Tensor:
        return strategy.experimental_local_results(gradient(batch).losses.masked_lm)[0]

    return forward_of_batch, gradient_of_batch


def _repeat(function: Callable[[], tf.Tensor], times: int) -> None:
    for _ in range(times):
        result = function()
    result.numpy()  # waits for the device


def _timed(task: Callable[[int], object]) -> Callable[[int], dict[str, float]]:
    def run(num_steps: int) -> dict[str, float]:
        start = time.perf_counter()
        task(num_steps)
        return {"seconds": time.perf_counter() - start}

    return run


def _num_bytes(variables: list[tf.Variable]) -> int:
    return sum(v.shape.num_elements() * v.dtype.size for v in variables)


def _check_one_device(strategy: tf.distribute.Strategy) -> None:
    if strategy.num_replicas_in_sync > 1:
        raise UserError(
            f"the step would run on {strategy.num_replicas_in_sync} devices, it is measured on "
            "one. Set --distribution_strategy=one_device."
        )


def main() -> None:
    """Serves the stage that the file named on the command line holds, with its settings."""
    startup.prepare_tensorflow()
    config, stage = pickle.loads(Path(sys.argv[1]).read_bytes())
    pipes.serve(lambda: make_tasks(config, stage))


if __name__ == "__main__":
    main()
