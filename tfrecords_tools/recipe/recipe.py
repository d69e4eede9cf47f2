"""The settings that records depend on."""

import dataclasses
from typing import Annotated, get_args

from mslt_tf.bounds import Bounds, NonNegativeInt, PositiveInt, check_numbers
from mslt_tf.errors import UserError
from mslt_tf.pretraining_example import SentenceObjective

NUM_PAIR_SPECIALS = 3  # [CLS] first [SEP] second [SEP]
MIN_SEQ_LENGTH = NUM_PAIR_SPECIALS + 2  # one token for each segment

MAX_SEQ_LENGTH = 16_384  # a batch of such records takes some 600 MB of memory

_MaxSeqLength = Annotated[
    int,
    Bounds(
        at_least=MIN_SEQ_LENGTH,
        at_most=MAX_SEQ_LENGTH,
        hint="A record has three special tokens and two segments; BERT's has 128 or 512 tokens.",
    ),
]
_MaxPredictions = Annotated[
    int, Bounds(at_least=1, at_most=MAX_SEQ_LENGTH, hint="BERT's values are 20 and 80.")
]
_ShortSeqProb = Annotated[float, Bounds(at_least=0, at_most=1, hint="BERT's value is 0.1.")]
_MaskedLmProb = Annotated[float, Bounds(at_least=0, at_most=1, hint="BERT's value is 0.15.")]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The settings that records depend on, by BERT's names."""

    max_seq_length: _MaxSeqLength = 128  # tokens, the three special ones included
    max_predictions_per_seq: _MaxPredictions = 20
    dupe_factor: PositiveInt = 10  # passes over each document, with other pairs and masks
    short_seq_prob: _ShortSeqProb = 0.1  # of a (pass, document) to aim at shorter records
    masked_lm_prob: _MaskedLmProb = 0.15  # of a token to be predicted
    random_seed: NonNegativeInt = 12345
    sentence_objective: SentenceObjective = "nsp"  # BERT's next sentence; "sop": ALBERT's order
    whole_word_masking: bool = False  # all pieces of a word together, or each token for itself

    def __post_init__(self) -> None:
        check_numbers(self, prefix="--")
        objectives = get_args(SentenceObjective)
        if self.sentence_objective not in objectives:
            raise UserError(
                f"--sentence_objective is {self.sentence_objective!r}; it must be "
                f"{' or '.join(objectives)}. BERT's is nsp, ALBERT's sop."
            )
