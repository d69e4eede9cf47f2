"""All that can be checked, and must be there, before the first step of a run."""

import contextlib
from collections.abc import Iterator

from mslt_tf.config import PretrainingConfig
from mslt_tf.conversion import starting_weights
from mslt_tf.distribution import gradient_sums
from mslt_tf.distribution.workers import Workers
from mslt_tf.errors import UserError
from mslt_tf.files import folder_lock
from mslt_tf.modeling.weights import Weights
from mslt_tf.pretraining import (
    run_folder,
    run_record,
    same_run,
    stage_model,
    start_report,
    train_step,
    worker_setup,
)
from mslt_tf.pretraining.run import Run
from mslt_tf.records import record_sets
from mslt_tf.records.record_sets import RecordSets
from mslt_tf.terminal import say
from mslt_tf.training import checkpointing, waiting
from mslt_tf.training.run_log import RunLog


def open_run(
    config: PretrainingConfig,
    workers: Workers,
    *,
    lock: folder_lock.Lock | None = None,
    writes: bool = True,
) -> Run:
    """Checks devices, data and checkpoint, and returns a run that is ready to train.

    Args:
        config: of the run, whose folder is `run_folder.claimed`.
        workers: from `start_workers`; all must call it.
        lock: of the folder, if it is held.
        writes: False leaves no file in the run's folder, and the run cannot log.

    Raises:
        UserError: what is not as it must be.
    """
    num_replicas = workers.strategy.num_replicas_in_sync
    _check_batches(config, num_replicas)
    gradient_sums.check_transport(config.gradient_transport, num_replicas=num_replicas)
    with _chief_first(workers):  # it keeps what it learns of foreign files for the others
        records = record_sets.open_record_sets(
            config, report=say, keeps_facts=writes and workers.is_chief
        )
    worker_setup.check_same(workers, records.facts())
    identity = {**config.identity(), **records.identity()}
    checkpoint = run_folder.newest_checkpoint(config, workers)
    notes: list[str] = []
    if checkpoint:
        notes = same_run.check(
            checkpoint, identity, lengthen=config.lengthen, output_dir=config.output_dir
        )
    if workers.is_chief:
        run_folder.check_start(config, checkpoint, writes=writes)
    initial_weights = _initial_weights(config, workers, records, checkpoint)
    step = checkpoint.step if checkpoint else 0
    if workers.is_chief and writes:
        run_record.write(config, step=step)
    run = Run(
        config=config,
        workers=workers,
        records=records,
        identity=identity,
        checkpoint=checkpoint,
        initial_weights=initial_weights,
        log=RunLog(
            config.output_dir, resumed_at=step, writes=writes and workers.is_chief, lock=lock
        ),
        xla=train_step.choose_xla(config),
        lock=lock,
    )
    if workers.is_chief:
        start_report.report(run)
        for note in notes:
            say(note)
    return run


@contextlib.contextmanager
def _chief_first(workers: Workers) -> Iterator[None]:
    """Lets the other workers in when the chief is through; they tell that they wait."""
    if not workers.is_chief:
        chief = f"{workers.names_of([0])}, which looks at the record files first"
        with waiting.telling(chief, report=say):
            workers.gather([0.0])
    yield
    if workers.is_chief:
        workers.gather([0.0])


def _check_batches(config: PretrainingConfig, num_replicas: int) -> None:
    for span in config.plan.spans:
        stage = span.stage
        if stage.batch_size % num_replicas:
            raise UserError(
                f"the batch of {stage.batch_size} sequences in stage {stage.name} cannot be split "
                f"over {num_replicas} devices. Use a multiple of {num_replicas}, e.g. "
                f"{num_replicas * -(-stage.batch_size // num_replicas)}."
            )
        per_replica = stage.batch_size // num_replicas
        micro_batch_size = config.micro_batch_size_in(span, num_replicas=num_replicas)
        if per_replica % micro_batch_size:
            raise UserError(
                f"a device's share of {per_replica} sequences cannot be split into micro-batches "
                f"of {micro_batch_size} in stage {stage.name}. Use a --micro_batch_size that "
                "divides it."
            )


def _initial_weights(
    config: PretrainingConfig,
    workers: Workers,
    records: RecordSets,
    checkpoint: checkpointing.Checkpoint | None,
) -> Weights | None:
    """Returns the weights of --init_checkpoint, perhaps without heads; all workers must call it."""
    path = config.init_checkpoint
    if checkpoint:
        if path:
            say(
                "note: --init_checkpoint has no part any more, the run goes on from "
                f"{checkpoint.path}"
            )
        return None
    found = starting_weights.read(path, report=say) if path else None
    seen = starting_weights.fingerprint(found) if found else None
    worker_setup.check_same(workers, {"initial weights": seen})
    if not found:
        return None
    notes = starting_weights.check(found, config.model, vocabulary=records.vocabulary)
    stage_model.check_depth(found.weights, config.plan.stages[0], path=found.path)
    if workers.is_chief:
        for note in notes:
            say(note)
    return found.weights
