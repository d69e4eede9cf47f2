"""How SQuAD's contexts are cut into windows, and which answers are looked for."""

import dataclasses
from typing import Annotated

from mslt_tf import bounds
from mslt_tf.bounds import Bounds, PositiveInt
from mslt_tf.errors import UserError
from mslt_tf.flag_fields import flag_field

NUM_MARKS = 3  # of a window: [CLS], and [SEP] twice
DEFAULT_LENGTH = 384  # tokens of a window


@dataclasses.dataclass(frozen=True)
class WindowSizes:
    """How long windows are and how far apart, in tokens."""

    max_seq_length: Annotated[int, Bounds(at_least=NUM_MARKS + 2)] = DEFAULT_LENGTH
    """Most tokens of a window: of question and context, [CLS] and two [SEP]."""
    doc_stride: PositiveInt = flag_field(
        128, "Most tokens of the context from the beginning of a window to that of the next."
    )
    max_query_length: PositiveInt = flag_field(64, "A question's tokens after these are left out.")

    def __post_init__(self) -> None:
        bounds.check_numbers(self, prefix="--")
        longest = self.max_seq_length - NUM_MARKS - 1
        if self.max_query_length > longest:
            raise UserError(
                f"--max_query_length is {self.max_query_length}, and of --max_seq_length "
                f"{self.max_seq_length} it leaves no token to the context. Use at most {longest}."
            )

    @property
    def least_context(self) -> int:
        """Tokens of the context in a window beside the longest question."""
        return self.max_seq_length - NUM_MARKS - self.max_query_length


@dataclasses.dataclass(frozen=True)
class SquadSettings:
    """All that decides, beside model and data, which answers are found."""

    windows: WindowSizes = dataclasses.field(default_factory=WindowSizes)
    n_best: PositiveInt = flag_field(
        20,
        "Most answers to a question that nbest_predictions.json lists. No score depends on it: "
        "finished trials keep their list.",
    )
    max_answer_length: PositiveInt = flag_field(30, "Most tokens of an answer.")

    def __post_init__(self) -> None:
        bounds.check_numbers(self, prefix="--")
