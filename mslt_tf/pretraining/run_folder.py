"""The folder of a run: who may work in it, and what it holds that a start must not undo."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from mslt_tf.config import PretrainingConfig
from mslt_tf.conversion import own_runs
from mslt_tf.distribution.workers import Workers
from mslt_tf.errors import UserError
from mslt_tf.export import saved_models
from mslt_tf.files import file_errors, folder_lock, new_file, pattern_names, published_folder
from mslt_tf.pretraining import run_record, worker_setup
from mslt_tf.terminal import say
from mslt_tf.training import (
    checkpoint_files,
    checkpoint_folder,
    checkpointing,
    json_lines,
    metrics_log,
)

_ANEW = "To train it anew on purpose, give another --output_dir, or move this one away."


def checkpoints_of(config: PretrainingConfig) -> str:
    """Returns where a run's checkpoints lie."""
    return os.path.join(config.output_dir, own_runs.CHECKPOINTS)


def export_of(config: PretrainingConfig) -> str:
    """Returns where a run's SavedModels go."""
    return os.path.join(config.output_dir, "export")


@contextlib.contextmanager
def claimed(
    config: PretrainingConfig, workers: Workers, *, writes: bool = True
) -> Iterator[folder_lock.Lock | None]:
    """Makes sure that all workers see the run's folder, and that nobody else works in it.

    All must call it. Yields the chief's lock, which keeps others out while entered; None to the
    other workers, and where `writes` is False.

    Raises:
        UserError: the folder cannot be written to, is not shared, or another process is at work.
    """
    folder = config.output_dir
    if not folder:
        raise UserError("--output_dir is not set. Name the folder of this run.")
    pattern_names.check(folder, what="--output_dir")
    new_file.make_output_dir(folder)
    worker_setup.check_shared_folder(workers, folder)
    if not workers.is_chief:
        yield None
    elif writes:
        with folder_lock.held(folder, report=say) as lock:
            yield lock
    else:
        folder_lock.check_free(folder)
        yield None


def newest_checkpoint(
    config: PretrainingConfig, workers: Workers
) -> checkpointing.Checkpoint | None:
    """Returns the checkpoint that the chief finds; the others read the same.

    Raises:
        UserError: there are some, and none can be used.
    """
    folder = checkpoints_of(config)
    newest = checkpointing.newest(folder, report=say) if workers.is_chief else None
    step = int(workers.of_chief(newest.step if newest else -1))
    if step < 0 or newest:
        return newest
    return checkpointing.read(checkpoint_folder.path_of(folder, step))


def describe_finished(config: PretrainingConfig, workers: Workers) -> str:
    """Returns what to say of a finished run whose records or checkpoints were cleaned away.

    Such a run needs neither. All workers must call it; "" for every other run.

    Raises:
        UserError: as `newest_checkpoint`.
    """
    gone = _describe_gone(config) if workers.is_chief else ""
    if not workers.of_chief(float(bool(gone))):
        return ""
    return (
        f"This run is done: {config.plan.num_steps:,} steps. Export: {export_of(config)}. "
        f"{gone} not there any more, so nothing can go on from here. {_ANEW}"
    )


def _describe_gone(config: PretrainingConfig) -> str:
    """Returns what a finished run with this plan, model and seed lacks; "" if nothing does."""
    if not saved_models.exists(export_of(config)):  # the usual case, so nothing else is looked at
        return ""
    has_checkpoint = bool(checkpoint_folder.steps(checkpoints_of(config)))
    missing = [] if has_checkpoint else ["checkpoints"]
    missing += [] if _has_records(config) else ["records"]
    if not missing:
        return ""
    facts = saved_models.facts_of(export_of(config))
    if facts is None and has_checkpoint:  # exported before exports said what they are of
        newest = checkpointing.newest(checkpoints_of(config), report=say)
        facts = facts_of_export(newest.path, newest.step, newest.identity) if newest else None
    if not facts or not _is_end_of(config, facts):
        return ""
    return f"Its {' and '.join(missing)} are"


def _has_records(config: PretrainingConfig) -> bool:
    """Returns whether every path or glob of the records leads to a file; says nothing of it."""
    lists = (
        *(config.train_records, config.eval_records),
        *(config.long_train_records, config.long_eval_records),
    )
    patterns = [pattern for patterns in lists for pattern in patterns]
    try:
        return all(tf.io.gfile.exists(p) or tf.io.gfile.glob(p) for p in patterns)
    except tf.errors.OpError:
        return False


def facts_of_export(checkpoint: str, step: int, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what an export says of the run that it is the end of, and of its last checkpoint."""
    fingerprint = checkpoint_files.fingerprint(checkpoint)
    return {"step": step, "identity": dict(identity), "checkpoint": fingerprint}


def _is_end_of(config: PretrainingConfig, facts: Mapping[str, Any]) -> bool:
    own = json.loads(json.dumps(config.identity()))
    found = facts.get("identity")
    is_same = isinstance(found, dict) and own.items() <= found.items()
    return is_same and facts.get("step") == config.plan.num_steps


def is_done(config: PretrainingConfig, checkpoint: checkpointing.Checkpoint | None) -> bool:
    """Returns whether the newest checkpoint is the run's last and was exported."""
    if not checkpoint or checkpoint.step != config.plan.num_steps:
        return False
    facts = saved_models.facts_of(export_of(config))
    if facts is None or facts.get("step") != checkpoint.step:
        return False
    # Steps that were done anew have another model; older exports do not say of which they are.
    fingerprint = checkpoint_files.fingerprint(checkpoint.path)
    return bool(facts.get("checkpoint", fingerprint) == fingerprint)


def describe_way_back(config: PretrainingConfig, *, failed_checkpoint: int | None = None) -> str:
    """Returns what to do when training has run away: with which settings, and from where.

    Args:
        config: of the run.
        failed_checkpoint: step of the checkpoint whose very first step fails already.
    """
    settings = "a lower --learning_rate or more --num_warmup_steps"
    folder = checkpoints_of(config)
    saved = checkpoint_folder.steps(folder)
    if not saved:
        return f"Start again with {settings}; there is no checkpoint yet, so the run begins anew."
    newest = checkpoint_folder.path_of(folder, saved[-1])
    before = f"goes on from step {saved[-2]} then" if saved[1:] else "begins anew then"
    if failed_checkpoint == saved[-1]:
        return (
            f"Going on from {newest} leads here again, whatever the settings. Move that folder "
            f"away and start again with {settings}: the run {before}."
        )
    return (
        f"Start again with {settings}: the run goes on from {newest}. Where the loss is high from "
        f"there on, it was too late already: move that folder away, and the run {before}."
    )


def check_start(
    config: PretrainingConfig, checkpoint: checkpointing.Checkpoint | None, *, writes: bool
) -> None:
    """Checks that going on from `checkpoint`, or beginning anew without one, undoes nothing.

    Args:
        config: of the run.
        checkpoint: the newest.
        writes: False leaves no file behind.

    Raises:
        UserError: the folder holds a run whose checkpoints are gone, or something that is not ours
            in the place of the export.
    """
    export = export_of(config)
    with file_errors.naming(f"{export} cannot be looked into", "Give another --output_dir."):
        if checkpoint is None:
            _check_files_are_ours(config.output_dir)
            _check_nothing_trained(config)
        elif saved_models.is_unmarked(export):
            if not writes:
                return
            facts = facts_of_export(checkpoint.path, checkpoint.step, checkpoint.identity)
            saved_models.adopt(export, facts)
        if not is_done(config, checkpoint):
            published_folder.check_place(export, saved_models.KIND, saved_models.owns)


def _check_files_are_ours(folder: str) -> None:
    """Checks that no file of somebody else's has a name under which a run writes its own."""
    there = [
        name
        for name in (*run_record.FILES, metrics_log.METRICS_FILE)
        if tf.io.gfile.exists(os.path.join(folder, name))
    ]
    is_run = tf.io.gfile.exists(os.path.join(folder, run_record.STARTS_FILE))
    # The version before wrote these three together, and no list of starts.
    if there and not is_run and not set(run_record.FILES) <= set(there):
        raise UserError(
            f"{folder} holds {there[0]}, but no run of this program, which would write one of its "
            "own in its place. Move it away, or give another --output_dir."
        )


def _check_nothing_trained(config: PretrainingConfig) -> None:
    traces = [saved_models.exists(export_of(config)) and "an export"]
    path = os.path.join(config.output_dir, metrics_log.METRICS_FILE)
    # What cannot be read there is told when the log is opened.
    lines = json_lines.read(path, metrics_log.is_entry, report=lambda note: None)
    entries = [line.entry for line in lines]
    saved = [entry["step"] for entry in entries if entry["kind"] == metrics_log.CHECKPOINT]
    last = max((entry["step"] for entry in entries), default=0)
    if saved or last >= config.plan.num_steps:
        traces.append(f"metrics of {max([last, *saved]):,} steps")
    found = " and ".join(trace for trace in traces if trace)
    if found:
        raise UserError(
            f"{config.output_dir} holds {found} of a run, but none of its checkpoints: it would "
            f"begin anew at step 0 and lose them. Put a checkpoint back into "
            f"{checkpoints_of(config)} to go on from it. {_ANEW}"
        )
