"""TF1 checkpoints with other tensors than `google_tf1` writes."""

import tensorflow as tf


def save(prefix, tensors):
    """Writes a checkpoint of tensors by name."""
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )


def load(prefix):
    """Returns the tensors of a checkpoint by name."""
    reader = tf.train.load_checkpoint(str(prefix))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def drop_heads(prefix):
    """Leaves the encoder and the pooler."""
    tensors = load(prefix)
    save(prefix, {name: value for name, value in tensors.items() if not name.startswith("cls/")})
