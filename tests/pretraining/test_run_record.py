"""What a run's folder says of its starts, its settings and its curves."""

import datetime
import json
import os
import shutil
import socket

import pytest
from tensorboard.backend.event_processing import event_multiplexer

from mslt_tf.errors import UserError
from mslt_tf.pretraining import run_record, training
from tests import tiny


def starts(folder):
    return [json.loads(line) for line in (folder / "starts.jsonl").read_text().splitlines()]


def test_a_line_says_of_each_start_when_where_and_with_what(tmp_path):
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    run_record.write(tiny.config(output_dir=tmp_path), step=0)
    run_record.write(tiny.config(output_dir=tmp_path, learning_rate=0.5), step=40)
    first, second = starts(tmp_path)
    assert (first["step"], second["step"]) == (0, 40)
    assert first["host"] == socket.gethostname()
    assert first["process"] == os.getpid()
    assert first["versions"].keys() == set(run_record.PACKAGES)
    assert before <= datetime.datetime.fromisoformat(first["time"])
    assert first["time"].endswith("+00:00")
    assert first["config"]["optimizer"]["learning_rate"] == 0.01
    assert second["config"] == json.loads((tmp_path / "config.json").read_text())


def test_a_start_whose_line_was_cut_short_does_not_spoil_the_next(tmp_path):
    config = tiny.config(output_dir=tmp_path)
    run_record.write(config, step=0)
    path = tmp_path / "starts.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    run_record.write(config, step=40)
    _, whole = path.read_text().splitlines()
    assert json.loads(whole)["step"] == 40


@pytest.mark.parametrize("left", [None, "", '{"optim', "[1]"])
def test_settings_that_train_nothing_any_more_do_not_replace_those_that_did(tmp_path, left):
    run_record.write(tiny.config(output_dir=tmp_path), step=0)
    trained_by = (tmp_path / "config.json").read_text()
    later = tiny.config(output_dir=tmp_path, learning_rate=0.5)
    run_record.write(later, step=later.plan.num_steps)
    assert (tmp_path / "config.json").read_text() == trained_by
    assert starts(tmp_path)[1]["config"]["optimizer"]["learning_rate"] == 0.5
    # What cannot be read is written anew, as the report of runs advises.
    (tmp_path / "config.json").unlink()
    if left is not None:
        (tmp_path / "config.json").write_text(left)
    run_record.write(later, step=later.plan.num_steps)
    assert (tmp_path / "config.json").read_text() == later.to_json()


def test_a_folder_that_takes_no_file_is_told(tmp_path):
    (tmp_path / "starts.jsonl").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"No space left on device\)\. Make room\. Start again"):
        run_record.write(tiny.config(output_dir=tmp_path), step=0)


@pytest.mark.slow
def test_a_run_that_goes_on_from_an_earlier_step_has_one_record_and_ascending_curves(
    tmp_path, capsys
):
    settings = {
        "train_records": tiny.write_random_shards(tmp_path / "train"),
        "eval_records": tiny.write_random_shards(tmp_path / "eval", seed=1, sizes=(10,)),
        "output_dir": tmp_path / "run",
        **{"method": "original", "num_hidden_layers": 1, "num_train_steps": 8},
        **{"checkpoint_steps": 2, "log_steps": 1, "eval_steps": 2},
    }
    assert training.pretrain(tiny.config(**settings)) == 0
    abandoned = curves(tmp_path / "run")
    for step in (6, 8):
        shutil.rmtree(tmp_path / f"run/checkpoints/step-{step:08d}")
    changed = {**settings, "learning_rate": 0.001}
    for _ in range(2):  # the first of them comes to nothing
        tiny.open_run(tiny.config(**changed))
    capsys.readouterr()
    assert training.pretrain(tiny.config(**changed)) == 0
    assert "note: learning_rate: 0.01 before, 0.001 from here on" in capsys.readouterr().out
    assert [start["step"] for start in starts(tmp_path / "run")] == [0, 4, 4, 4]
    rates = [start["config"]["optimizer"]["learning_rate"] for start in starts(tmp_path / "run")]
    assert rates == [0.01, 0.001, 0.001, 0.001]
    change = {"kind": "change", "step": 4, "setting": "learning_rate", "before": 0.01, "now": 0.001}
    assert tiny.metrics(tmp_path / "run", "change") == [change]
    found = curves(tmp_path / "run")
    assert [step for step, _ in found["train/masked_lm_loss"]] == list(range(1, 9))
    assert [step for step, _ in found["eval/masked_lm_loss"]] == [2, 4, 6, 8]
    for tag, points in found.items():
        steps = [step for step, _ in points]
        assert steps == sorted(set(steps)), tag
        assert points[: steps.index(4) + 1] == abandoned[tag][: steps.index(4) + 1]
    for tag in ("train/masked_lm_loss", "eval/masked_lm_loss", "train/learning_rate"):
        assert not set(found[tag][-2:]) & set(abandoned[tag]), tag


def curves(folder):
    """Returns the (step, value) pairs of each of TensorBoard's curves."""
    found = event_multiplexer.EventMultiplexer().AddRunsFromDirectory(str(folder)).Reload()
    ((name, tags),) = found.Runs().items()
    return {
        tag: [(event.step, event.value) for event in found.Scalars(name, tag)]
        for tag in tags["scalars"]
    }
