"""All that can be checked, and must be there, before the first step of a run."""

import contextlib
import dataclasses
import importlib.metadata
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from mslt_tf.config import PretrainingConfig
from mslt_tf.distribution.workers import Workers
from mslt_tf.errors import UserError
from mslt_tf.pretraining import (
    checkpoint_files,
    checkpointing,
    record_sets,
    stage_model,
    worker_setup,
)
from mslt_tf.pretraining.record_sets import RecordSets
from mslt_tf.pretraining.run_log import RunLog, naming_full_disk, say
from mslt_tf.stage_plan import StagePlan

PACKAGES = ("tensorflow", "tensorflow-addons", "keras", "numpy")  # what results depend on


@dataclasses.dataclass(frozen=True)
class Run:
    """A run that is ready to train."""

    config: PretrainingConfig
    workers: Workers
    records: RecordSets
    checkpoint: checkpointing.Checkpoint | None  # where it goes on
    initial_weights: stage_model.Weights | None  # of --init_checkpoint
    log: RunLog

    @property
    def plan(self) -> StagePlan:
        """The run's stage plan."""
        return self.config.plan

    @property
    def strategy(self) -> tf.distribute.Strategy:
        """What each step is run under."""
        return self.workers.strategy

    @property
    def export(self) -> str:
        """Where the SavedModel goes."""
        return os.path.join(self.config.output_dir, "export")

    def save(self, state: tf.train.Checkpoint, step: int) -> None:
        """Writes a checkpoint, if this worker is the chief.

        Raises:
            UserError: the folder cannot be written to, or the disk is full.
        """
        if not self.workers.is_chief:
            return
        folder = _checkpoint_folder(self.config)
        try:
            checkpointing.save(
                folder,
                state,
                step=step,
                identity=_identity(self.config, self.records),
                settings=_settings(self.config),
                num_kept=self.config.num_checkpoints_kept,
            )
        except (tf.errors.OpError, OSError) as error:
            reason = error.message if isinstance(error, tf.errors.OpError) else error
            raise UserError(
                f"the checkpoint of step {step} could not be written to {folder} "
                f"({reason}). Make room or mend the folder and start again; the run goes "
                "on from the checkpoint before."
            ) from error


def open_run(config: PretrainingConfig, workers: Workers, *, writes: bool = True) -> Run:
    """Checks devices, data, folder and checkpoint, and returns a run that is ready to train.

    Args:
        config: of the run.
        workers: from `start_workers`; all must call it.
        writes: False leaves no file in the run's folder, and the run cannot log.

    Raises:
        UserError: what is not as it must be.
    """
    if not config.output_dir:
        raise UserError("--output_dir is not set. Name the folder of this run.")
    _check_batches(config, workers.strategy.num_replicas_in_sync)
    _check_writable(config.output_dir, workers)
    worker_setup.check_shared_folder(workers, config.output_dir)
    with _chief_first(workers):  # it keeps what it learns of foreign files for the others
        records = record_sets.open_record_sets(
            config, report=say, keeps_facts=writes and workers.is_chief
        )
    worker_setup.check_same(workers, records.facts())
    checkpoint = _newest_checkpoint(config, workers)
    if checkpoint:
        checkpointing.check_same_run(
            checkpoint,
            _identity(config, records),
            lengthen=config.lengthen,
            output_dir=config.output_dir,
        )
        _report_changed_settings(checkpoint, config)
    initial_weights = _initial_weights(config, workers, checkpoint)
    if workers.is_chief:
        _report_room(config)
        _report_reading(config, records)
        if writes:
            _describe(config)
    return Run(
        config=config,
        workers=workers,
        records=records,
        checkpoint=checkpoint,
        initial_weights=initial_weights,
        log=RunLog(
            config.output_dir,
            resumed_at=checkpoint.step if checkpoint else 0,
            writes=writes and workers.is_chief,
        ),
    )


@contextlib.contextmanager
def _chief_first(workers: Workers) -> Iterator[None]:
    """Lets the other workers in when the chief is through."""
    if not workers.is_chief:
        workers.gather([0.0])
    yield
    if workers.is_chief:
        workers.gather([0.0])


def _newest_checkpoint(
    config: PretrainingConfig, workers: Workers
) -> checkpointing.Checkpoint | None:
    """Returns the checkpoint that the chief finds; the others read the same."""
    folder = _checkpoint_folder(config)
    newest = checkpointing.newest(folder, report=say) if workers.is_chief else None
    step = int(workers.of_chief(newest.step if newest else -1))
    if step < 0 or newest:
        return newest
    return checkpointing.read(checkpointing.path_of(folder, step))


def _check_batches(config: PretrainingConfig, num_replicas: int) -> None:
    for stage in config.plan.stages:
        if stage.batch_size % num_replicas:
            raise UserError(
                f"the batch of {stage.batch_size} sequences in stage {stage.name} cannot be split "
                f"over {num_replicas} devices. Use a multiple of {num_replicas}, e.g. "
                f"{num_replicas * -(-stage.batch_size // num_replicas)}."
            )
        per_replica = stage.batch_size // num_replicas
        micro_batch_size = config.micro_batch_size_in(stage)
        if micro_batch_size and per_replica % min(micro_batch_size, per_replica):
            raise UserError(
                f"a device's share of {per_replica} sequences cannot be split into micro-batches "
                f"of {micro_batch_size} in stage {stage.name}. Use a --micro_batch_size that "
                "divides it."
            )


def _check_writable(output_dir: str, workers: Workers) -> None:
    probe = os.path.join(output_dir, f".writable_by_{workers.index}")
    try:
        tf.io.gfile.makedirs(output_dir)
        with tf.io.gfile.GFile(probe, "w") as file:
            file.write("")
        tf.io.gfile.remove(probe)
    except tf.errors.OpError as error:
        raise UserError(
            f"--output_dir {output_dir} cannot be written to ({error.message}). Name a folder that "
            "can."
        ) from error


def _initial_weights(
    config: PretrainingConfig, workers: Workers, checkpoint: checkpointing.Checkpoint | None
) -> stage_model.Weights | None:
    """Returns the weights of --init_checkpoint; all workers must call it."""
    if checkpoint:
        if config.init_checkpoint:
            say(
                "note: --init_checkpoint has no part any more, the run goes on from "
                f"{checkpoint.path}"
            )
        return None
    path = config.init_checkpoint
    source = checkpointing.read(path) if path else None
    seen = checkpoint_files.fingerprint(path) if path else None
    worker_setup.check_same(workers, {"initial weights": seen})
    if not source:
        return None
    differences = checkpointing.differing_leaves(
        _shape(source.identity["model"]), _shape(config.identity()["model"])
    )
    if differences:
        listed = "; ".join(f"{k}: {old} there, {new} now" for k, (old, new) in differences.items())
        raise UserError(f"{source.path} is of another model ({listed}). Set these flags to its.")
    weights = checkpointing.read_weights(source)
    stage_model.check_depth(weights, config.plan.stages[0], path=source.path)
    return weights


def _shape(model: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what must be equal for weights to fit; how they were trained may differ."""
    free = ("hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range")
    # The final depth; that of the weights is checked apart.
    free = (*free, "num_hidden_layers", "num_hidden_groups")
    return {name: value for name, value in model.items() if name not in free}


def _identity(config: PretrainingConfig, records: RecordSets) -> dict[str, Any]:
    return {**config.identity(), **records.identity()}


def _settings(config: PretrainingConfig) -> dict[str, Any]:
    """Returns the settings that change results but may be changed on purpose."""
    return {
        **dataclasses.asdict(config.optimizer),
        "precision": config.precision,
        "trunk_precision": config.trunk_precision,
        "trunk_dropout": config.trunk_dropout,
    }


def _report_changed_settings(
    checkpoint: checkpointing.Checkpoint, config: PretrainingConfig
) -> None:
    for name, value in _settings(config).items():
        if checkpoint.settings.get(name) != value:
            say(f"note: {name} was {checkpoint.settings.get(name)}, from here on it is {value}")


def _report_room(config: PretrainingConfig) -> None:
    """Says how much of the disk the checkpoints may take, and notes if that is not there."""
    needed = (config.num_checkpoints_kept + 1) * max(  # the oldest goes when the newest is whole
        checkpointing.expected_bytes(config.model, stage) for stage in config.plan.stages
    )
    room = checkpoint_files.room(_checkpoint_folder(config))
    if room is None:  # no local folder
        return
    text = f"up to {needed / 1e9:.3g} GB of checkpoints, room for {room / 1e9:.3g} GB"
    if room < needed:
        text = f"note: {text}. Free some before it is full, or lower --num_checkpoints_kept."
    say(text)


def _report_reading(config: PretrainingConfig, records: RecordSets) -> None:
    for length, train in records.train.items():
        num_read = config.plan.sequences_before(config.plan.num_steps, seq_length=length)
        say(
            f"{train.num_records:,} records of {length} tokens, "
            f"{num_read / train.num_records:.2f} epochs in all"
        )


def _describe(config: PretrainingConfig) -> None:
    """Writes plan, settings and versions into the run's folder."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    texts = {
        "plan.txt": config.plan.table() + "\n",
        "config.json": config.to_json(),
        "versions.json": json.dumps(versions, indent=2) + "\n",
    }
    with naming_full_disk(config.output_dir):
        for name, text in texts.items():
            with tf.io.gfile.GFile(os.path.join(config.output_dir, name), "w") as file:
                file.write(text)


def _checkpoint_folder(config: PretrainingConfig) -> str:
    return os.path.join(config.output_dir, "checkpoints")
