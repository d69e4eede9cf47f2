"""Runs of a few steps that compile and export as little as can be."""

import os

from mslt_tf.export import manifest, saved_models
from mslt_tf.pretraining import training
from mslt_tf.training import checkpoint_folder
from tests import tiny

SMALL = {
    **{"method": "original", "num_hidden_layers": 1, "num_train_steps": 6},
    **{"checkpoint_steps": 2, "num_checkpoints_kept": 3},
}


def write_export(trained, folder, *, report):
    """Writes what stands for an export, which takes long; test_final_export.py has a real one."""
    for name in ("encoder/variables/variables.x", "bert/1/saved_model.pb", manifest.FILE):
        content = repr(trained.weights["pooler"]) + name
        os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
        with open(os.path.join(folder, name), "w") as file:
            file.write(content)


def replace_export():
    """Lets this process write what stands for an export; see `process_family.start`."""
    saved_models.write = write_export


def pretrain(folder, data, **changes):
    """Trains in a folder and returns the exit status."""
    return training.pretrain(tiny.config(**{**SMALL, **data, "output_dir": folder, **changes}))


def steps(folder):
    """Returns the steps of a run's checkpoints."""
    return checkpoint_folder.steps(str(folder / "checkpoints"))
