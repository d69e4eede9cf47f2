"""The order in which a run reads its records, and how lanes let several workers share the reading.

A position counts the sequences a run has read since it began; epoch e is positions e * N to
(e + 1) * N - 1 of N records. Each epoch lays its records out in a row: the blocks in a seeded
permutation, the records within each block in another. Were position after position to follow that
row, every worker would have to read all blocks to get its part of each batch. So positions are
dealt out to lanes like cards, position p to lane p % L, and each epoch's row is cut into L
stretches, the first for lane 0. A lane reads its stretch from end to end. So a worker that needs
some of the lanes opens the blocks of their stretches only; each record still comes once in each
epoch, and any position is found without reading what lies before it.

With ten records, whose row in this epoch is d a h c b j g i f e, and three lanes:

    lane 0 reads  d a h c  at positions 0 3 6 9
    lane 1 reads  b j g    at positions 1 4 7
    lane 2 reads  i f e    at positions 2 5 8

and the epoch's records come in the order d b i a j f h g e c. The next epoch begins at position
10, which is lane 1's. With one lane, the order is the row itself.
"""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np

MAX_LANES = 8  # each takes some 100 MB, and reads a block before the first step
BLOCKS_PER_LANE = 4  # at least; two lanes may both have to open the block at their stretches' edge


def count_lanes(*, num_blocks: int, batch_size: int) -> int:
    """Returns the number of lanes: the most that there are blocks for, of which all batches hold.

    Args:
        num_blocks: of the records.
        batch_size: the global batch, over all workers; the number of lanes divides it.
    """
    most = min(MAX_LANES, num_blocks // BLOCKS_PER_LANE)
    return max((lanes for lanes in range(2, most + 1) if batch_size % lanes == 0), default=1)


@dataclasses.dataclass(frozen=True)
class RecordOrder:
    """Which record is at which position: a function of the seed, the blocks and the lanes."""

    block_sizes: tuple[int, ...]  # records of each block
    seed: int
    num_lanes: int

    def reads(self, lane: int, *, position: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yields what a lane reads from `position` on, without end: blocks, and rows of each.

        The rows int64 are the places of records within the block, in the order to come.
        """
        num_records = sum(self.block_sizes)
        for epoch in itertools.count(position // num_records):
            first = epoch * num_records
            before = self._counts(first)
            ends = np.cumsum(self._counts(first + num_records) - before)
            start = ends[lane - 1] if lane else 0
            start += self._counts(max(position, first))[lane] - before[lane]
            yield from self._part_of_row(epoch, int(start), int(ends[lane]))

    def positions(self, first_position: int, *, batch_size: int) -> np.ndarray:
        """Returns the positions int64 [batch] of a batch, lane 0's first, ascending in each lane.

        They are the `batch_size` positions from `first_position` on. A later batch has greater
        ones, but in the same order.
        """
        number = np.arange(batch_size // self.num_lanes)  # of a lane's records in the batch
        lanes = np.arange(self.num_lanes)
        by_lane = (self._counts(first_position)[:, None] + number) * self.num_lanes + lanes[:, None]
        return by_lane.reshape(-1)

    def blocks_at(self, position: int, *, num_records: int) -> list[int]:
        """Returns the blocks, each once, that hold `num_records` records from `position` on."""
        found: dict[int, None] = {}
        wanted = self._counts(position + num_records) - self._counts(position)
        for lane in np.flatnonzero(wanted):
            left = int(wanted[lane])
            for block, rows in self.reads(int(lane), position=position):
                found[block] = None
                left -= len(rows)
                if left <= 0 or len(found) == len(self.block_sizes):
                    break
        return list(found)

    def _counts(self, position: int) -> np.ndarray:
        """Returns how many positions below `position` are each lane's, int64 [lanes]."""
        return (position - 1 - np.arange(self.num_lanes)) // self.num_lanes + 1

    def _part_of_row(self, epoch: int, start: int, end: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yields the blocks, and rows of them, of places `start` to `end` - 1 of an epoch's row."""
        for block in self._block_order(epoch):
            size = self.block_sizes[block]
            first, last = max(start, 0), min(end, size)
            if first < last:
                rows = np.random.default_rng([self.seed, epoch, int(block)]).permutation(size)
                yield int(block), rows[first:last]
            start, end = start - size, end - size
            if end <= 0:
                return

    def _block_order(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, epoch])
        return rng.permutation(len(self.block_sizes))
