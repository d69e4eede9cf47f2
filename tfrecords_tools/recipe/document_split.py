"""Which documents are for training, and which are held out."""

import numpy as np
import numpy.typing as npt

from mslt_tf.errors import UserError
from mslt_tf.pretraining_example import SentenceObjective


def least_documents(sentence_objective: SentenceObjective) -> tuple[int, str]:
    """Returns how many documents a split takes at least, and why."""
    if sentence_objective == "sop":
        return 1, "no document is in both splits"
    return 2, "a random next sentence comes from another document of the same split"


def split_documents(
    num_documents: int,
    *,
    heldout_fraction: float,
    seed: int,
    sentence_objective: SentenceObjective = "nsp",
    num_repeats: npt.NDArray[np.int64] | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns the indices of the (train, held-out) documents, each ascending.

    With "nsp" a split that exists has at least two documents, because a random next sentence comes
    from another document of the same split; with "sop" one is enough. Documents that stand in the
    text again are held out only where the others do not suffice, as all copies go along.

    Args:
        num_documents: that are different.
        heldout_fraction: share of them to hold out.
        seed: of the choice.
        sentence_objective: what the records are for.
        num_repeats: [num_documents] how often each stands in the text again; None: never.

    Raises:
        UserError: there are too few documents for that.
    """
    least, reason = least_documents(sentence_objective)
    num_heldout = max(least, round(num_documents * heldout_fraction)) if heldout_fraction else 0
    needed = 2 * least if num_heldout else least
    if num_documents - num_heldout < least:
        advice = "or set --heldout_fraction=0 " if num_documents >= least and num_heldout else ""
        num_again = 0 if num_repeats is None else int(num_repeats.sum())
        beside = f", and {num_again:,} more that are one of them again" if num_again else ""
        raise UserError(
            f"The input holds {num_documents} document(s) with text{beside}; it takes at least "
            f"{needed}, "
            f"because {reason}. "
            f"Give more documents {advice}(a blank line ends a document in plain text)."
        )
    order = np.random.default_rng(list(f"{seed}/split".encode())).permutation(num_documents)
    if num_repeats is not None:
        order = order[np.argsort(num_repeats[order] > 0, kind="stable")]
    return np.sort(order[num_heldout:]), np.sort(order[:num_heldout])
