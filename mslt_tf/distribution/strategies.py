"""The distribution strategy of a run: which devices, of which machines, do each step together."""

import contextlib
import functools
import os
import signal

import tensorflow as tf

from mslt_tf.distribution.cluster import Cluster
from mslt_tf.errors import UserError


def one_machine(*, all_devices: bool) -> tf.distribute.Strategy:
    """Returns a strategy for the GPUs of this machine, or its CPUs if it has none.

    With one device, the other GPUs stay free for other programs, unless an operation ran before.
    """
    if not all_devices:
        _hide_all_but_first_gpu()
    gpus = tf.config.list_logical_devices("GPU")
    devices = [device.name for device in gpus or tf.config.list_logical_devices("CPU")]
    if not all_devices:
        return tf.distribute.OneDeviceStrategy(devices[0])
    return _mirrored(tuple(devices))


def _hide_all_but_first_gpu() -> None:
    """Keeps TensorFlow from reserving the memory of GPUs that it will not use."""
    gpus = tf.config.get_visible_devices("GPU")
    with contextlib.suppress(RuntimeError):  # it has reserved it already
        tf.config.set_visible_devices(gpus[:1], "GPU")


@functools.cache  # two in a process would number their collectives alike, and mix up the tensors
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(devices)


@functools.cache
def multi_worker(cluster: Cluster) -> tf.distribute.Strategy:
    """Returns a strategy for the devices of all workers; starts TensorFlow's server.

    All workers must be there, see `peer_check`: TensorFlow itself would wait for ever. It must come
    before TensorFlow's first operation. A worker that does not answer for ten seconds is given up
    by TensorFlow's coordination service, one that ended at once.
    """
    os.environ["TF_CONFIG"] = cluster.tf_config()
    strategy = tf.distribute.MultiWorkerMirroredStrategy(
        communication_options=communication_options()
    )
    # TensorFlow now takes SIGTERM for itself and does nothing with it: give it back to Python.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
    return strategy


def communication_options() -> tf.distribute.experimental.CommunicationOptions:
    """Returns by what the devices of several machines add up their tensors.

    GPUs by NCCL: left to itself, TensorFlow 2.15 passes what lies on GPUs in a ring through the
    memories of their machines, by gRPC. All other tensors take that ring in any case.
    """
    implementations = tf.distribute.experimental.CommunicationImplementation
    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    return tf.distribute.experimental.CommunicationOptions(
        implementation=implementations.NCCL if has_gpu else implementations.AUTO
    )


def tpu(name: str) -> tf.distribute.Strategy:
    """Returns a strategy for the cores of a TPU of this machine. Not yet run on one.

    The input is made by this process, so it can feed no TPU of other machines.

    Args:
        name: "local", on a TPU virtual machine.

    Raises:
        UserError: another name, no TPU here, or one that several machines share.
    """
    if name != "local":
        raise UserError(
            f"--tpu is {name!r}, but only TPUs of the machine that the program runs on can be fed: "
            "it must be local. Start the program on the TPU virtual machine, with --tpu=local."
        )
    if not tf.config.list_physical_devices("TPU"):
        raise UserError(
            "--tpu=local, but TensorFlow sees no TPU on this machine. Use a TPU virtual machine "
            "with libtpu and TensorFlow's build for TPUs, or another --distribution_strategy."
        )
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    strategy = tf.distribute.TPUStrategy(resolver)
    if strategy.extended.num_hosts != 1:
        raise UserError(
            f"this TPU has {strategy.extended.num_hosts} machines, but each would read the same "
            "records. Use one of a single machine, with up to eight cores."
        )
    return strategy


def can_compile_updates(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether an optimizer may be called inside of a compiled function of a replica.

    With TensorFlow's mirrored strategies only on GPUs: elsewhere replicas meet for each update,
    which they can do in the outermost function only.
    """
    mirrored = (tf.distribute.MirroredStrategy, tf.distribute.MultiWorkerMirroredStrategy)
    return bool(tf.config.list_physical_devices("GPU")) or not isinstance(strategy, mirrored)
