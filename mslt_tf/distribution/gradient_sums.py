"""Sums of tensors over all replicas, and what they cost in bytes, read off the compiled step."""

import dataclasses
from collections.abc import Iterator, Sequence

import tensorflow as tf

from mslt_tf.errors import UserError

BYTES_PER_COLLECTIVE = 32 * 1024 * 1024  # the first sums are on their way while others wait
_COLLECTIVES = ("CollectiveReduceV2", "CollectiveReduceV3", "NcclAllReduce")
_COLLECTIVE_OF_TPUS = "CrossReplicaSum"  # one node stands for all cores


@dataclasses.dataclass(frozen=True)
class Communication:
    """What each replica puts into collectives in one step."""

    num_collectives: int
    num_bytes: int


@tf.autograph.experimental.do_not_convert  # no loop over tensors: nothing to convert
def sum_over_replicas(
    context: tf.distribute.ReplicaContext,
    tensors: Sequence[tf.Tensor],
    *,
    transport: tf.DType = tf.float32,
) -> list[tf.Tensor]:
    """Returns float32 sums over all replicas, the same on each; of one replica its own tensors.

    Args:
        context: of the replica.
        tensors: float32 or bfloat16, of static shapes; the same shapes on all replicas.
        transport: what is sent, and added up: with bfloat16 or float16 half the bytes.
    """
    if context.num_replicas_in_sync == 1:
        return list(tensors)
    buckets = cut_into_buckets(
        [tensor.shape.num_elements() for tensor in tensors], BYTES_PER_COLLECTIVE // transport.size
    )
    flat = [tf.cast(tf.reshape(tensor, [-1]), transport) for tensor in tensors]
    packed = [tf.concat([flat[i][part] for i, part in bucket], axis=0) for bucket in buckets]
    # 1: each bucket is a collective of its own. Told more, TensorFlow would join them.
    options = tf.distribute.experimental.CommunicationOptions(bytes_per_pack=1)
    sums = context.all_reduce(tf.distribute.ReduceOp.SUM, packed, options)
    parts: list[list[tf.Tensor]] = [[] for _ in tensors]
    for bucket, total in zip(buckets, sums, strict=True):
        lengths = [part.stop - part.start for _, part in bucket]
        for (index, _), values in zip(bucket, tf.split(total, lengths), strict=True):
            parts[index].append(tf.cast(values, tf.float32))
    return [
        tf.reshape(tf.concat(values, axis=0), tensor.shape)
        for values, tensor in zip(parts, tensors, strict=True)
    ]


def check_transport(name: str, *, num_replicas: int) -> None:
    """Checks that the devices of this run can add up what --gradient_transport sends.

    Raises:
        UserError: they are several GPUs, and it is bfloat16.
    """
    if name == "bfloat16" and num_replicas > 1 and tf.config.list_physical_devices("GPU"):
        raise UserError(
            "--gradient_transport is bfloat16, which TensorFlow 2.15 lets NCCL, the library that "
            "adds up the gradients of several GPUs, not take. Use float32, or float16 with its "
            "smaller range."
        )


def cut_into_buckets(sizes: Sequence[int], capacity: int) -> list[list[tuple[int, slice]]]:
    """Returns what to put into each bucket: (index of a vector, part of it), all buckets full.

    Args:
        sizes: of the vectors; each at least 1.
        capacity: of a bucket; only the last may hold less.

    >>> [[(i, part.start, part.stop) for i, part in b] for b in cut_into_buckets([3, 6], 4)]
    [[(0, 0, 3), (1, 0, 1)], [(1, 1, 5)], [(1, 5, 6)]]
    """
    buckets: list[list[tuple[int, slice]]] = []
    room = 0
    for index, size in enumerate(sizes):
        start = 0
        while start < size:
            if not room:
                buckets.append([])
                room = capacity
            stop = min(size, start + room)
            buckets[-1].append((index, slice(start, stop)))
            start, room = stop, room - (stop - start)
    return buckets


def measure(
    function: tf.types.experimental.ConcreteFunction, *, num_local_replicas: int
) -> Communication:
    """Returns what the collectives of a traced function carry, read off its graph.

    Args:
        function: with a loop over steps in it, or one step; each collective counts once.
        num_local_replicas: devices of this worker; each has its own nodes in the graph, but not
            on TPUs.
    """
    graph = function.graph.as_graph_def(add_shapes=True)
    sizes = list(_bytes_of(_COLLECTIVES, graph))
    of_tpus = list(_bytes_of((_COLLECTIVE_OF_TPUS,), graph))
    return Communication(
        len(sizes) // num_local_replicas + len(of_tpus),
        sum(sizes) // num_local_replicas + sum(of_tpus),
    )


def _bytes_of(names: Sequence[str], graph: tf.compat.v1.GraphDef) -> Iterator[int]:
    """Yields the bytes of each such operation, in the graph and in all functions it calls."""
    bodies = [graph.node, *(function.node_def for function in graph.library.function)]
    for node in (node for body in bodies for node in body):
        if node.op in names:
            shape = tf.TensorShape(node.attr["_output_shapes"].list.shape[0])
            yield shape.num_elements() * tf.as_dtype(node.attr["T"].type).size
