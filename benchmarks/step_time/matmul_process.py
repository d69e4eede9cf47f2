"""The process that multiplies large square matrices when asked: what the machine can do at most."""

import sys
import time

import tensorflow as tf

from benchmarks.step_time import pipes
from mslt_tf import startup

SIZE_ON_CPU, SIZE_ON_GPU = 4_096, 8_192


def make_tasks(precision: str) -> pipes.Tasks:
    """Returns "matmul", of a number of products, and "facts" with the FLOPs of each."""
    size = SIZE_ON_GPU if tf.config.list_physical_devices("GPU") else SIZE_ON_CPU
    dtype = tf.as_dtype(precision)
    # Entries that keep the product's size: no overflow, however many follow each other.
    draw = tf.random.stateless_normal
    left, right = (tf.cast(draw([size, size], [0, i]) / size**0.5, dtype) for i in (1, 2))

    @tf.function
    def multiply(num_products: tf.Tensor) -> tf.Tensor:
        product = left
        for _ in tf.range(num_products):
            product = tf.matmul(product, right)  # each needs the one before
        return product[0, 0]

    def timed(num_products: int) -> dict[str, float]:
        start = time.perf_counter()
        multiply(tf.constant(num_products)).numpy()
        return {"seconds": time.perf_counter() - start}

    return {"matmul": timed, "facts": lambda _: {"size": size, "flops": 2 * size**3}}


if __name__ == "__main__":
    startup.prepare_tensorflow()
    pipes.serve(lambda: make_tasks(sys.argv[1]))
