"""This process among the workers of a run, and how they decide something together.

A worker is a process with its own devices. Workers do the same steps in lockstep, so whatever
decides what comes next, be it a signal or a clock, must be agreed on first.
"""

import re
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from mslt_tf.distribution.cluster import Cluster

PEER_LOST_STATUS = 75  # exit status, EX_TEMPFAIL of sysexits.h: start all workers again
# What a collective ends with when another worker is gone, or does not answer any more.
PEER_ERRORS = (
    tf.errors.UnavailableError,
    tf.errors.DeadlineExceededError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
)
# An aborted collective has the code of whatever went wrong first, on any of the workers.
# NCCL's name alone is no mark: it may also refuse what this worker asks it for.
_MARKS_OF_COLLECTIVES = (
    "Collective ops is aborted",
    "Error invoking NCCL",
    "async NCCL error",
    "NCCL: ",
)


class Workers:
    """All workers of a run; with one of them, nothing is communicated."""

    def __init__(self, strategy: tf.distribute.Strategy, cluster: Cluster | None = None):
        """Takes the strategy of this process, and its cluster if it has more than one worker."""
        self.strategy = strategy
        self.cluster = cluster
        self.index = cluster.index if cluster else 0
        self.count = cluster.num_workers if cluster else 1
        self._gather = tf.function(lambda values: strategy.gather(values, axis=0))

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes the run's files."""
        return self.index == 0

    @property
    def num_local_replicas(self) -> int:
        """How many devices this worker has."""
        return self.strategy.num_replicas_in_sync // self.count

    def gather(self, values: Sequence[float]) -> np.ndarray:
        """Returns the values of all workers, float64 [workers, values]; all must call it.

        Raises:
            tensorflow.errors.OpError: a worker is gone, see `has_lost_peer`.
        """
        own = np.asarray(values, np.float64)[np.newaxis]
        if self.count == 1:
            return own
        per_replica = self.strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(own)
        )
        return self._gather(per_replica).numpy()[:: self.num_local_replicas]

    def largest(self, value: float) -> float:
        """Returns the largest of the workers' values."""
        return float(self.gather([value]).max())

    def of_chief(self, value: float) -> float:
        """Returns the chief's value."""
        return float(self.gather([value])[0, 0])

    def names_of(self, indices: Sequence[int]) -> str:
        """Returns the names of workers, for a message."""
        return ", ".join(
            self.cluster.name_of(i) if self.cluster else "this worker" for i in indices
        )

    def has_lost_peer(self, error: tf.errors.OpError, *, is_explained: bool = False) -> bool:
        """Returns whether an error came of another worker, if nothing is wrong with this one.

        Args:
            error: of an operation.
            is_explained: whether its text tells a cause of its own. A storage that this worker
                alone does not reach ends with the same codes as a collective.
        """
        is_collective = any(mark in error.message for mark in _MARKS_OF_COLLECTIVES)
        is_of_peer = isinstance(error, PEER_ERRORS) and not is_explained
        return self.count > 1 and (is_of_peer or is_collective)

    def describe_loss(self, error: tf.errors.OpError) -> str:
        """Returns what to tell the user of an error for which `has_lost_peer`."""
        # Workers pass an error on in a ring, and each adds its neighbour behind what it was told:
        # the first one named is the one that is gone.
        tasks = [int(task) for task in re.findall(r"/task:(\d+)", error.message)]
        others = [task for task in tasks if task != self.index]
        lost = self.names_of(others[:1]) if others else "another worker"
        return (
            f"{lost} has ended, or cannot be reached any more; its own output says why. Nothing is "
            "lost but the steps since the newest checkpoint. Start all workers again with the same "
            f"command: the run goes on from there. (This worker's exit status is "
            f"{PEER_LOST_STATUS}.)"
        )
