"""GLUE's tasks as values, against tensorflow-datasets and a submission that someone made."""

import pytest
import tensorflow_datasets as tfds

from mslt_tf.errors import UserError
from mslt_tf.finetuning.glue import glue_tasks
from tests import real_text

REFERENCES = {config.name: config for config in tfds.text.Glue.BUILDER_CONFIGS}
# Rows of the test files of today.
NUM_ROWS = {
    "CoLA.tsv": 1063,
    "SST-2.tsv": 1821,
    "MRPC.tsv": 1725,
    "STS-B.tsv": 1379,
    "QQP.tsv": 390965,
    "MNLI-m.tsv": 9796,
    "MNLI-mm.tsv": 9847,
    "QNLI.tsv": 5463,
    "RTE.tsv": 3000,
    "WNLI.tsv": 146,
    "AX.tsv": 1104,
}


@pytest.mark.parametrize("task", glue_tasks.TASKS, ids=lambda task: task.name)
def test_labels_and_columns_are_those_of_tensorflow_datasets(task):
    reference = REFERENCES[task.name]
    assert (task.label_names or None) == (
        reference.label_classes and tuple(reference.label_classes)
    )
    for place, label in enumerate(task.labels):
        to_place = reference.process_label
        assert to_place(int(label) if label.isdigit() else label) in (place, label)
    split = task.splits["dev" if task.name == "ax" else task.dev_splits[0]]
    if task.name not in ("mrpc", "ax"):  # tensorflow-datasets reads these from other files
        texts = [text for text in (split.text, split.text_pair) if text is not None]
        assert texts == list(reference.text_features.values())
        assert split.file.split("/")[0] == reference.data_dir
    if task.name not in ("cola", "ax"):  # without header; without labels there
        assert split.label == reference.label_column


def test_each_test_file_has_a_submission_of_its_rows():
    splits = [task.splits[name] for task in glue_tasks.TASKS for name in task.test_splits]
    assert {split.submission: split.num_rows for split in splits} == NUM_ROWS
    assert all(split.label is None and split.index is not None for split in splits)


def test_labels_are_the_words_of_a_real_submission():
    folder = real_text.path("glue_submission")
    for task in glue_tasks.TASKS:
        for split in (task.splits[name] for name in task.test_splits):
            rows = (folder / split.submission).read_text().splitlines()[1:]
            words = {row.split("\t")[1] for row in rows}
            if task.is_regression:
                assert words <= {f"{thousandths / 1000:.3f}" for thousandths in range(5001)}
            elif "0" in task.labels:
                assert words <= set(task.labels)  # its CoLA says 1 only
            else:
                assert words == set(task.labels)


def test_all_but_the_diagnostic_train_and_are_scored():
    for task in glue_tasks.TASKS:
        assert task.dev_splits
        assert ("train" in task.splits) == (task.trained_as is None)
        if task.trained_as is not None:
            trained = glue_tasks.find(task.trained_as)
            assert (task.labels, task.has_pairs) == (trained.labels, trained.has_pairs)
    assert glue_tasks.find("mnli").dev_splits == ("dev_matched", "dev_mismatched")


def test_two_tasks_train_for_ten_epochs_as_in_the_paper():
    epochs = {task.name: task.num_epochs for task in glue_tasks.TASKS}
    assert {name for name, number in epochs.items() if number == 10} == {"stsb", "rte"}
    assert set(epochs.values()) == {3, 10}


def test_two_tasks_are_on_single_texts():
    assert [task.name for task in glue_tasks.TASKS if not task.has_pairs] == ["cola", "sst2"]


@pytest.mark.parametrize("name", ["stsb", "STS-B", "sts_b", "StsB"])
def test_a_task_is_found_as_people_write_it(name):
    assert glue_tasks.find(name).title == "STS-B"


@pytest.mark.parametrize("name", ["", "squad", "mnli mm"])
def test_an_unknown_task_is_told_with_the_known_ones(name):
    with pytest.raises(UserError, match=f"--task {name} is no .*cola, sst2, .*, wnli, ax"):
        glue_tasks.find(name)
