"""TensorBoard's event files, the curves of which do not run backwards where a run goes on.

A resumed run does steps again that older files hold. So its new file begins with an event that says
where it starts, and TensorBoard drops what it read of that step and later ones. TensorFlow's writer
for eager mode cannot write this event, and it names files by a clock, which may be slower than that
of the machine before. TensorBoard's data server (`--load_fast`) knows no such event: there, a value
replaces those of its curve that came before it and have its step or a later one.
"""

import os
import re
import socket
import time
from collections.abc import Mapping, Sequence

import tensorflow as tf

Event, SessionLog, Summary = tf.compat.v1.Event, tf.compat.v1.SessionLog, tf.compat.v1.Summary
Value = Summary.Value

_NAME = re.compile(r"events\.out\.tfevents\.(\d{10})\.")


class EventFile:
    """A new file in a folder of event files."""

    def __init__(self, folder: str, *, first_step: int):
        """Creates the file.

        Args:
            folder: of this run's event files.
            first_step: the first step that will be written; what is there of it and of later ones
                no longer counts.

        Raises:
            tensorflow.errors.OpError: the folder cannot be written to.
        """
        tf.io.gfile.makedirs(folder)
        self._writer = tf.io.TFRecordWriter(os.path.join(folder, _next_name(folder)))
        self._add(Event(file_version="brain.Event:2"))
        # TensorBoard takes the first one that it sees for the run's beginning, and drops nothing.
        for _ in range(2):
            start = SessionLog(status=SessionLog.START)
            self._add(Event(step=first_step, session_log=start))
        self._writer.flush()

    def scalars(self, values: Mapping[str, float], *, step: int) -> None:
        """Adds a point to each curve.

        Raises:
            tensorflow.errors.OpError: the file cannot be written.
        """
        # As plain values, not tensors: of these, `EventAccumulator` would drop none.
        self._summary(step, [Value(tag=tag, simple_value=value) for tag, value in values.items()])

    def text(self, tag: str, text: str, *, step: int) -> None:
        """Adds a text.

        Raises:
            tensorflow.errors.OpError: the file cannot be written.
        """
        metadata = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "text"})
        tensor = tf.make_tensor_proto(text, tf.string)
        self._summary(step, [Value(tag=tag, tensor=tensor, metadata=metadata)])

    def _summary(self, step: int, values: Sequence[Value]) -> None:
        self._add(Event(step=step, summary=Summary(value=values)))
        self._writer.flush()

    def _add(self, event: Event) -> None:
        event.wall_time = time.time()
        self._writer.write(event.SerializeToString())


def _next_name(folder: str) -> str:
    """Returns a name that sorts after all others: TensorBoard reads the files in this order."""
    numbers = [int(found[1]) for found in map(_NAME.match, tf.io.gfile.listdir(folder)) if found]
    number = max([int(time.time()), *(number + 1 for number in numbers)])
    return f"events.out.tfevents.{number:010d}.{socket.gethostname()}.{os.getpid()}.0.v2"
