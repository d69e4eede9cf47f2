"""What both sides are told to do, as a JSON file.

Standard library only: the peer reads it under another Python.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Lists by name. Of GLUE: "texts", "pairs" (None: single texts) and "labels". Of SQuAD the windows:
# "input_ids", "token_type_ids" and, to train on, "start_positions" and "end_positions".
Examples = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Job:
    """One task with its examples, and the settings of its training."""

    encoder: str  # a Hugging Face folder
    model: str  # transformers' class
    train: Examples
    scored: dict[str, Examples]  # by the name of the split
    num_outputs: int  # 1: a regression
    max_length: int
    batch_size: int
    learning_rate: float
    num_epochs: int
    warmup_fraction: float
    weight_decay_rate: float
    seed: int
    precision: str
    torch_compile: bool
    epochs: Sequence[Sequence[Sequence[int]]] = ()  # batches of each epoch; none: a random order

    @classmethod
    def read(cls, path: str) -> "Job":
        """Reads what `write` wrote."""
        return cls(**json.loads(Path(path).read_text("utf-8")))

    def write(self, path: Path) -> None:
        """Writes it as JSON."""
        path.write_text(json.dumps(dataclasses.asdict(self)), "utf-8")
