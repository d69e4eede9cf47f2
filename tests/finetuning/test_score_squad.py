"""The program that scores: what it prints, and what it refuses."""

import json
import subprocess
import sys

import pytest

from mslt_tf.errors import UserError
from mslt_tf.finetuning import score_squad
from mslt_tf.finetuning.score_squad import ScoreSettings
from tests.documented_commands import ROOT
from tests.finetuning.squad import squad_texts

QUESTIONS = [
    squad_texts.question("le café\u2028noir", "café", id="with"),
    squad_texts.question("le café\u2028noir", id="without", is_impossible=True),
]


@pytest.fixture
def files(tmp_path):
    """A file of each version, and the scores that a file of predictions has."""
    of_1_1 = squad_texts.write(tmp_path / "1.json", squad_texts.layout(*QUESTIONS[:1]))
    value = squad_texts.layout(*QUESTIONS, has_impossible=True)
    of_2_0 = squad_texts.write(tmp_path / "2.json", value)

    def score(data, predictions, na_prob=None, **settings):
        if na_prob is not None:
            settings["na_prob"] = squad_texts.write(tmp_path / "na_prob.json", na_prob)
        path = squad_texts.write(tmp_path / "predictions.json", predictions)
        data = of_2_0 if data == "2.0" else of_1_1
        return score_squad.score(data, path, ScoreSettings(**settings))

    return score


def test_each_version_has_its_keys(files):
    assert files("1.1", {"with": "Café"}) == {"exact_match": 100.0, "f1": 100.0}
    scores = files("2.0", {"with": "café", "without": "noir"})
    assert (scores["exact"], scores["HasAns_f1"], scores["NoAns_f1"]) == (50.0, 100.0, 0.0)
    scores = files(
        "2.0",
        {"with": "café", "without": "noir"},
        na_prob={"with": 0, "without": 0.5},
        na_prob_thresh=0.2,
    )
    assert (scores["exact"], scores["best_f1"], scores["best_f1_thresh"]) == (100.0, 100.0, 0.0)


def test_missing_predictions_are_told(files, capsys):
    assert files("1.1", {}) == {"exact_match": 0.0, "f1": 0.0}
    told = capsys.readouterr().err
    assert "has no prediction for 1 of 1 questions, which score 0; 'with' is the first" in told
    files("1.1", {"with": ""})
    assert capsys.readouterr().err == ""


def test_predictions_for_other_questions_are_told_and_count_for_nothing(files, capsys):
    scores = files("1.1", {"with": "café", "foreign": "", "a stranger": ""})
    assert scores == {"exact_match": 100.0, "f1": 100.0}
    told = capsys.readouterr().err
    assert "has 2 predictions for questions that" in told
    assert "which count for nothing; 'a stranger' is one" in told


def test_a_threshold_without_numbers_is_refused():
    with pytest.raises(UserError, match=r"--na_prob_thresh is 0\.5, and without --na_prob"):
        ScoreSettings(na_prob_thresh=0.5)


@pytest.mark.parametrize(
    ("predictions", "options", "message"),
    [
        ([], {}, r"predictions\.json does not hold \{question id: text\}: the value is \[\]"),
        ({"with": None}, {}, r"predictions\.json does not hold .*: with is None, not a text"),
        ({"with": ""}, {"na_prob": {"with": "x"}}, r"na_prob\.json does not hold .* 'x', not a"),
        ({"with": ""}, {"na_prob": {"with": float("nan")}}, r"na_prob\.json has nan for 'with'"),
        ({"with": ""}, {"na_prob": {}}, "1 questions have a prediction, but no probability"),
        ({}, {"na_prob_thresh": float("inf")}, "--na_prob_thresh is inf. Use a finite number"),
    ],
)
def test_files_that_are_not_as_they_must_be_are_told(files, predictions, options, message):
    with pytest.raises(UserError, match=message):
        files("2.0", predictions, **options)


def test_a_question_that_was_answered_twice_is_refused(tmp_path):
    data = squad_texts.write(tmp_path / "1.json", squad_texts.layout(*QUESTIONS[:1]))
    (tmp_path / "twice.json").write_text('{"with": "café", "with": "noir"}', "utf-8")
    with pytest.raises(
        UserError, match=r"twice\.json does not hold .*: 'with' stands in it 2 times"
    ):
        score_squad.score(data, str(tmp_path / "twice.json"), ScoreSettings())


def test_probabilities_of_no_answer_are_for_2_0_only(files):
    with pytest.raises(UserError, match=r"--na_prob is .* but .*1\.json is of SQuAD 1\.1"):
        files("1.1", {"with": ""}, na_prob={"with": 0.5})


def test_the_program_prints_json_and_tells_what_it_needs(tmp_path):
    data = squad_texts.write(tmp_path / "1.json", squad_texts.layout(*QUESTIONS[:1]))
    predictions = squad_texts.write(tmp_path / "p.json", {"with": "café noir"})
    program = [sys.executable, "-m", "mslt_tf.finetuning.score_squad"]
    options = {"cwd": ROOT, "capture_output": True, "text": True, "check": False}
    done = subprocess.run([*program, data, predictions, "--na_prob_thresh=1"], **options)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"exact_match": 0.0, "f1": pytest.approx(100 * 2 / 3)}
    done = subprocess.run([*program, data], **options)
    assert done.returncode == 2
    assert "1 words are given beside flags, and must be 2. Give DATA.json" in done.stderr
    done = subprocess.run([*program, data, b"\xff.json"], **options)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the name is not UTF-8 text, and must be.")
    done = subprocess.run([*program, "--help"], **options)
    assert done.returncode == 0
    assert "--na_prob_thresh (default: '1.0')" in done.stdout
