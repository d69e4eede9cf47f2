"""The records that a stage trains on, and which of them is at fault when reading fails."""

import contextlib
from collections.abc import Callable, Iterable, Iterator

import tensorflow as tf

from mslt_tf.pretraining.run import Run
from mslt_tf.records import input_pipeline, record_scan
from mslt_tf.records.record_files import Records
from mslt_tf.stage_plan import Stage


def training_batches(run: Run, stage: Stage, step: int) -> Iterator:
    """Returns this worker's batches from global step `step` on, one for each of its devices."""
    return iter(
        run.strategy.distribute_datasets_from_function(
            lambda _: input_pipeline.training_batches(
                run.records.train[stage.seq_length],
                seed=run.config.seed,
                first_position=run.plan.sequences_before(step, seq_length=stage.seq_length),
                batch_size=stage.batch_size,
                share=input_pipeline.Share.of(run.workers),
                masking=run.records.masking,
            )
        )
    )


@contextlib.contextmanager
def naming_damage_of_training(run: Run, stage: Stage, step: int, num_steps: int) -> Iterator[None]:
    """Names damaged records that `num_steps` steps from `step` on may have read."""
    records = run.records.train[stage.seq_length]

    def blocks_read() -> list[int]:
        return input_pipeline.blocks_at(
            records,
            seed=run.config.seed,
            position=run.plan.sequences_before(step, seq_length=stage.seq_length),
            num_records=(num_steps + input_pipeline.BATCHES_AHEAD) * stage.batch_size,
            batch_size=stage.batch_size,
        )

    with naming_damage(records, blocks_read):
        yield


@contextlib.contextmanager
def naming_damage(records: Records, find_blocks: Callable[[], Iterable[int]]) -> Iterator[None]:
    """Turns an error of the input into one that names the damaged file and record."""
    try:
        yield
    except (tf.errors.DataLossError, tf.errors.NotFoundError, tf.errors.InvalidArgumentError):
        record_scan.check_blocks([records.blocks[i] for i in find_blocks()], records.layout)
        raise
