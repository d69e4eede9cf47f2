"""Scores predictions for SQuAD 1.1 or 2.0 by the published rules, and prints JSON.

  python -m mslt_tf.finetuning.score_squad dev-v1.1.json predictions.json
  python -m mslt_tf.finetuning.score_squad dev-v2.0.json predictions.json --na_prob=na_prob.json

The first file is the official data, the second has {id: text}, with "" for no answer. SQuAD 1.1
gives exact_match and f1, in percent. SQuAD 2.0, where questions have is_impossible, gives exact, f1
and total, the same as HasAns_* and NoAns_* for questions with and without answer, and --na_prob
adds best_exact, best_f1 and their thresholds. Questions without prediction score 0; standard error
tells how many there are.

null_odds.json of run_finetuning has differences of logits, so 1.0, the default of --na_prob_thresh,
is no probability there. Its predictions.json is empty already where there is no answer: without
--na_prob, exact and f1 are those of the tuned threshold.
"""

import dataclasses
import json
import math
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from absl import flags

from mslt_tf import bounds, flag_fields, json_values, path_flags, startup, terminal
from mslt_tf.errors import UserError
from mslt_tf.flag_fields import flag_field
from mslt_tf.path_flags import FilePath

ARGUMENTS = ("DATA.json", "PREDICTIONS.json")
_NO_THRESHOLD = 1.0  # no probability is above

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class ScoreSettings:
    """How predictions are scored."""

    na_prob: FilePath = flag_field(
        "",
        "For SQuAD 2.0: JSON file with {id: number}, such as null_odds.json beside predictions. "
        "The higher the number, the likelier the question has no answer.",
    )
    na_prob_thresh: float = flag_field(
        _NO_THRESHOLD,
        "A question whose number is above this counts as predicted to have no answer.",
    )

    def __post_init__(self) -> None:
        bounds.check_numbers(self, prefix="--")
        if self.na_prob_thresh != _NO_THRESHOLD and not self.na_prob:
            raise UserError(
                f"--na_prob_thresh is {self.na_prob_thresh}, and without --na_prob there are no "
                "numbers to compare with it. Give --na_prob, or leave --na_prob_thresh out."
            )


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of this program."""
    groups = {"Flags": flag_fields.flag_names(ScoreSettings)}
    flag_fields.define_flags(groups, [ScoreSettings], flag_values)


def main(data_file: str, predictions_file: str) -> None:
    """Prints the scores of a file of predictions."""
    settings = ScoreSettings(**flag_fields.values_of(ScoreSettings, flags.FLAGS))
    paths = [path_flags.parse_path(word) for word in (data_file, predictions_file)]
    scores = score(*paths, settings)
    terminal.write(f"{json.dumps(scores, indent=2)}\n")


def score(data_file: str, predictions_file: str, settings: ScoreSettings) -> dict[str, float | int]:
    """Returns the scores of a file of predictions.

    Raises:
        UserError: a file is not as it must be, or `na_prob` is given for SQuAD 1.1.
    """
    # TensorFlow takes seconds to import; wrong flags are told before.
    from mslt_tf.finetuning.squad import squad_data, squad_metrics

    questions, has_impossible = squad_data.read(data_file)
    predictions = _read(predictions_file, Mapping[str, str], "{question id: text}")
    _tell_missing(squad_metrics.missing(questions, predictions), len(questions), predictions_file)
    _tell_foreign(predictions.keys() - {each.id for each in questions}, data_file, predictions_file)
    if not has_impossible:
        if settings.na_prob:
            raise UserError(
                f"--na_prob is {settings.na_prob}, but {data_file} is of SQuAD 1.1, where each "
                "question has an answer. Leave it out, or give data of SQuAD 2.0."
            )
        return squad_metrics.score_1_1(questions, predictions)
    na_probs = _read_na_probs(settings.na_prob) if settings.na_prob else None
    return squad_metrics.score_2_0(
        questions, predictions, na_probs=na_probs, na_prob_thresh=settings.na_prob_thresh
    )


def _read(path: str, declared: type[T], form: str) -> T:
    import tensorflow as tf

    from mslt_tf.files import file_errors

    with file_errors.reading(path), tf.io.gfile.GFile(path, "rb") as file:
        content = file.read()
    try:
        return json_values.parse(declared, json_values.loads(content, distinct_names=True))
    except json_values.JsonValueError as error:
        raise UserError(
            f"{path} does not hold {form}: {error}. Mend it, or give another."
        ) from error


def _read_na_probs(path: str) -> Mapping[str, float]:
    found = _read(path, Mapping[str, float], "{question id: number}")
    wrong = next((key for key, number in found.items() if not math.isfinite(number)), None)
    if wrong is not None:
        raise UserError(f"{path} has {found[wrong]} for {wrong!r}. It must be a finite number.")
    return found


def _tell_missing(ids: Sequence[str], num_questions: int, path: str) -> None:
    if ids:
        sys.stderr.write(
            f"{path} has no prediction for {len(ids):,} of {num_questions:,} questions, which "
            f"score 0; {ids[0]!r} is the first\n"
        )


def _tell_foreign(ids: Collection[str], data_path: str, path: str) -> None:
    if ids:
        sys.stderr.write(
            f"{path} has {len(ids):,} predictions for questions that {data_path} lacks, which "
            f"count for nothing; {min(ids)!r} is one\n"
        )


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "", arguments=ARGUMENTS)
