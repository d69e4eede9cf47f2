"""The process that runs the steps of one stage when asked; `step_time` starts it.

Forward and backward are timed by functions of their own. "forward" asks the function that computes
the gradient for its losses only: what TensorFlow and XLA then drop, as nothing needs it, is the
backward pass.
"""

import contextlib
import dataclasses
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
    optimization,
    run_setup,
    stage_input,
    stage_model,
    train_step,
    worker_setup,
)
from mslt_tf.pretraining.training import StageParts
from mslt_tf.stage_plan import Stage


def make_tasks(config: PretrainingConfig, stage: Stage) -> step_time_pipes.Tasks:
    """Builds the stage and returns what it can be asked for.

    "step" is fed by the real input pipeline, "step_from_memory" by one batch over and over.
    """
    memory = Memory()
    workers = worker_setup.start_workers(config)
    _check_one_device(workers.strategy)
    with contextlib.redirect_stdout(io.StringIO()):  # what a run says before it starts
        run = run_setup.open_run(config, workers)
    parts = _build(run, stage)
    steps = train_step.make_train_steps(
        config,
        strategy=run.strategy,
        model=parts.model,
        optimizer=parts.optimizer,
        global_step=parts.global_step,
    )
    from_records = stage_input.training_batches(run, stage, 0)
    batch = run.strategy.experimental_local_results(next(from_records))[0]
    from_memory = iter(
        run.strategy.distribute_datasets_from_function(
            lambda _: tf.data.Dataset.from_tensors(batch).repeat()
        )
    )
    forward, gradient = _make_parts_of_step(config, run.strategy, parts, batch)
    memory.mark_before_first_step()

    def train(batches: Any, num_steps: int) -> None:
        steps(batches, tf.constant(num_steps, tf.int64))[0].numpy()

    tasks = {
        "step": lambda n: train(from_records, n),
        "step_from_memory": lambda n: train(from_memory, n),
        "forward": lambda n: _repeat(forward, n),
        "gradient": lambda n: _repeat(gradient, n),
    }

    def losses_of(num_steps: int) -> list[float]:
        one = tf.constant(1, tf.int64)
        return [float(steps(from_memory, one)[0][:2].numpy().sum()) for _ in range(num_steps)]

    facts = {"optimizer_bytes": _num_bytes(parts.optimizer.weights)}
    return {name: _timed(task) for name, task in tasks.items()} | {
        "facts": lambda _: {**facts, "memory": memory.now()},
        "losses": lambda n: {"losses": losses_of(n)},
        "profile": lambda n: {
            "operations": step_time_profile.profile(lambda: train(from_memory, n))
        },
    }


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
        )
    return StageParts(model, optimizer, global_step)


def _make_parts_of_step(
    config: PretrainingConfig, strategy: tf.distribute.Strategy, parts: StageParts, batch: Any
) -> tuple[Callable[[], tf.Tensor], Callable[[], tf.Tensor]]:
    """Returns functions of the forward pass and of forward and backward, for a batch."""
    batch_size = batch["input_ids"].shape[0]
    micro_batch_size = min(config.micro_batch_size or batch_size, batch_size)
    micro_batch = {name: values[:micro_batch_size] for name, values in batch.items()}
    whole = dataclasses.replace(config, micro_batch_size=0)
    model, optimizer = parts.model, parts.optimizer
    of_micro_batch = train_step.make_gradient_function(whole, model=model, optimizer=optimizer)
    of_batch = train_step.make_gradient_function(config, model=model, optimizer=optimizer)
    seed = tf.constant([1, 2], tf.int64)
    xla = bool(tf.config.list_physical_devices("GPU"))  # as the step

    @tf.function(jit_compile=xla or None)
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


def _timed(task: Callable[[int], None]) -> Callable[[int], dict[str, float]]:
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
    startup.silence_tensorflow()
    config, stage = pickle.loads(Path(sys.argv[1]).read_bytes())
    step_time_pipes.serve(lambda: make_tasks(config, stage))


if __name__ == "__main__":
    main()
