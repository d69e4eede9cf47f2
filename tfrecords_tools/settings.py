"""What `create_data` is told: where the documents are, how records are made, where they go."""

import dataclasses
from typing import Any

from mslt_tf.errors import UserError
from tfrecords_tools.recipe import Recipe

MAX_HELDOUT_FRACTION = 0.5
MAX_SHARDS = 99_999  # five digits in a file name


@dataclasses.dataclass(frozen=True)
class DatasetSettings:
    """Everything that a data set of pretraining records depends on."""

    input: str  # glob patterns, separated by commas, or "embedded"
    output_dir: str
    vocab_file: str
    do_lower_case: bool = True
    heldout_fraction: float = 0.02  # of the documents
    num_shards: int = 8  # of the train split
    recipe: Recipe = dataclasses.field(default_factory=Recipe)

    def __post_init__(self) -> None:
        for name in ("input", "output_dir", "vocab_file"):
            if not getattr(self, name):
                raise UserError(f"--{name} is not set, and has no default. See --help.")
        if not 0 <= self.heldout_fraction <= MAX_HELDOUT_FRACTION:
            raise UserError(
                f"--heldout_fraction is {self.heldout_fraction}; it must lie between 0 and "
                f"{MAX_HELDOUT_FRACTION}. It is a share of all documents; 0.02 is usual."
            )
        if not 1 <= self.num_shards <= MAX_SHARDS:
            raise UserError(
                f"--num_shards is {self.num_shards}; it must lie between 1 and {MAX_SHARDS:,}. "
                "A few per reading worker are enough, e.g. 8."
            )

    def to_record(self) -> dict[str, Any]:
        """Returns the settings that decide the records, by flag name; not where they lie."""
        return {
            "input": self.input,
            "do_lower_case": self.do_lower_case,
            "heldout_fraction": self.heldout_fraction,
            "num_shards": self.num_shards,
            **dataclasses.asdict(self.recipe),
        }
