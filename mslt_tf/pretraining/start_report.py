"""What a run says when it starts: room for checkpoints, records to read, settings that changed."""

from mslt_tf import cost_model
from mslt_tf.config import PretrainingConfig
from mslt_tf.pretraining import padding_cost, run_folder
from mslt_tf.pretraining.run import Run
from mslt_tf.terminal import say
from mslt_tf.training import checkpoint_files, checkpointing


def report(run: Run) -> None:
    """Says it; settings that changed go into the run's log as well."""
    _report_room(run.config)
    _report_reading(run)
    if run.checkpoint:
        _report_changed_settings(run, run.checkpoint)


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


def _report_reading(run: Run) -> None:
    for length, train in run.records.train.items():
        num_read = run.plan.sequences_before(run.plan.num_steps, seq_length=length)
        say(
            f"{train.num_records:,} records of {length} tokens, "
            f"{num_read / train.num_records:.2f} epochs in all"
        )
    num_replicas = run.strategy.num_replicas_in_sync
    histograms = {length: train.length_histogram for length, train in run.records.train.items()}
    for line in padding_cost.describe(run.config, histograms, num_replicas=num_replicas):
        say(line)


def _report_changed_settings(run: Run, checkpoint: checkpointing.Checkpoint) -> None:
    unsaid = run.records.settings()  # older checkpoints do not say what they were evaluated on
    for name, value in run.settings.items():
        before = checkpoint.settings.get(name, unsaid.get(name))
        if before == value:
            continue
        if checkpoint.step == run.plan.num_steps:
            say(f"note: {name}: {before} before; {value} changes nothing, as all steps are done")
            continue
        say(f"note: {name}: {before} before, {value} from here on")
        run.log.change(name, step=checkpoint.step, before=before, now=value)
