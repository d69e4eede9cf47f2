"""Event files as TensorBoard itself reads them, by each of its readers."""

import subprocess

import grpc
import pytest
import tensorboard_data_server
import tensorflow as tf
from tensorboard import context
from tensorboard.backend.event_processing import (
    event_accumulator,
    event_multiplexer,
    plugin_event_accumulator,
    plugin_event_multiplexer,
)
from tensorboard.data import grpc_provider

from mslt_tf.training import event_file
from mslt_tf.training.event_file import EventFile
from tests import process_groups

LOSS = "train/loss"
ALL = {"scalars": 0, "tensors": 0}


def by_accumulator(folder, tag):
    found = event_accumulator.EventAccumulator(str(folder), ALL).Reload()
    return [(event.step, event.value) for event in found.Scalars(tag)]


def by_multiplexer(folder, tag):
    found = event_multiplexer.EventMultiplexer({"run": str(folder)}, ALL).Reload()
    return [(event.step, event.value) for event in found.Scalars("run", tag)]


def tensors(events):
    return [(event.step, tf.make_ndarray(event.tensor_proto).item()) for event in events]


def by_plugins_accumulator(folder, tag):
    found = plugin_event_accumulator.EventAccumulator(str(folder), ALL).Reload()
    return tensors(found.Tensors(tag))


def by_plugins_multiplexer(folder, tag):
    found = plugin_event_multiplexer.EventMultiplexer({"run": str(folder)}, ALL).Reload()
    return tensors(found.Tensors("run", tag))


EACH_READER = pytest.mark.parametrize(
    "read", [by_accumulator, by_multiplexer, by_plugins_accumulator, by_plugins_multiplexer]
)


def write(folder, steps, *, first_step, value):
    """Writes a file as a start of a run would."""
    file = EventFile(str(folder), first_step=first_step)
    for step in steps:
        file.scalars({LOSS: value, "eval/loss": value}, step=step)
    return file


@EACH_READER
def test_a_resumed_curve_keeps_nothing_of_the_abandoned_part(tmp_path, read):
    write(tmp_path, [2, 4, 6, 8], first_step=1, value=1.0)
    write(tmp_path, [5, 7], first_step=5, value=2.0)
    assert read(tmp_path, LOSS) == [(2, 1.0), (4, 1.0), (5, 2.0), (7, 2.0)]
    write(tmp_path, [9], first_step=7, value=3.0)
    assert read(tmp_path, LOSS) == [(2, 1.0), (4, 1.0), (5, 2.0), (9, 3.0)]


@EACH_READER
def test_the_abandoned_part_is_gone_before_there_is_a_new_one(tmp_path, read):
    write(tmp_path, [2, 4, 6, 8], first_step=1, value=1.0)
    write(tmp_path, [], first_step=5, value=2.0)
    assert read(tmp_path, LOSS) == [(2, 1.0), (4, 1.0)]


@EACH_READER
def test_what_another_writer_left_of_the_abandoned_part_is_gone_too(tmp_path, read):
    """There, no event said that the run began."""
    writer = tf.io.TFRecordWriter(str(tmp_path / "events.out.tfevents.1700000000.host.1.0.v2"))
    writer.write(event_file.Event(file_version="brain.Event:2").SerializeToString())
    for step in (2, 4, 6):
        value = event_file.Value(tag=LOSS, simple_value=1.0)
        event = event_file.Event(step=step, summary=event_file.Summary(value=[value]))
        writer.write(event.SerializeToString())
    writer.close()
    write(tmp_path, [5], first_step=5, value=2.0)
    assert read(tmp_path, LOSS) == [(2, 1.0), (4, 1.0), (5, 2.0)]


@EACH_READER
def test_a_clock_that_is_behind_changes_nothing(tmp_path, read, monkeypatch):
    write(tmp_path, [2, 4, 6, 8], first_step=1, value=1.0)
    monkeypatch.setattr(event_file.time, "time", lambda: 1_500_000_000.0)
    write(tmp_path, [5], first_step=5, value=2.0)
    assert read(tmp_path, LOSS) == [(2, 1.0), (4, 1.0), (5, 2.0)]


def test_a_reader_that_was_there_before_drops_the_abandoned_part(tmp_path):
    write(tmp_path, [2, 4, 6, 8], first_step=1, value=1.0)
    found = plugin_event_accumulator.EventAccumulator(str(tmp_path), ALL).Reload()
    assert tensors(found.Tensors(LOSS))[-1] == (8, 1.0)
    write(tmp_path, [5], first_step=5, value=2.0)
    assert tensors(found.Reload().Tensors(LOSS)) == [(2, 1.0), (4, 1.0), (5, 2.0)]


def test_a_text_is_one_to_tensorboard(tmp_path):
    file = EventFile(str(tmp_path), first_step=1)
    file.text("change/rate", "rate was 1, from here on it is 2", step=4)
    found = plugin_event_accumulator.EventAccumulator(str(tmp_path), ALL).Reload()
    assert tensors(found.Tensors("change/rate")) == [(4, b"rate was 1, from here on it is 2")]
    assert found.PluginTagToContent("text").keys() == {"change/rate"}


def test_with_the_data_server_a_value_replaces_old_ones_of_its_step_and_later(tmp_path):
    write(tmp_path / "run", [2, 4, 6, 8], first_step=1, value=1.0)
    file = EventFile(str(tmp_path / "run"), first_step=5)
    file.scalars({LOSS: 2.0}, step=5)
    curves = by_data_server(tmp_path)
    assert curves[LOSS] == [(2, 1.0), (4, 1.0), (5, 2.0)]
    assert curves["eval/loss"] == [(2, 1.0), (4, 1.0), (6, 1.0), (8, 1.0)]  # no new one yet


def by_data_server(folder):
    """Returns the curves of `folder/run` as `tensorboard --load_fast` shows them."""
    port = folder / "port"
    options = ["--reload=once", "--port=0", "--die-after-stdin"]
    command = [tensorboard_data_server.server_binary(), *options]
    with subprocess.Popen(
        [*command, f"--logdir={folder}", f"--port-file={port}"], stdin=subprocess.PIPE
    ):
        assert process_groups.wait_until(lambda: port.exists() and port.read_text(), timeout=20)
        address = f"localhost:{int(port.read_text())}"
        with grpc.secure_channel(address, grpc.local_channel_credentials()) as channel:
            provider = grpc_provider.GrpcDataProvider(address, grpc_provider.make_stub(channel))

            def scalars():
                return provider.read_scalars(
                    context.RequestContext(),
                    experiment_id="",
                    plugin_name="scalars",
                    downsample=1_000,
                )

            assert process_groups.wait_until(scalars, timeout=20)
            curves = scalars()["run"]
    return {tag: [(datum.step, datum.value) for datum in curve] for tag, curve in curves.items()}
