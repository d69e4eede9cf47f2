"""A trial's name and folder: what it takes, and what it leaves alone."""

import pytest

from mslt_tf.errors import UserError
from mslt_tf.files import removal
from mslt_tf.finetuning import trial
from mslt_tf.finetuning.trial import Trial, TrialResult

IDENTITY = {"task": "rte", "learning_rate": 3e-5, "seed": 1, "data": "abc", "rates": (1, 2)}
RESULT = TrialResult("rte", 3e-5, 1, {"dev": {"accuracy": 0.5}}, 0.5, 10, 20, 0.125, 1.5, 9.0)


def test_rates_that_differ_in_the_last_digit_have_folders_of_their_own():
    names = {Trial("rte", rate, 0).name for rate in (3e-5, 3.0000001e-5, 0.1, 1.0)}
    assert names == {
        "lr_3e-05_seed_0",
        "lr_3.0000001e-05_seed_0",
        "lr_0.1_seed_0",
        "lr_1.0_seed_0",
    }


def test_a_folder_is_claimed_once_and_known_again(tmp_path):
    folder = str(tmp_path / "rte" / "lr_3e-05_seed_1")
    for _ in range(2):
        trial.claim(folder, IDENTITY)
    assert trial.folders(str(tmp_path), "rte") == [folder]
    (tmp_path / "rte" / "lr_3e-05_seed_1" / "checkpoints" / "step-00000002").mkdir(parents=True)
    message = r"lr_3e-05_seed_1 holds a trial with other texts or labels than now\. Give ano"
    with pytest.raises(UserError, match=message):
        trial.claim(folder, {**IDENTITY, "data": "xyz"})
    trial.check(folder, {**IDENTITY, "data": "xyz"}, names=["seed", "rates"])


def test_how_many_answers_are_listed_makes_no_other_trial(tmp_path):
    folder = str(tmp_path)
    trial.claim(folder, {**IDENTITY, "n_best": 20})
    trial.write_result(folder, RESULT)
    trial.check(folder, {**IDENTITY, "n_best": 50})
    with pytest.raises(UserError, match="another max_answer_length"):
        trial.check(folder, {**IDENTITY, "n_best": 50, "max_answer_length": 9})


def test_a_split_that_is_only_scored_may_come_and_go_but_not_change(tmp_path):
    folder = str(tmp_path)
    trial.claim(folder, {**IDENTITY, "further_data": {"ax_dev": "abc"}})
    trial.write_result(folder, RESULT)
    trial.claim(folder, {**IDENTITY, "further_data": {"dev_mismatched": "def"}})
    known = {"ax_dev": "abc", "dev_mismatched": "def"}
    assert trial.read_identity(folder)["further_data"] == known
    trial.claim(folder, IDENTITY)
    with pytest.raises(UserError, match="with other texts or labels to be scored than now"):
        trial.claim(folder, {**IDENTITY, "further_data": {**known, "ax_dev": "xyz"}})
    assert trial.read_identity(folder)["further_data"] == known


@pytest.mark.parametrize("done", ["nothing", "half a checkpoint", "a checkpoint", "a result"])
def test_a_trial_that_has_trained_nothing_yet_may_be_another_one(tmp_path, done):
    folder, other = str(tmp_path), {**IDENTITY, "train_batch_size": 8}
    trial.claim(folder, IDENTITY)
    if done == "a result":
        trial.write_result(folder, RESULT)
    elif done != "nothing":
        name = "step-00000001" if done == "a checkpoint" else "tmp-00000001"
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    if done in ("a result", "a checkpoint"):
        with pytest.raises(UserError, match="holds a trial with another train_batch_size than now"):
            trial.claim(folder, other)
    else:
        trial.claim(folder, other)
    is_other = trial.read_identity(folder).get("train_batch_size") == 8
    assert is_other == (done in ("nothing", "half a checkpoint"))


@pytest.mark.parametrize("left", ["nothing", "half a file"])
def test_what_a_kill_in_the_midst_of_a_claim_left_is_no_hindrance(tmp_path, left):
    if left == "half a file":
        (tmp_path / removal.partial_path(trial.TRIAL_FILE)).write_text('{"ta')
    trial.claim(str(tmp_path), IDENTITY)
    assert trial.read_identity(str(tmp_path))["data"] == "abc"
    trial.claim(str(tmp_path), IDENTITY)  # one's own is no hindrance either


@pytest.mark.parametrize("there", ["a folder of notes", "a file"])
def test_what_somebody_else_put_there_stays(tmp_path, there):
    path = tmp_path / "rte" / "lr_3e-05_seed_1"
    notes = path / "notes.txt" if there == "a folder of notes" else path
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    with pytest.raises(UserError, match="seed_1 is there, but holds no trial of this program's"):
        trial.claim(str(path), IDENTITY)
    assert notes.read_text() == "mine"
    assert trial.folders(str(tmp_path), "rte") == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"task": "rte"}', '"\\ud800"', "9" * 5_000])
def test_a_result_that_is_none_is_told(tmp_path, content):
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(UserError, match=r"result\.json is not as this program wrote it: .*Give a"):
        trial.read_result(str(tmp_path))


def test_a_result_is_read_as_it_was_written(tmp_path):
    assert trial.read_result(str(tmp_path)) is None
    trial.write_result(str(tmp_path), RESULT)
    assert trial.read_result(str(tmp_path)) == RESULT
