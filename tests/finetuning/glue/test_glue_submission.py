"""Submissions: exact texts, equal bytes for equal predictions, no file of others replaced."""

import math
import random
import re
import zipfile

import numpy as np
import pytest

from mslt_tf.errors import UserError
from mslt_tf.finetuning.glue import glue_submission, glue_submission_check, submission_file
from tests import real_text
from tests.finetuning.glue import submissions


def all_predictions():
    predictions = {}
    for name, (task, split) in glue_submission.files().items():
        num_choices = len(task.labels) or 5
        rows = range(task.splits[split].num_rows)
        predictions[name] = {i: i % num_choices for i in rows}
    return predictions


@pytest.mark.parametrize(
    ("name", "predictions", "rows"),
    [
        ("CoLA.tsv", [1, 0], ["0\t1", "1\t0"]),
        ("MNLI-mm.tsv", [2, 0, 1], ["0\tcontradiction", "1\tentailment", "2\tneutral"]),
        ("AX.tsv", [1, 2], ["0\tneutral", "1\tcontradiction"]),
        ("QNLI.tsv", np.array([1, 0]), ["0\tnot_entailment", "1\tentailment"]),
        ("RTE.tsv", [0, 1], ["0\tentailment", "1\tnot_entailment"]),
        (
            "STS-B.tsv",
            np.array([-0.2, 5.2, 3.14159, -0.0, 1e-9], np.float32),
            ["0\t0.000", "1\t5.000", "2\t3.142", "3\t0.000", "4\t0.000"],
        ),
    ],
)
def test_a_file_is_as_glue_wants_it(name, predictions, rows):
    text = glue_submission.text_of(name, dict(enumerate(predictions)))
    assert text == "\n".join(["index\tprediction", *rows, ""])


def test_rows_follow_their_index_whatever_the_order_of_prediction():
    predictions = [random.Random(i).randrange(3) for i in range(50)]
    shuffled = random.Random(1).sample(list(enumerate(predictions)), 50)
    texts = {
        glue_submission.text_of("AX.tsv", dict(pairs))
        for pairs in (shuffled, enumerate(predictions))
    }
    assert len(texts) == 1


def test_what_is_written_is_found_right_and_is_the_same_again(tmp_path):
    paths = [tmp_path / name for name in ("one.zip", "two.zip")]
    predictions = all_predictions()
    glue_submission.write(str(paths[0]), predictions)
    glue_submission.write(str(paths[1]), dict(reversed(predictions.items())))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert glue_submission_check.validate(str(paths[0]), str(tmp_path)) == []
    records = [tmp_path / f"{path.name}{submission_file.RECORD}" for path in paths]
    assert sorted(tmp_path.iterdir()) == sorted([*paths, *records])
    with zipfile.ZipFile(paths[0]) as archive:
        assert archive.namelist() == sorted(predictions)
        assert archive.testzip() is None


def test_a_real_submission_reads_as_it_would_be_written():
    folder = real_text.path("glue_submission")
    for name, (task, _) in glue_submission.files().items():
        text = (folder / name).read_text()
        words = [row.split("\t")[1] for row in text.splitlines()[1:]]
        values = [task.labels.index(word) if task.labels else float(word) for word in words]
        assert glue_submission.text_of(name, dict(enumerate(values))) == text


@pytest.mark.parametrize("is_ours_before", [True, False])
def test_another_file_of_the_name_stays(tmp_path, is_ours_before):
    path, beside = tmp_path / "s.zip", tmp_path / "s_2.zip"
    if is_ours_before:
        glue_submission.write(str(path), {"WNLI.tsv": {0: 1}})
    submissions.write_zip(path, {"WNLI.tsv": "mine"})
    content = path.read_bytes()
    for prediction in (1, 1, 0):  # a new one, the same again, and one in its place
        found = glue_submission.write(str(path), {"WNLI.tsv": {0: prediction}})
        assert found == str(beside)
        assert text_in(beside) == f"index\tprediction\n0\t{prediction}\n"
    assert path.read_bytes() == content
    assert sorted(each.name for each in tmp_path.glob("*.zip")) == ["s.zip", "s_2.zip"]
    path.write_bytes(beside.read_bytes())  # whoever put it there
    assert glue_submission.write(str(path), {"WNLI.tsv": {0: 0}}) == str(path)


def test_a_file_of_this_programs_own_is_replaced_by_another(tmp_path):
    path = tmp_path / "s.zip"
    for prediction in (1, 1, 0):
        assert glue_submission.write(str(path), {"WNLI.tsv": {0: prediction}}) == str(path)
        assert text_in(path) == f"index\tprediction\n0\t{prediction}\n"
    assert [each.name for each in tmp_path.glob("*.zip")] == ["s.zip"]


def text_in(path):
    with zipfile.ZipFile(path) as archive:
        return archive.read("WNLI.tsv").decode()


def test_a_folder_that_takes_no_file_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"submission .*s\.zip cannot be written"):
        glue_submission.write(str(tmp_path / "file" / "s.zip"), {"WNLI.tsv": {0: 1}})


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_of_a_diverged_model_is_told(score):
    with pytest.raises(UserError, match=re.escape(f"STS-B diverged: a score is {score}")):
        glue_submission.text_of("STS-B.tsv", {0: 1.0, 1: score})


@pytest.mark.parametrize("predictions", [{1: 0}, {0: 0, 2: 0}, {0: 2}, {0: -1}, {0: 0.5}])
def test_wrong_indices_and_no_labels_are_errors(predictions):
    with pytest.raises(ValueError, match=r"needs the indices|is no place"):
        glue_submission.text_of("WNLI.tsv", predictions)


def test_the_submissions_of_these_tests_are_right(tmp_path):
    path = submissions.write_zip(tmp_path / "s.zip", submissions.right_texts())
    assert glue_submission_check.validate(path, str(tmp_path)) == []
