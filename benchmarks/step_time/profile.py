"""Where a step's time goes, operation by operation, by TensorFlow's profiler."""

import collections
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

# As the profiler names them: a function that is compiled has no operations inside.
COMPILED = {"ExecutorState::ProcessAsync::Start": "functions compiled by XLA"}
# Time in these is of waiting for other threads.
WAITING = ("KernelAndDeviceFunc::Run", "InstantiatedCapturedFunction::RunWithBorrowedArgs")
Row = tuple[str, float, int]  # type of operation, seconds in itself over all threads, calls


def profile(function: Callable[[], object]) -> list[Row]:
    """Calls `function` under the profiler; returns its types of operations, the longest first."""
    options = tf.profiler.experimental.ProfilerOptions(
        host_tracer_level=2, python_tracer_level=0, device_tracer_level=1
    )
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder, options):
            function()
        spaces = [_read(path) for path in Path(folder).rglob("*.xplane.pb")]
    return _sum_up(plane for space in spaces for plane in _device_planes(space))


def _read(path: Path) -> xplane_pb2.XSpace:
    space = xplane_pb2.XSpace()
    space.ParseFromString(path.read_bytes())
    return space


def _device_planes(space: xplane_pb2.XSpace) -> list[xplane_pb2.XPlane]:
    """Returns the planes of GPUs, where the names are those of kernels, or else of the CPU."""
    gpus = [plane for plane in space.planes if "GPU:" in plane.name]
    return gpus or [plane for plane in space.planes if "CPU" in plane.name]


def _sum_up(planes: Iterable[xplane_pb2.XPlane]) -> list[Row]:
    seconds: collections.Counter[str] = collections.Counter()
    calls: collections.Counter[str] = collections.Counter()
    for plane in planes:
        names = {key: op_type(value.name) for key, value in plane.event_metadata.items()}
        for line in plane.lines:
            events = [
                (event.offset_ps, event.offset_ps + event.duration_ps, names[event.metadata_id])
                for event in line.events
            ]
            calls.update(name for _, _, name in events)
            seconds.update(self_times(events))
    return [
        (name, time * 1e-12, calls[name])
        for name, time in seconds.most_common()
        if name not in WAITING
    ]


def op_type(name: str) -> str:
    """Returns the type of operation in the name of an event.

    >>> op_type("bert/encoder_0/query/MatMul:MatMul#id=3#")
    'MatMul'
    >>> op_type("ExecutorState::Process#id=3#")
    'ExecutorState::Process'
    """
    name = name.partition("#")[0]
    return COMPILED.get(name, name) if "::" in name else name.rpartition(":")[2]


def self_times(events: Iterable[tuple[int, int, str]]) -> dict[str, int]:
    """Returns the time of each name, without that of the events inside its own.

    Args:
        events: of one thread, (begin, end, name).
    """
    times: dict[str, int] = collections.defaultdict(int)
    around: list[tuple[int, str]] = []
    for begin, end, name in sorted(events, key=lambda event: (event[0], -event[1])):
        while around and around[-1][0] <= begin:
            around.pop()
        if around:
            times[around[-1][1]] -= end - begin
        times[name] += end - begin
        around.append((end, name))
    return times
