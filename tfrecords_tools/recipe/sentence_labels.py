"""What the sentence labels of a record are called, by the objective they were made for."""

import dataclasses
from collections.abc import Mapping

from mslt_tf.dataset_info import StoredObjective
from mslt_tf.pretraining_example import IN_ORDER, IS_NEXT, IS_RANDOM_NEXT, SWAPPED


@dataclasses.dataclass(frozen=True)
class LabelNames:
    """Words for the two labels, and for the share of the records with label 1."""

    meanings: Mapping[int, str]  # by label
    statistic: str  # the share's name in `dataset_info.json`
    title: str  # the share's name on the terminal, at most 16 characters
    remark: str  # how large it should be


LABEL_NAMES: Mapping[StoredObjective, LabelNames] = {
    "nsp": LabelNames(
        meanings={
            IS_NEXT: "the second segment follows the first",
            IS_RANDOM_NEXT: "the second segment is a random one",
        },
        statistic="random_next_rate",
        title="random next",
        remark="BERT: 50 %, and all whose first segment has no sentence after it",
    ),
    "sop": LabelNames(
        meanings={
            IN_ORDER: "the segments stand as in the text",
            SWAPPED: "the segments are swapped",
        },
        statistic="swapped_rate",
        title="swapped",
        remark="ALBERT: 50 %",
    ),
    "": LabelNames(
        meanings={
            0: "the second segment follows the first",
            1: "the second segment is a random one, or the two are swapped",
        },
        statistic="label_1_rate",
        title="label 1",
        remark="random next or swapped: the data set does not say which; either way about 50 %",
    ),
}
