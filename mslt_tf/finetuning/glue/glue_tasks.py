"""The tasks of GLUE as values: the one place that knows their files, columns, labels and metrics.

Source: https://gluebenchmark.com/tasks and the folders that it hands out; the epochs are those of
the paper. Whoever needs a new fact about a task adds a field here.
"""

import dataclasses
from collections.abc import Mapping

from mslt_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Split:
    """One file of a task. Columns are named as in the file's header."""

    file: str  # below --glue_dir
    text: str
    text_pair: str | None = None  # the second text, of tasks on pairs
    label: str | None = None  # None: there are none, as in a test file
    index: str | None = None  # None: rows are counted
    header: tuple[str, ...] = ()  # of a file that lacks one: what its columns are
    has_torn_rows: bool = False  # in the official file, by line ends within a text
    submission: str | None = None  # the file of a submission that holds its predictions
    num_rows: int | None = None  # of the official file, known where predictions are submitted
    is_in_tfds: bool = True  # tensorflow-datasets has it too


@dataclasses.dataclass(frozen=True)
class Task:
    """One task.

    A prediction is a label's place in `labels`, or a score where `score_range` says that the
    task is a regression.
    """

    name: str  # as --task takes it
    title: str  # as tables print it
    splits: Mapping[str, Split]  # train, dev..., test...; read in this order
    metrics: tuple[str, ...]  # see glue_metrics; their mean is the number a task is chosen by
    labels: tuple[str, ...] = ("0", "1")  # as the files write them
    label_names: tuple[str, ...] = ()  # what they mean, for people, in the same order
    score_range: tuple[float, float] | None = None  # of a regression, which has no labels
    num_epochs: int = 3  # of fine-tuning, where nobody says otherwise
    trained_as: str | None = None  # the task whose model predicts this one, if not its own
    tfds_texts: tuple[str, ...] = ()  # in tensorflow-datasets, where not named like the columns

    @property
    def predicted_by(self) -> str:
        """The name of the task whose model predicts this one, which may be itself."""
        return self.trained_as or self.name

    @property
    def is_regression(self) -> bool:
        """Whether the model gives one number and not one of the labels."""
        return self.score_range is not None

    @property
    def has_pairs(self) -> bool:
        """Whether an example is two texts."""
        return all(split.text_pair is not None for split in self.splits.values())

    @property
    def dev_splits(self) -> tuple[str, ...]:
        """Names of the splits that are scored; a run is chosen by the first of them."""
        return tuple(name for name in self.splits if name.startswith("dev"))

    @property
    def test_splits(self) -> tuple[str, ...]:
        """Names of the splits whose predictions are submitted."""
        return tuple(name for name in self.splits if name.startswith("test"))


def _splits(
    folder: str, text: str, text_pair: str | None, label: str, num_test_rows: int
) -> dict[str, Split]:
    """Returns the three files that most tasks have."""
    labelled = {
        name: Split(f"{folder}/{name}.tsv", text, text_pair, label) for name in ("train", "dev")
    }
    return labelled | {"test": _test(folder, "test", text, text_pair, folder, num_test_rows)}


def _test(
    folder: str, name: str, text: str, text_pair: str | None, submission: str, num_rows: int
) -> Split:
    return Split(
        f"{folder}/{name}.tsv",
        text,
        text_pair,
        index="index",
        submission=f"{submission}.tsv",
        num_rows=num_rows,
    )


def _cola_splits() -> dict[str, Split]:
    splits = _splits("CoLA", "sentence", None, "label", 1063)
    header = ("source", "label", "original_label", "sentence")
    return {
        name: split if name == "test" else dataclasses.replace(split, header=header)
        for name, split in splits.items()
    }


def _qqp_splits() -> dict[str, Split]:
    splits = _splits("QQP", "question1", "question2", "is_duplicate", 390965)
    return {
        "train": dataclasses.replace(splits["train"], has_torn_rows=True),
        "dev": dataclasses.replace(splits["dev"], has_torn_rows=True),
        "test": dataclasses.replace(splits["test"], index="id"),
    }


def _mnli_splits() -> dict[str, Split]:
    texts = ("sentence1", "sentence2")
    return {
        "train": Split("MNLI/train.tsv", *texts, "gold_label"),
        "dev_matched": Split("MNLI/dev_matched.tsv", *texts, "gold_label"),
        "dev_mismatched": Split("MNLI/dev_mismatched.tsv", *texts, "gold_label"),
        "test_matched": _test("MNLI", "test_matched", *texts, "MNLI-m", 9796),
        "test_mismatched": _test("MNLI", "test_mismatched", *texts, "MNLI-mm", 9847),
    }


def _ax_splits() -> dict[str, Split]:
    return {
        "dev": Split(
            "diagnostic/diagnostic-full.tsv", "Premise", "Hypothesis", "Label", is_in_tfds=False
        ),
        "test": _test("diagnostic", "diagnostic", "sentence1", "sentence2", "AX", 1104),
    }


_ENTAILMENT_OR_NOT = ("entailment", "not_entailment")
_THREE_RELATIONS = ("entailment", "neutral", "contradiction")

# In the order in which GLUE's tables list them. The order of labels is tensorflow-datasets'.
TASKS = (
    Task(
        name="cola",
        title="CoLA",
        splits=_cola_splits(),
        metrics=("matthews",),
        label_names=("unacceptable", "acceptable"),
    ),
    Task(
        name="sst2",
        title="SST-2",
        splits=_splits("SST-2", "sentence", None, "label", 1821),
        metrics=("accuracy",),
        label_names=("negative", "positive"),
    ),
    Task(
        name="mrpc",
        title="MRPC",
        splits=_splits("MRPC", "#1 String", "#2 String", "Quality", 1725),
        metrics=("f1", "accuracy"),
        label_names=("not_equivalent", "equivalent"),
        tfds_texts=("sentence1", "sentence2"),
    ),
    Task(
        name="stsb",
        title="STS-B",
        splits=_splits("STS-B", "sentence1", "sentence2", "score", 1379),
        metrics=("pearson", "spearman"),
        labels=(),
        score_range=(0.0, 5.0),
        num_epochs=10,
    ),
    Task(
        name="qqp",
        title="QQP",
        splits=_qqp_splits(),
        metrics=("f1", "accuracy"),
        label_names=("not_duplicate", "duplicate"),
    ),
    Task(
        name="mnli",
        title="MNLI",
        splits=_mnli_splits(),
        metrics=("accuracy",),
        labels=_THREE_RELATIONS,
        label_names=_THREE_RELATIONS,
        tfds_texts=("premise", "hypothesis"),
    ),
    Task(
        name="qnli",
        title="QNLI",
        splits=_splits("QNLI", "question", "sentence", "label", 5463),
        metrics=("accuracy",),
        labels=_ENTAILMENT_OR_NOT,
        label_names=_ENTAILMENT_OR_NOT,
    ),
    Task(
        name="rte",
        title="RTE",
        splits=_splits("RTE", "sentence1", "sentence2", "label", 3000),
        metrics=("accuracy",),
        labels=_ENTAILMENT_OR_NOT,
        label_names=_ENTAILMENT_OR_NOT,
        num_epochs=10,
    ),
    Task(
        name="wnli",
        title="WNLI",
        splits=_splits("WNLI", "sentence1", "sentence2", "label", 146),
        metrics=("accuracy",),
        label_names=("not_entailment", "entailment"),
    ),
    Task(
        name="ax",
        title="AX",
        splits=_ax_splits(),
        metrics=("matthews",),
        labels=_THREE_RELATIONS,
        label_names=_THREE_RELATIONS,
        trained_as="mnli",
        tfds_texts=("premise", "hypothesis"),
    ),
)
NAMES = tuple(task.name for task in TASKS)


def find(name: str) -> Task:
    """Returns the task of a name; "STS-B" and "sts_b" are "stsb".

    >>> find("SST-2").label_names
    ('negative', 'positive')

    Raises:
        UserError: there is none; those there are are named.
    """
    plain = name.lower().replace("-", "").replace("_", "")
    for task in TASKS:
        if task.name == plain:
            return task
    raise UserError(f"--task {name} is no task of GLUE. Give one of {', '.join(NAMES)}.")
