"""What is wrong with a grid is told in one line before anything is trained, and changes nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mslt_tf.conversion import huggingface
from mslt_tf.errors import UserError
from mslt_tf.finetuning import finetuning, trial, trial_training
from tests import small_disks
from tests.conversion.trained_models import trained_model, vocabulary
from tests.finetuning import tiny_grid

PROJECT = Path(__file__).parents[2]
DEV = "MRPC/dev.tsv"


@pytest.fixture
def data(tiny_data, tmp_path):
    """Flags of a copy of the tiny data, whose files may be changed, and of an output folder."""
    shutil.copytree(tiny_data["glue_dir"], tmp_path / "glue")
    return {**tiny_data, "glue_dir": tmp_path / "glue", "output_dir": tmp_path / "out"}


@pytest.fixture(autouse=True)
def _nothing_is_trained(monkeypatch):
    monkeypatch.setattr(trial_training, "train", None)


def told(data, **given):
    with pytest.raises(UserError) as caught:
        finetuning.finetune(tiny_grid.settings({**data, **given}))
    text = str(caught.value)
    assert "\n" not in text
    return text


def change_line(path, number, line):
    lines = path.read_text().split("\n")
    lines[number - 1] = line
    path.write_text("\n".join(lines))


def test_an_unknown_task_is_told_with_the_known_ones(data):
    assert told(data, task="mrpc,imdb") == (
        "--task imdb is not known. Give one of cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli, "
        "ax, squad_1.1, squad_2.0, all."
    )


def test_a_source_of_data_must_be_named_and_be_there(data):
    for task, flag in (("mrpc", "--glue_dir"), ("squad_1.1", "--squad_dir")):
        message = told(data, task=task, glue_dir="", max_query_length=10)
        assert f"by {flag}, or by --tfds_data_dir" in message
    nowhere = data["glue_dir"] / "nowhere"
    assert told(data, glue_dir=nowhere).startswith(f"--glue_dir {nowhere} is no folder. ")


def test_a_missing_split_is_told_with_its_path(data):
    (data["glue_dir"] / DEV).unlink()
    assert told(data).startswith(f"--glue_dir {data['glue_dir']} lacks {DEV}. Give ")


def test_the_missing_splits_of_all_tasks_are_told_at_once(data):
    for folder in ("RTE", "WNLI", "MNLI", "diagnostic"):
        shutil.rmtree(data["glue_dir"] / folder, ignore_errors=True)
    lacking = "RTE/train.tsv, RTE/dev.tsv, WNLI/train.tsv, WNLI/dev.tsv"
    assert f" lacks {lacking}. Give " in told(data, task="rte,mrpc,wnli")
    lacking = (
        "MNLI/train.tsv, MNLI/dev_matched.tsv, MNLI/test_matched.tsv, MNLI/test_mismatched.tsv, "
        "diagnostic/diagnostic.tsv"
    )
    assert f" lacks {lacking}. Give " in told(data, task="mnli", submit=True)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1\t2\t3\ta b", "must have 5 fields between tabs, and has 4"),
        ("2\t1\t2\ta\tb", "has the label '2', not one of 0, 1"),
        ("1\t1\t2\t\t ", "has no text"),
    ],
)
def test_a_wrong_row_is_told_with_file_and_line(data, line, message):
    change_line(data["glue_dir"] / DEV, 7, line)
    assert told(data).startswith(f"{data['glue_dir'] / DEV}:7 {message}")


def test_another_vocabulary_than_the_encoders_is_told(data, tmp_path):
    other = tmp_path / "vocab.txt"
    other.write_text("\n".join([*vocabulary(), "one", "more", ""]))
    message = told(data, vocab_file=other)
    assert str(other) in message
    assert "52" in message
    assert "50" in message


def test_an_encoder_that_is_missing_or_none_is_told(data, tmp_path):
    for path in (tmp_path / "nowhere", data["glue_dir"]):
        assert told(data, encoder=path).startswith(f"--encoder {path}")


def test_sequences_longer_than_the_encoders_positions_are_told(data):
    assert told(data, max_seq_length=65) == (
        "--max_seq_length is 65 for mrpc, and the encoder has 64 positions. Give at most "
        "--max_seq_length=64."
    )
    assert "is 128 for mrpc" in told(data, max_seq_length=0)
    assert "is 384 for squad_1.1" in told(data, task="squad_1.1", max_seq_length=0)


@pytest.mark.parametrize("name", ["results.md", "results.json", "finetuning.json"])
def test_files_of_somebody_elses_stay(data, name):
    data["output_dir"].mkdir()
    file = data["output_dir"] / name
    file.write_text('{"mine": 1}')
    assert f"holds {name}, but no fine-tuning of this program" in told(data)
    assert file.read_text() == '{"mine": 1}'
    assert os.listdir(data["output_dir"]) == [name]


def test_the_folder_of_a_trial_is_no_output_folder(data):
    data["output_dir"].mkdir()
    (data["output_dir"] / trial.TRIAL_FILE).write_text("{}")
    assert "is the folder of a single trial. Give that of its grid" in told(data)
    assert os.listdir(data["output_dir"]) == [trial.TRIAL_FILE]


def test_a_folder_with_a_trials_name_stays(data):
    folder = data["output_dir"] / "mrpc/lr_0.01_seed_0"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    assert f"{folder} is there, but holds no trial" in told(data)
    assert os.listdir(folder) == ["notes.txt"]


def claim_alone(setup, this, **_):
    """Does what the training of a trial begins with, and ends as if it were interrupted."""
    trial.claim(this.folder(setup.settings.output_dir), setup.identity(this))


def train_a_step(setup, this, **_):
    """Leaves what an interruption after the first step leaves, the files of the model left out."""
    claim_alone(setup, this)
    folder = this.folder(setup.settings.output_dir)
    os.makedirs(os.path.join(folder, "checkpoints", "step-00000001"), exist_ok=True)


@pytest.fixture
def begun(data, monkeypatch):
    """The flags of a grid whose trials were begun."""
    with monkeypatch.context() as patch:
        patch.setattr(trial_training, "train", train_a_step)
        assert finetuning.finetune(tiny_grid.settings(data)) == 0
    return data


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"num_epochs": 3}, "num_epochs"),
        ({"train_batch_size": 16}, "train_batch_size"),
        ({"max_seq_length": 16}, "max_length"),
        ({"from_scratch": True}, "from_scratch"),
        # With no trial in common, the table would have both all the same.
        ({"num_epochs": 3, "seed": 7, "learning_rates": 0.5}, "num_epochs"),
    ],
)
def test_other_settings_than_those_of_the_trials_there_are_told(begun, changes, name):
    message = told(begun, **changes)
    assert f"mrpc/lr_0.01_seed_0 holds a trial with another {name} than now: " in message
    assert message.endswith("now. Give another --output_dir, or move this folder away.")


def test_other_data_and_another_encoder_than_those_of_the_trials_there_are_told(begun, tmp_path):
    huggingface.write(trained_model(vocabulary=vocabulary()[::-1]), str(tmp_path / "other"))
    assert "holds a trial with another encoder" in told(begun, encoder=tmp_path / "other")
    # Also where another task alone has trials: all stand in one table.
    message = told(begun, encoder=tmp_path / "other", task="stsb")
    assert "mrpc/lr_0.01_seed_0 holds a trial with another encoder" in message
    change_line(begun["glue_dir"] / DEV, 7, "0\t1\t2\ta\tb c d")
    assert "holds a trial with other texts or labels than now" in told(begun)


def test_a_disk_that_is_full_before_the_first_step_is_told(data, tmp_path, monkeypatch):
    """The disk grows page by page, until a trial has its folder."""
    monkeypatch.setattr(trial_training, "train", claim_alone)
    with small_disks.mounted(tmp_path / "disk") as disk:
        messages = []
        for pages in range(1, 20):
            small_disks.remount(disk, f"size={4 * pages}k")
            try:
                finetuning.finetune(tiny_grid.settings({**data, "output_dir": disk / "out"}))
                break
            except UserError as error:
                messages.append(str(error))
    assert len(messages) >= 2
    for message in messages:
        assert "No space left on device" in message
        assert "ake room" in message
        assert "\n" not in message


def test_the_command_tells_it_in_one_line_with_status_2(data):
    done = subprocess.run(
        [sys.executable, "-m", "mslt_tf.run_finetuning", *tiny_grid.arguments(data), "--task=x"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: --task x is not known. Give one of cola, ")
