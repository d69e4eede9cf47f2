"""The run that several workers train in these tests, and its checkpoints."""

from tests import process_groups
from tests.distribution import worker_processes

NUM_STEPS = 300
SETTINGS = {
    "num_hidden_layers": 2,
    "num_stages": 2,
    "num_train_steps": NUM_STEPS,  # stages of 120, 120 and 60
    "train_batch_size": 12,
    "hidden_dropout_prob": 0.3,
    "checkpoint_steps": 20,
    "num_checkpoints_kept": 100,
    "log_steps": 20,
}


def wait_for_checkpoint(workers, folder, step):
    checkpoint = folder / "checkpoints" / f"step-{step:08d}"
    process_groups.wait_until(
        lambda: checkpoint.exists() or any(worker.poll() is not None for worker in workers),
        timeout=worker_processes.SECONDS,
    )
    assert checkpoint.exists(), worker_processes.wait(workers)
