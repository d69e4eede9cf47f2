"""The process that runs the steps of one stage when asked; `step_time` starts it.

Forward and backward are timed by functions of their own. "forward" asks the function that computes
the gradient for its losses only: what TensorFlow and XLA then drop, as nothing needs it, is the
backward pass.
"""

import contextlib
import functools
import io
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from benchmarks import step_time_pipes, step_time_profile
from benchmarks.step_time_memory import Memory
from mslt_tf import startup
from mslt_tf.config import PretrainingConfig
from mslt_tf.errors import UserError
from mslt_tf.pretraining import (
    losses,
    run_folder,
    run_setup,
    stage_input,
    stage_model,
    train_step,
    worker_setup,
)
from mslt_tf.pretraining.training import StageParts
from mslt_tf.stage_plan import Stage
from mslt_tf.training import optimization


def make_tasks(config: PretrainingConfig, stage: Stage) -> step_time_pipes.Tasks:
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

    def __init__(self, run: run_setup.Run, stage: Stage, memory: Memory):
        """Builds the stage; nothing is traced before it is asked for."""
        parts = _build(run, stage)
        self._train_steps = train_step.make_train_steps(
            run.config,
            strategy=run.strategy,
            model=parts.model,
            optimizer=parts.optimizer,
            global_step=parts.global_step,
            micro_batch_size=run.config.micro_batch_size_in(stage),
        )
        self._from_records = stage_input.training_batches(run, stage, 0)
        batch = run.strategy.experimental_local_results(next(self._from_records))[0]
        self._from_memory = iter(
            run.strategy.distribute_datasets_from_function(
                lambda _: tf.data.Dataset.from_tensors(batch).repeat()
            )
        )
        self._forward, self._gradient = _make_parts_of_step(run, stage, parts, batch)
        self._optimizer_bytes = _num_bytes(parts.optimizer.weights)
        self._memory = memory
        memory.mark_before_first_step()

    def tasks(self) -> step_time_pipes.Tasks:
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
        return float(totals.numpy()[:2].sum()) / num_steps

    def _facts(self, _: int) -> dict[str, Any]:
        return {"optimizer_bytes": self._optimizer_bytes, "memory": self._memory.now()}

    def _losses(self, num_steps: int) -> dict[str, list[float]]:
        return {"losses": [self._train(self._from_memory, 1) for _ in range(num_steps)]}

    def _profile(self, num_steps: int) -> dict[str, Any]:
        operations = step_time_profile.profile(lambda: self._train(self._from_memory, num_steps))
        return {"operations": operations}


def _build(run: run_setup.Run, stage: Stage) -> StageParts:
    """Returns the stage's variables, as at the run's first step."""
    with run.strategy.scope():
        model = stage_model.build(run.config, stage)
        only_first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        global_step = tf.Variable(0, dtype=tf.int64, aggregation=only_first)
        optimizer = optimization.make_optimizer(
            run.config.optimizer,
            global_step=global_step,
            first_step=0,
            variables=model.trainable_variables,
            precision=run.config.precision,
            compiles=train_step.choose_xla(run.config) == "chains",
        )
    return StageParts(model, optimizer, global_step)


def _make_parts_of_step(
    run: run_setup.Run, stage: Stage, parts: StageParts, batch: Any
) -> tuple[Callable[[], tf.Tensor], Callable[[], tf.Tensor]]:
    """Returns functions of the forward pass and of forward and backward, for a batch."""
    config, strategy = run.config, run.strategy
    batch_size = batch["input_ids"].shape[0]
    micro_batch_size = min(config.micro_batch_size_in(stage) or batch_size, batch_size)
    micro_batch = {name: values[:micro_batch_size] for name, values in batch.items()}
    make = functools.partial(
        train_step.make_gradient_function, config, model=parts.model, optimizer=parts.optimizer
    )
    of_micro_batch, of_batch = make(), make(micro_batch_size=micro_batch_size)
    seed = tf.constant([1, 2], tf.int64)
    compiles_step = train_step.choose_xla(config) == "step"

    @tf.function(jit_compile=True if compiles_step else None)
    def losses_only(batch: Any) -> list[tf.Tensor]:
        return of_micro_batch(batch, list(losses.loss_counts(batch)), seed)[:2]

    def losses_and_gradients(batch: Any) -> list[tf.Tensor]:
        return of_batch(batch, list(losses.loss_counts(batch)), seed)

    @tf.function
    def forward(batch: Any) -> list[tf.Tensor]:
        return strategy.run(losses_only, args=(batch,))

    @tf.function
    def gradient(batch: Any) -> list[tf.Tensor]:
        return strategy.run(losses_and_gradients, args=(batch,))

    def forward_of_batch() -> tf.Tensor:
        for _ in range(batch_size // micro_batch_size):
            result = forward(micro_batch)[0]
        return strategy.experimental_local_results(result)[0]

    return forward_of_batch, lambda: strategy.experimental_local_results(gradient(batch)[0])[0]


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
    step_time_pipes.serve(lambda: make_tasks(config, stage))


if __name__ == "__main__":
    main()
