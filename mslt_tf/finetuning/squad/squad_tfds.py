"""Reads SQuAD from tensorflow-datasets: the questions of the official files, in another order."""

from collections.abc import Callable
from typing import Any

from mslt_tf.errors import UserError
from mslt_tf.finetuning import prepared_examples
from mslt_tf.finetuning.squad import squad_data, squad_splits
from mslt_tf.finetuning.squad.squad_data import SquadData
from mslt_tf.finetuning.squad.squad_splits import DEV, TRAIN, SquadSplits
from mslt_tf.json_values import JsonValueError

_FEATURES = ("id", "question", "context", "answers/text", "answers/answer_start")
_INSTEAD = "give the official files by --squad_dir"
_SPLITS = {TRAIN: "train", DEV: "validation"}


def read(name: str, *, data_dir: str, download: bool, report: Callable[[str], None]) -> SquadSplits:
    """Reads squad/v1.1 or squad/v2.0.

    Args:
        name: one of `squad_splits.VERSIONS`.
        data_dir: where prepared data sets are; "" for tensorflow-datasets' own place.
        download: whether to download and prepare the data set where it is not there.
        report: takes lines about misplaced answers, see `squad_splits.check`.

    Raises:
        UserError: the data set is not prepared, cannot be read or is not as it must be.
    """
    data_set = f"squad/{squad_splits.version_of(name)}"
    data = {
        split: _read_split(data_set, stored, data_dir=data_dir, download=download)
        for split, stored in _SPLITS.items()
    }
    sources = {
        split: f"{stored} of tensorflow-datasets' {data_set}" for split, stored in _SPLITS.items()
    }
    return squad_splits.check(name, data, sources, report=report)


def _read_split(data_set: str, split: str, *, data_dir: str, download: bool) -> SquadData:
    features = (*_FEATURES, "is_impossible") if data_set.endswith("v2.0") else _FEATURES
    examples = prepared_examples.read(
        data_set, split, features, data_dir=data_dir, download=download, instead=_INSTEAD
    )
    paragraphs = [_paragraph(*example) for example in examples]
    try:
        return squad_data.parse({"data": [{"paragraphs": paragraphs}]})
    except JsonValueError as error:
        raise UserError(
            f"{data_set} of tensorflow-datasets is not as SQuAD is, laid out as its files are: "
            f"{error}. Prepare it anew, or {_INSTEAD}."
        ) from error


def _paragraph(
    id: str, question: str, context: str, texts: list[str], starts: list[int], *marks: bool
) -> dict[str, Any]:
    """Returns a question as the official files have it; `marks` is is_impossible, in 2.0."""
    pairs = zip(texts, starts, strict=True)
    answers = [{"text": text, "answer_start": start} for text, start in pairs]
    entry = {"id": id, "question": question, "answers": answers}
    mark = {"is_impossible": marks[0]} if marks else {}
    return {"context": context, "qas": [entry | mark]}
