"""Which devices do a step together, and a TPU that is not there."""

import socket
import time

import pytest
import tensorflow as tf

from mslt_tf.distribution import strategies
from mslt_tf.errors import UserError
from tests.distribution import worker_processes


@pytest.mark.multi_device
def test_one_machine_gives_the_first_device_or_all_of_them():
    assert strategies.one_machine(all_devices=False).num_replicas_in_sync == 1
    assert strategies.one_machine(all_devices=True).num_replicas_in_sync == 2
    assert strategies.one_machine(all_devices=True) is strategies.one_machine(all_devices=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "needs --tpu"),
        ("local", "TensorFlow sees no TPU on this machine"),
        ("grpc://nowhere", "is no address"),
        ("grpc://127.0.0.1:99999", "cannot be reached"),
        ("CLOSED", r"127\.0\.0\.1:\d+ cannot be reached"),
    ],
)
def test_a_tpu_that_is_not_there_is_refused_at_once(name, message):
    if name == "CLOSED":
        name = f"grpc://{worker_processes.free_addresses(1)[0]}"
    began = time.monotonic()
    with pytest.raises(UserError, match=message):
        strategies.tpu(name)
    assert time.monotonic() - began < 10


def test_a_tpu_by_name_is_looked_for_in_google_cloud(monkeypatch):
    def refuse(address, timeout):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(UserError, match=r"metadata\.google\.internal:80 .* inside Google Cloud"):
        strategies.tpu("my-tpu")
    assert not tf.config.list_logical_devices("TPU")
