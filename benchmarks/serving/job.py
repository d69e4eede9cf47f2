"""What both sides are told to do.

Standard library only: the peer reads it under another Python.
"""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

from benchmarks.step_time import pipes

OURS, THEIRS = "ours", "transformers"  # the two sides


@dataclasses.dataclass(frozen=True)
class Job:
    """A model, and the requests that it answers."""

    folder: str
    batch_sizes: list[int]
    seq_length: int
    vocab_size: int

    @classmethod
    def read(cls, text: str) -> "Job":
        """Reads what `to_json` returned."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """Returns it as a text of one line."""
        return json.dumps(dataclasses.asdict(self))

    def ids(self, batch_size: int) -> list[list[int]]:
        """Returns the tokens of a request: whole numbers below `vocab_size`, without padding."""
        seq = self.seq_length
        tokens = [7_919 * place % self.vocab_size for place in range(1, batch_size * seq + 1)]
        return [tokens[row * seq :][:seq] for row in range(batch_size)]


def task_of(batch_size: int) -> str:
    """Returns what to ask a side for: a request of so many texts."""
    return f"batch {batch_size}"


def make_tasks(
    job: Job,
    *,
    clock: Callable[[], float],
    start: float,
    load: Callable[[], None],
    answer: Callable[[list[list[int]]], Callable[[], Any]],
) -> pipes.Tasks:
    """Loads a model, and returns what can be asked for.

    Args:
        job: the model and its requests.
        clock: tells seconds.
        start: the time before the side's libraries were imported.
        load: loads the model.
        answer: makes a function of a request's ids that returns the pooled vectors.

    Returns:
        For each batch size a task that answers so many requests. "start" tells the seconds of
        imports, of loading, and from then to the first answer; "facts" the first vector.
    """
    imported = clock()
    load()
    loaded = clock()
    first = answer(job.ids(1))()
    answered = clock()
    seconds = {"import": imported - start, "load": loaded - imported}
    seconds |= {"first answer": answered - loaded}

    def timed(batch_size: int) -> Callable[[int], dict[str, float]]:
        ask = answer(job.ids(batch_size))

        def repeat(num_requests: int) -> dict[str, float]:
            begin = clock()
            for _ in range(num_requests):
                ask()
            return {"seconds": clock() - begin}

        return repeat

    return {
        **{task_of(size): timed(size) for size in job.batch_sizes},
        "start": lambda _: seconds,
        "facts": lambda _: [float(value) for value in first[0]],
    }
