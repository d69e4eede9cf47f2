"""All that can be checked, and must be there, before the first step of a run."""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from mslt_tf import cost_model
from mslt_tf.config import PretrainingConfig, Xla
from mslt_tf.conversion import starting_weights
from mslt_tf.distribution import gradient_sums
from mslt_tf.distribution.workers import Workers
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, folder_lock
from mslt_tf.modeling import weights
from mslt_tf.modeling.weights import Weights
from mslt_tf.pretraining import (
    padding_cost,
    run_folder,
    run_record,
    same_run,
    stage_model,
    train_step,
    worker_setup,
)
from mslt_tf.records import record_sets
from mslt_tf.records.record_sets import RecordSets
from mslt_tf.stage_plan import Stage, StagePlan, StageSpan
from mslt_tf.terminal import say
from mslt_tf.training import (
    checkpoint_files,
    checkpoint_folder,
    checkpointing,
    metrics_log,
    waiting,
)
from mslt_tf.training.run_log import RunLog


@dataclasses.dataclass(frozen=True)
class Run:
    """A run that is ready to train."""

    config: PretrainingConfig
    workers: Workers
    records: RecordSets
    identity: Mapping[str, Any]  # what must be equal for a run to go on from a checkpoint of it
    checkpoint: checkpointing.Checkpoint | None  # where it goes on
    initial_weights: Weights | None  # of --init_checkpoint; heads that it lacks are not in it
    log: RunLog
    xla: Xla  # what it compiles; "auto" is decided
    lock: folder_lock.Lock | None = None  # of the folder; None on all workers but the chief

    @property
    def plan(self) -> StagePlan:
        """The run's stage plan."""
        return self.config.plan

    @property
    def spans_left(self) -> Sequence[StageSpan]:
        """The stages that are to be trained; the first is the one that the checkpoint holds."""
        step = self.checkpoint.step if self.checkpoint else 0
        return self.plan.spans[self.plan.span_at(max(step - 1, 0)).index :]

    @property
    def strategy(self) -> tf.distribute.Strategy:
        """What each step is run under."""
        return self.workers.strategy

    @property
    def export(self) -> str:
        """Where the SavedModel goes."""
        return run_folder.export_of(self.config)

    def save(
        self, model: tf.keras.Model, state: tf.train.Checkpoint, step: int, *, stage: Stage
    ) -> None:
        """Writes a checkpoint, if this worker is the chief.

        Raises:
            UserError: the model is of no use, the folder cannot be written to, the disk is full, or
                another process has taken the folder over.
        """
        if not self.workers.is_chief:
            return
        try:
            weights.check_usable(model)
        except UserError as error:
            advice = run_folder.describe_way_back(self.config)
            raise UserError(f"after step {step} {error} It is not saved. {advice}") from error
        if self.lock:
            self.lock.check()
        folder = run_folder.checkpoints_of(self.config)
        what = f"the checkpoint of step {step} could not be written to {folder}"
        with file_errors.naming(what, self._how_to_go_on(step)):
            checkpointing.save(
                folder,
                state,
                step=step,
                identity=self.identity,
                settings=_settings(self.config, self.records),
                num_kept=self.config.num_checkpoints_kept,
                kept_steps=self._kept_steps(),
                report=_say_once,
            )
        self.log.metrics(metrics_log.CHECKPOINT, stage=stage.name, step=step, values={})

    def _kept_steps(self) -> list[int]:
        return [span.end for span in self.plan.spans if self.config.keep_stage_ends]

    def _how_to_go_on(self, step: int) -> str:
        found = checkpoint_folder.steps(run_folder.checkpoints_of(self.config))
        saved = [other for other in found if other < step]
        where = f"step {saved[-1]}" if saved else "its newest checkpoint, if it has one"
        return f"Start again when that is mended; the run goes on from {where}."


_say_once = functools.cache(say)


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
    if checkpoint:
        notes = same_run.check(
            checkpoint,
            identity,
            lengthen=config.lengthen,
            output_dir=config.output_dir,
        )
    if workers.is_chief:
        run_folder.check_start(config, checkpoint, writes=writes)
    initial_weights = _initial_weights(config, workers, records, checkpoint)
    step = checkpoint.step if checkpoint else 0
    if workers.is_chief:
        _report_room(config)
        _report_reading(config, records, num_replicas)
        if writes:
            run_record.write(config, step=step)
    log = RunLog(config.output_dir, resumed_at=step, writes=writes and workers.is_chief)
    if checkpoint and workers.is_chief:
        _report_changed_settings(checkpoint, config, records, log)
        for note in notes:
            say(note)
    return Run(
        config=config,
        workers=workers,
        records=records,
        identity=identity,
        checkpoint=checkpoint,
        initial_weights=initial_weights,
        log=log,
        xla=train_step.choose_xla(config),
        lock=lock,
    )


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


def _settings(config: PretrainingConfig, records: RecordSets) -> dict[str, Any]:
    """Returns the settings that change results but may be changed on purpose."""
    return {
        **dataclasses.asdict(config.optimizer),
        "precision": config.precision,
        "trunk_precision": config.trunk_precision,
        "trunk_dropout": config.trunk_dropout,
        **records.settings(),
    }


def _report_changed_settings(
    checkpoint: checkpointing.Checkpoint,
    config: PretrainingConfig,
    records: RecordSets,
    log: RunLog,
) -> None:
    unsaid = records.settings()  # older checkpoints do not say what they were evaluated on
    for name, value in _settings(config, records).items():
        before = checkpoint.settings.get(name, unsaid.get(name))
        if before == value:
            continue
        if checkpoint.step == config.plan.num_steps:
            say(f"note: {name}: {before} before; {value} changes nothing, as all steps are done")
            continue
        say(f"note: {name}: {before} before, {value} from here on")
        log.change(name, step=checkpoint.step, before=before, now=value)


def _report_room(config: PretrainingConfig) -> None:
    """Says how much of the disk the checkpoints may take, and notes if that is not there."""
    num_ends = len(config.plan.stages) if config.keep_stage_ends else 0
    # One more, as the oldest goes when the newest is whole.
    needed = (config.num_checkpoints_kept + 1 + num_ends) * max(
        cost_model.checkpoint_bytes(config.model, stage) for stage in config.plan.stages
    )
    room = checkpoint_files.room(run_folder.checkpoints_of(config))
    if room is None:  # no local folder
        return
    text = f"up to {needed / 1e9:.3g} GB of checkpoints, room for {room / 1e9:.3g} GB"
    if room < needed:
        text = f"note: {text}. Free some before it is full, or lower --num_checkpoints_kept."
    say(text)


def _report_reading(config: PretrainingConfig, records: RecordSets, num_replicas: int) -> None:
    for length, train in records.train.items():
        num_read = config.plan.sequences_before(config.plan.num_steps, seq_length=length)
        say(
            f"{train.num_records:,} records of {length} tokens, "
            f"{num_read / train.num_records:.2f} epochs in all"
        )
    histograms = {length: train.length_histogram for length, train in records.train.items()}
    for line in padding_cost.describe(config, histograms, num_replicas=num_replicas):
        say(line)
