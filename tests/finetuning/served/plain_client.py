"""Answers texts by an exported model, as its users do, who have TensorFlow and its text, not us.

Started by test_elsewhere.py with the model's folder; reads the inputs and prints the outputs as
JSON.
"""

import json
import sys

import tensorflow as tf
import tensorflow_text  # noqa: F401  (has the operations)


def main(folder):
    """Asks the default signature."""
    texts = {name: tf.constant(values) for name, values in json.load(sys.stdin).items()}
    found = tf.saved_model.load(folder).signatures["serving_default"](**texts)
    assert not any(name.partition(".")[0] in ("mslt_tf", "tests") for name in sys.modules)
    plain = {name: values.numpy().tolist() for name, values in found.items()}
    sys.stdout.write(json.dumps(plain, default=bytes.decode) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
