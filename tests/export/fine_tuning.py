"""Fine-tunes an export as its users do, who have TensorFlow, its text and its Hub, and not us.

Started by test_elsewhere.py with the export's folder; prints what came of it as JSON.
"""

import json
import sys

import numpy as np
import tensorflow as tf
import tensorflow_hub as hub
import tensorflow_text  # noqa: F401  (has the operations)

TEXTS = ("a good film", "the cat is good", "a bad film", "the dog is bad")
LABELS = (1, 1, 0, 0)


def main(folder):
    """Trains some steps on a toy task."""
    tf.keras.utils.set_random_seed(0)  # of the new head; the encoder's dropout has no seed
    examples, labels = tf.constant(TEXTS), tf.constant(LABELS)
    texts = tf.keras.Input([], dtype=tf.string)
    inputs = hub.KerasLayer(f"{folder}/preprocessor")(texts)
    encoder = hub.KerasLayer(f"{folder}/encoder", trainable=True)
    logits = tf.keras.layers.Dense(2)(encoder(inputs)["pooled_output"])
    model = tf.keras.Model(texts, logits)
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf.keras.optimizers.Adam(0.003), loss)
    before = [variable.numpy() for variable in encoder.trainable_variables]
    losses = [model.test_on_batch(examples, labels)]  # without dropout
    for _ in range(100):
        model.train_on_batch(examples, labels)
    losses.append(model.test_on_batch(examples, labels))
    after = {v.name: v.numpy() for v in encoder.trainable_variables}
    stayed = [
        name for (name, new), old in zip(after.items(), before, strict=True) if np.all(new == old)
    ]
    served = tf.saved_model.load(f"{folder}/bert/1")
    answer = served.signatures["serve_text"](text=examples)["pooled_output"]
    facts = {"losses": losses, "stayed": stayed, "trained": len(after)}
    sys.stdout.write(json.dumps({**facts, "pooled_output": answer.numpy().tolist()}) + "\n")


if __name__ == "__main__":
    sys.modules["mslt_tf"] = None  # importing it fails, also where it is installed
    main(sys.argv[1])
