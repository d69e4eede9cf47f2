"""Tokenised documents: all sentences lie one behind the other in one array of tokens."""

import dataclasses

import numpy as np
import numpy.typing as npt


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Tokenised documents. No sentence and no document is empty."""

    tokens: npt.NDArray[np.int32]  # [tokens], of all documents in order
    sentence_starts: npt.NDArray[np.int64]  # [sentences + 1], into tokens; last = their number
    document_starts: npt.NDArray[np.int64]  # [documents + 1], into sentences; last = their number

    @property
    def num_documents(self) -> int:
        """How many documents there are."""
        return len(self.document_starts) - 1

    @property
    def num_sentences(self) -> int:
        """How many sentences there are."""
        return len(self.sentence_starts) - 1

    def count_tokens(self, documents: npt.NDArray[np.int64]) -> int:
        """Returns how many tokens the documents with these indices have."""
        starts = self.sentence_starts[self.document_starts]  # [documents + 1], into tokens
        return int(np.diff(starts)[documents].sum())
