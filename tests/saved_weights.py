"""The weights of checkpoints, to be compared."""

from collections.abc import Mapping

import numpy as np

from mslt_tf.training import checkpointing

WEIGHT_TOLERANCE = 2e-5  # absolute; weights are of size 0.02 to 1


def weights_at(folder, step):
    return checkpointing.read_weights(
        checkpointing.read(str(folder / "checkpoints" / f"step-{step:08d}"))
    )


def assert_bit_identical(found, expected, name=""):
    """Compares arrays, by name or by names within names."""
    if not isinstance(expected, Mapping):
        np.testing.assert_array_equal(found, expected, name)
        return
    assert found.keys() == expected.keys()
    for part, value in expected.items():
        assert_bit_identical(found[part], value, f"{name}/{part}")


def assert_same_weights(found, expected, steps):
    for step in steps:
        ours, theirs = weights_at(found, step), weights_at(expected, step)
        assert ours.keys() == theirs.keys()
        for layer, values in theirs.items():
            for name, value in values.items():
                np.testing.assert_allclose(
                    ours[layer][name],
                    value,
                    atol=WEIGHT_TOLERANCE,
                    err_msg=f"{layer}/{name} at {step}",
                )
