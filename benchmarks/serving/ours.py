"""The process that answers as a server does, by the signature `serving_default` of our export."""

import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.serving.job import Job, make_tasks
from benchmarks.step_time import pipes
from mslt_tf import startup


def served_tasks(job: Job) -> pipes.Tasks:
    """Returns the tasks of a SavedModel, see `job.make_tasks`."""
    start = time.perf_counter()
    import tensorflow as tf
    import tensorflow_text  # noqa: F401 (the graph has its operations)

    loaded: list[Any] = []

    def load() -> None:
        loaded.append(tf.saved_model.load(job.folder))

    def answer(ids: list[list[int]]) -> Callable[[], Any]:
        signature = loaded[0].signatures["serving_default"]
        tokens = tf.constant(ids, tf.int32)
        inputs = {
            "input_word_ids": tokens,
            "input_mask": tf.ones_like(tokens),
            "input_type_ids": tf.zeros_like(tokens),
        }
        return lambda: signature(**inputs)["pooled_output"].numpy()

    return make_tasks(job, clock=time.perf_counter, start=start, load=load, answer=answer)


if __name__ == "__main__":
    startup.prepare_tensorflow()
    pipes.serve(lambda: served_tasks(Job.read(sys.argv[1])))
