"""GLUE from tensorflow-datasets: the same examples as from the official files."""

import itertools

import pytest
import tensorflow_datasets as tfds

from mslt_tf.errors import UserError
from mslt_tf.finetuning.glue import glue_data, glue_tasks, glue_tfds
from tests.finetuning import prepared_data

TEXTS = ['"He said', "Le café  va\u2028", " b\\", "x\x0by", "", "北京 \U0001f600", 'a "b" c']
SCORES = ("0.0", "3.8", "2.667", "5", "4.25")
NUM_ROWS = 13  # which the library stores in another order, in two files


def refuse(line):
    raise AssertionError(line)


def write(folder, task, split):
    """Writes a split's official file; returns its path."""
    columns = task.splits[split]
    names = (columns.index, columns.text, columns.text_pair, columns.label)
    header = columns.header or tuple(name for name in names if name is not None)
    lines = [] if columns.header else ["\t".join(header)]
    labels = itertools.cycle(task.labels or SCORES)
    texts = itertools.cycle(TEXTS)
    for row in range(NUM_ROWS):
        fields = dict.fromkeys(header, "x") | {
            columns.index: str(row),
            columns.text: f"{split} {row} {next(texts)}",
            columns.text_pair: next(texts),
            columns.label: next(labels),
        }
        lines.append("\t".join(fields[name] for name in header))
    path = folder / columns.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return str(path)


def mrpc_sources(folder):
    """Writes what the library parts into MRPC's splits itself; returns the paths."""
    header = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"
    rows, ids = [], []
    examples = [
        (split, example)
        for split in ("train", "dev")
        for example in glue_data.read(glue_tasks.find("mrpc"), split, str(folder), report=refuse)
    ]
    for number, (split, example) in enumerate(sorted(examples, key=lambda each: each[1].index)):
        rows.append(f"{example.label}\t{number}\t{number}\t{example.text}\t{example.text_pair}")
        ids += [f"{number}\t{number}"] if split == "dev" else []
    (folder / "all.txt").write_text("\n".join([header, *rows]), "utf-8-sig")
    (folder / "ids.tsv").write_text("\n".join(ids))
    test = folder / glue_tasks.find("mrpc").splits["test"].file
    return {"train": folder / "all.txt", "dev_ids": folder / "ids.tsv", "test": test}


def prepare(folder, task):
    """Writes the files of a task, and the data set that tensorflow-datasets makes of them."""
    builder = tfds.builder(f"glue/{task.name}", data_dir=str(folder), try_gcs=False)
    paths = {split: write(folder, task, split) for split in task.splits}
    sources = mrpc_sources(folder) if task.name == "mrpc" else None
    prepared_data.prepare(
        builder,
        {
            split.replace("dev", "validation"): builder._generate_examples(
                path, split.partition("_")[0], sources
            )
            for split, path in paths.items()
            if glue_tfds.has(task, split)
        },
    )


@pytest.mark.parametrize("task", glue_tasks.TASKS, ids=lambda task: task.name)
def test_both_sources_have_the_same_examples(task, tmp_path):
    prepare(tmp_path, task)
    for split in task.splits:
        expected = glue_data.read(task, split, str(tmp_path), report=refuse)
        assert len(expected) == NUM_ROWS
        if glue_tfds.has(task, split):
            found = glue_tfds.read(task, split, data_dir=str(tmp_path), download=False)
            assert found == expected
    lacking = [split for split in task.splits if not glue_tfds.has(task, split)]
    assert lacking == (["dev"] if task.name == "ax" else [])


def test_the_labels_of_the_diagnostic_are_asked_for(tmp_path):
    message = "AX of tensorflow-datasets has no labels for its dev split.*by --glue_dir"
    with pytest.raises(UserError, match=message):
        glue_tfds.read(glue_tasks.find("ax"), "dev", data_dir=str(tmp_path), download=False)


def rows(*, labels, indices):
    return [
        (row, {"sentence1": "a", "sentence2": "b", "label": label, "idx": index})
        for row, (label, index) in enumerate(zip(labels, indices, strict=True))
    ]


def test_labels_and_indices_that_are_not_the_tasks_are_told(tmp_path):
    right = {"labels": [0, 1, 1], "indices": [0, 1, 2]}
    for name, splits in {
        "wnli": {"validation": {"labels": [0, -1, 1]}, "test": {"indices": [0, 1, 1]}},
        "stsb": {"validation": {"labels": [0, 5.5, 1]}, "test": {"indices": [1, 2, 3]}},
    }.items():
        builder = tfds.builder(f"glue/{name}", data_dir=str(tmp_path), try_gcs=False)
        prepared_data.prepare(
            builder, {split: rows(**right | changes) for split, changes in splits.items()}
        )
    for name, split, message in (
        ("wnli", "dev", "WNLI of tensorflow-datasets has the label -1, not one below 2"),
        ("stsb", "dev", r"STS-B of .* has the label 5\.5, not one of 0 to 5.* --glue_dir"),
        ("wnli", "test", "glue/wnli of .* has 3 test rows, whose idx must be 0 to 2, each once"),
        ("stsb", "test", "glue/stsb of .* has 3 test rows, whose idx must be 0 to 2, each once"),
    ):
        with pytest.raises(UserError, match=message):
            glue_tfds.read(glue_tasks.find(name), split, data_dir=str(tmp_path), download=False)
