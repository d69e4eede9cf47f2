"""The main path: a grid of trials from its start to its table of results."""

import contextlib
import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from mslt_tf import json_values
from mslt_tf.distribution.workers import Workers
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, folder_lock, new_file, pattern_names
from mslt_tf.finetuning import further_splits, grid, results, submission, tasks, trial
from mslt_tf.finetuning.grid_progress import GridProgress
from mslt_tf.finetuning.served import export
from mslt_tf.finetuning.setup import Setup
from mslt_tf.finetuning.trial import Trial, TrialResult
from mslt_tf.finetuning_settings import FineTuningSettings
from mslt_tf.terminal import say
from mslt_tf.training import checkpoint_folder
from mslt_tf.training.interruption import Interruption
from mslt_tf.training.run_log import ProgressLine

SETTINGS_FILE = "finetuning.json"  # in the output folder: all settings of the latest start
_FILES = (SETTINGS_FILE, results.JSON_FILE, results.MARKDOWN_FILE)


def finetune(settings: FineTuningSettings) -> int:
    """Trains all trials that are not finished, and writes the table of all that are.

    Returns:
        The exit status: 0 when done, 128 + signal number when interrupted (state is saved), and
        `submission.WRONG_STATUS` when done with a submission that GLUE would refuse.

    Raises:
        UserError: settings, encoder, data, disk or the output folder are not as they must be.
    """
    _check_folder(settings.output_dir)
    with (
        folder_lock.held(settings.output_dir, report=say),
        Interruption(Workers(tf.distribute.get_strategy())) as interruption,
    ):
        terminal = ProgressLine()
        setup = Setup(settings, report=terminal.line_once)
        unfinished = _unfinished(setup)
        with file_errors.writing(settings.output_dir):
            path = os.path.join(settings.output_dir, SETTINGS_FILE)
            trial.write_json(path, dataclasses.asdict(setup.settings))
        if unfinished and not _train(setup, unfinished, interruption, terminal):
            say("Interrupted; saved. The same command goes on from here.")
            return interruption.status
        for name in tasks.NAMES:  # an earlier start may have ended between a result and this
            _keep_best_checkpoint(settings.output_dir, name)
        for name in setup.names:
            further_splits.score(setup, name)
        _write_results(setup)
        is_right = submission.write(setup) if settings.submit else True
        if settings.export:
            export.write(setup)
    return 0 if is_right else submission.WRONG_STATUS


def _check_folder(folder: str) -> None:
    """Checks that the output folder takes files, and that none of somebody else's is in the way."""
    pattern_names.check(folder, what="--output_dir")
    new_file.make_output_dir(folder)
    with file_errors.reading(f"--output_dir {folder}"):
        there = [n for n in _FILES if tf.io.gfile.exists(os.path.join(folder, n))]
        is_ours = bool(_earlier_settings(folder))
    if there and not is_ours:
        raise UserError(
            f"{folder} holds {there[0]}, but no fine-tuning of this program, which would write one "
            "of its own in its place. Move it away, or give another --output_dir."
        )
    if not is_ours and tf.io.gfile.exists(os.path.join(folder, trial.TRIAL_FILE)):
        raise UserError(
            f"--output_dir {folder} is the folder of a single trial. Give that of its grid, two "
            "levels above, or another."
        )


def _earlier_settings(folder: str) -> Mapping[str, Any]:
    """Returns the settings of the latest start in a folder; none where it has no file of ours."""
    path = os.path.join(folder, SETTINGS_FILE)
    if not tf.io.gfile.exists(path):
        return {}
    with tf.io.gfile.GFile(path, "rb") as file:
        content = file.read()
    with contextlib.suppress(json_values.JsonValueError):
        found = json_values.parse(dict[str, Any], json_values.loads(content))
        return found if {"encoder", "learning_rates"} <= found.keys() else {}
    return {}


def _unfinished(setup: Setup) -> list[Trial]:
    """Returns the trials that are to be trained, after all data and folders were checked."""
    output_dir = setup.settings.output_dir
    unfinished = []
    encoder_advice = _encoder_advice(setup)
    _check_others(setup, encoder_advice)
    for this in setup.trials():
        folder = this.folder(output_dir)
        trial.check(folder, setup.identity(this), encoder_advice=encoder_advice)
        if trial.read_result(folder) is None:
            unfinished.append(this)
    if setup.settings.export:
        export.check_places(setup)
    if setup.settings.submit:
        submission.tell_before(setup)
    say(f"trials: {len(setup.trials())}, of which {len(unfinished)} are to be trained")
    return unfinished


def _encoder_advice(setup: Setup) -> str:
    """Returns where the encoder is that earlier trials began from, "" if not elsewhere."""
    earlier, now = _earlier_settings(setup.settings.output_dir), setup.settings.encoder
    path = earlier.get("encoder", now)
    return "" if path == now else f"It began from {path}: give --encoder={path}."


def _check_others(setup: Setup, encoder_advice: str) -> None:
    """Checks that the trials that are there may stand in one table with those of the grid."""
    identities = {this.task: setup.identity(this) for this in setup.trials()}
    of_any = next(iter(identities.values()))
    for name in tasks.NAMES:
        identity = identities.get(name, of_any)
        compared = identity.keys() - set(trial.OWN) if name in identities else trial.SHARED
        for folder in trial.folders(setup.settings.output_dir, name):
            trial.check(folder, identity, names=compared, encoder_advice=encoder_advice)


def _train(
    setup: Setup, trials: Sequence[Trial], interruption: Interruption, terminal: ProgressLine
) -> bool:
    """Returns whether all trials were trained to their end."""
    settings = setup.settings
    num_parallel = grid.choose_num_parallel(settings.num_parallel_runs, len(trials))
    work = {}
    for name in setup.names:
        task = setup.task(name)
        work[name] = task.num_characters * (settings.training.num_epochs or task.num_epochs)
    progress = GridProgress(trials, work, terminal)

    def finished(result: TrialResult) -> None:
        progress.finished(result)
        _keep_best_checkpoint(settings.output_dir, result.task)

    return grid.run(
        setup,
        trials,
        num_parallel=num_parallel,
        interruption=interruption,
        progress=progress,
        finished=finished,
    )


def _keep_best_checkpoint(output_dir: str, task: str) -> None:
    """Removes the models of a task's finished trials but that of the best."""
    found = results.read_task(output_dir, task)
    best = results.best(found) if found else None
    for result in found:
        if result != best:
            checkpoints = os.path.join(result.trial.folder(output_dir), trial.CHECKPOINTS)
            checkpoint_folder.remove_all(checkpoints, report=say)


def _write_results(setup: Setup) -> None:
    output_dir = setup.settings.output_dir
    found = [some for name in tasks.NAMES if (some := results.read_task(output_dir, name))]
    summaries = [results.summarize(some, _common_settings(output_dir, some)) for some in found]
    begins = "random weights" if setup.settings.training.from_scratch else "the encoder's weights"
    facts = {
        "encoder": setup.settings.encoder,
        "model": setup.encoder.config.summary(),
        "starts from": begins,
    }
    table = results.write(output_dir, summaries, facts)
    say(f"\n{table}\nDone: {os.path.join(output_dir, results.MARKDOWN_FILE)}")


def _common_settings(output_dir: str, found: Sequence[TrialResult]) -> dict[str, Any]:
    """Returns the settings that all trials of a task have, without hashes and sizes."""
    identity = trial.read_identity(found[0].trial.folder(output_dir))
    left_out = {"task", "model", *trial.OWN, *trial.HASHES, *trial.SHARED}
    return {name: value for name, value in identity.items() if name not in left_out}
