"""The files of a fine-tuning: what is told of them before it starts."""

import pytest

from mslt_tf.errors import UserError
from mslt_tf.finetuning.squad import squad_splits
from mslt_tf.finetuning.squad.squad_data import Answer
from tests.finetuning.squad import squad_texts

WITH, OTHER = (
    squad_texts.question("north, south", answer, id=answer) for answer in ("south", "north")
)
WITHOUT = squad_texts.question("north, south", id="none", is_impossible=True)
MISPLACED = WITH._replace(id="moved", answers=(Answer("south", 6), Answer("east", 0)))


def write(folder, version, train, dev):
    for split, questions in (("train", train), ("dev", dev)):
        value = squad_texts.layout(*questions, has_impossible=version == "v2.0")
        squad_texts.write(folder / f"{split}-{version}.json", value)
    return str(folder)


def refuse(line):
    raise AssertionError(line)


def test_both_versions_are_read_from_one_folder(tmp_path):
    write(tmp_path, "v1.1", [WITH], [OTHER])
    folder = write(tmp_path, "v2.0", [WITH, WITHOUT], [WITHOUT, OTHER])
    first, second = (
        squad_splits.read(name, folder, report=refuse) for name in ("squad_1.1", "squad_2.0")
    )
    assert first == ("squad_1.1", (WITH,), (OTHER,))
    assert second == ("squad_2.0", (WITH, WITHOUT), (WITHOUT, OTHER))
    assert (first.has_impossible, second.has_impossible) == (False, True)


def test_questions_whose_answers_are_misplaced_are_left_out_of_training_and_told(tmp_path):
    folder = write(tmp_path, "v2.0", [MISPLACED, WITHOUT, WITH], [MISPLACED])
    lines = []
    splits = squad_splits.read("squad_2.0", folder, report=lines.append)
    assert splits.train == (WITHOUT, WITH)
    assert splits.dev == (MISPLACED,)  # it is scored by its texts
    of_train, of_dev = lines
    assert "train-v2.0.json: 1 questions are left out of training, as 2 of 3 answers " in of_train
    assert "dev-v2.0.json: 2 of 2 answers are not at their answer_start" in of_dev
    assert of_dev.endswith(". They are scored all the same, by their texts.")
    for line in lines:
        assert "question 'moved' has 'south' at 6" in line


@pytest.mark.parametrize(
    ("name", "train", "dev", "message"),
    [
        ("squad", [WITH], [WITH], r"--task squad is no .* Give one of squad_1\.1, squad_2\.0"),
        ("squad_1.1", [MISPLACED], [WITH], r"train-v1\.1\.json has nothing to learn: 2 of 2 ans"),
        (
            "squad_1.1",
            [WITH],
            [OTHER, WITH._replace(answers=())],
            r"dev-v1\.1\.json has 1 questions without answers, the first is 'south'",
        ),
    ],
)
def test_what_cannot_be_learnt_or_scored_is_told(tmp_path, name, train, dev, message):
    folder = write(tmp_path, "v1.1", train, dev)
    with pytest.raises(UserError, match=message):
        squad_splits.read(name, folder, report=refuse)


@pytest.mark.parametrize("split", ["train", "dev"])
@pytest.mark.parametrize(("name", "other"), [("v1.1", "v2.0"), ("v2.0", "v1.1")])
def test_a_file_of_the_other_version_is_told(tmp_path, name, other, split):
    for version in ("v1.1", "v2.0"):
        write(tmp_path, version, [WITH], [WITH])
    (tmp_path / f"{split}-{other}.json").rename(tmp_path / f"{split}-{name}.json")
    message = rf"{split}-{name}\.json is of squad_{other[1:]}: .* or --task=squad_{other[1:]}\."
    with pytest.raises(UserError, match=message):
        squad_splits.read(f"squad_{name[1:]}", str(tmp_path), report=refuse)


@pytest.mark.parametrize("split", ["train", "dev"])
def test_a_file_that_is_not_there_is_told_with_its_name(tmp_path, split):
    write(tmp_path, "v1.1", [WITH], [WITH])
    (tmp_path / f"{split}-v1.1.json").unlink()
    with pytest.raises(UserError, match=rf"no \S+/{split}-v1\.1\.json\. Give by --squad_dir"):
        squad_splits.read("squad_1.1", str(tmp_path), report=refuse)
