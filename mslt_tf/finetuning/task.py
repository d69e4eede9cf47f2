"""What a task gives to a fine-tuning, and what it makes of a model's outputs."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mslt_tf.finetuning.objectives import Objective
from mslt_tf.finetuning.sequences import Sequences

# The outputs of each example, in order: float32 [num_outputs], or [its length, num_outputs].
Outputs = Sequence[npt.NDArray[np.float32]]
Predict = Callable[[Sequences], Outputs]
Scores = Mapping[str, float]


class FineTuningTask(Protocol):
    """A task with its data, tokenised for one encoder."""

    @property
    def name(self) -> str:
        """As --task takes it, and as its folder is called."""

    @property
    def objective(self) -> Objective:
        """What the model learns to say."""

    @property
    def num_epochs(self) -> int:
        """Of training, where nobody says otherwise."""

    @property
    def fingerprint(self) -> str:
        """Tells its data from others: of what it is trained on and what runs are chosen by."""

    @property
    def further_fingerprints(self) -> Mapping[str, str]:
        """Tell the data of the other labelled splits, by name; they decide nothing but scores."""

    @property
    def num_characters(self) -> int:
        """Of all training texts: what one epoch's work is reckoned by before they are tokenised."""

    def training_sequences(self) -> Sequences:
        """Returns what is trained on, with targets."""

    def evaluate(
        self, predict: Predict, folder: str, *, splits: Collection[str] | None = None
    ) -> Mapping[str, Scores]:
        """Returns the scores of each labelled split, the one that runs are chosen by first.

        Where `splits` are given, only of those, which are among `further_fingerprints`.

        Writes predictions into `folder`, which belongs to the run alone; a run that was
        interrupted there is done again.

        Raises:
            UserError: an output is not finite, memory is short, or a file cannot be written.
        """

    def selection_score(self, scores: Mapping[str, Scores]) -> float:
        """Returns the one number, the higher the better, that runs are chosen by."""

    def identity(self) -> Mapping[str, Any]:
        """Returns the settings that decide what is trained, for comparison with an earlier run."""
