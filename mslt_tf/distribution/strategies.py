"""The distribution strategy of a run: which devices, of which machines, do each step together."""

import functools
import os
import socket

import tensorflow as tf

from mslt_tf.distribution.cluster import Cluster
from mslt_tf.errors import UserError

_SECONDS_TO_FIND_TPU = 5.0


def one_machine(*, all_devices: bool) -> tf.distribute.Strategy:
    """Returns a strategy for the GPUs of this machine, or its CPUs if it has none."""
    gpus = tf.config.list_logical_devices("GPU")
    devices = [device.name for device in gpus or tf.config.list_logical_devices("CPU")]
    if not all_devices:
        return tf.distribute.OneDeviceStrategy(devices[0])
    return _mirrored(tuple(devices))


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
    return tf.distribute.MultiWorkerMirroredStrategy()


def tpu(name: str) -> tf.distribute.Strategy:
    """Returns a strategy for the cores of a TPU. Not yet run on one.

    Args:
        name: "local" on a TPU virtual machine, grpc://HOST:PORT, or a name in Google Cloud.

    Raises:
        UserError: there is no such TPU.
    """
    _check_tpu(name)
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
    if name != "local":
        tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)


def _check_tpu(name: str) -> None:
    """Finds out at once what TensorFlow would try for minutes."""
    if not name:
        raise UserError(
            "--distribution_strategy=tpu needs --tpu: local on a TPU virtual machine, "
            "grpc://HOST:PORT, or the TPU's name in Google Cloud."
        )
    if name == "local":
        if not tf.config.list_physical_devices("TPU"):
            raise UserError(
                "--tpu=local, but TensorFlow sees no TPU on this machine. Use a TPU virtual "
                "machine with libtpu and TensorFlow's build for TPUs, or another "
                "--distribution_strategy."
            )
        return
    host, port = "metadata.google.internal", 80  # it says where a TPU of that name is
    if name.startswith("grpc://"):
        host, _, digits = name.removeprefix("grpc://").rpartition(":")
        if not host or not digits.isdecimal():
            raise UserError(f"--tpu={name} is no address. Give grpc://HOST:PORT.")
        port = int(digits)
    try:
        socket.create_connection((host, port), timeout=_SECONDS_TO_FIND_TPU).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise UserError(
            f"--tpu={name}: {host}:{port} cannot be reached ({error}). Names are known inside "
            "Google Cloud only; give an address that answers, or another --distribution_strategy."
        ) from error
