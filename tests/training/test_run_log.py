"""metrics.jsonl, TensorBoard's curves, and progress."""

import json
import os
import sys

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

from mslt_tf.terminal import format_duration, say
from mslt_tf.training.run_log import RunLog
from tests import tiny


def entries(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def curve(path, tag):
    """Returns the (step, value) pairs that TensorBoard has of a curve."""
    found = event_accumulator.EventAccumulator(str(path / "tensorboard")).Reload()
    return [(event.step, event.value) for event in found.Scalars(tag)]


def texts(path, tag):
    found = event_accumulator.EventAccumulator(str(path / "tensorboard")).Reload()
    return [
        (event.step, tf.make_ndarray(event.tensor_proto).item().decode())
        for event in found.Tensors(tag)
    ]


def write(log, steps, loss=1.0):
    for step in steps:
        log.metrics("train", stage="s", step=step, values={"loss": loss})


def test_a_resumed_run_drops_entries_of_steps_it_does_again_and_half_a_line(tmp_path, capsys):
    write(RunLog(str(tmp_path), resumed_at=0), (2, 4, 6))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "tr')
    write(RunLog(str(tmp_path), resumed_at=4), (5,), loss=0.5)
    assert [entry["step"] for entry in entries(tmp_path)] == [2, 4, 5]
    assert entries(tmp_path)[0] == {"kind": "train", "stage": "s", "step": 2, "loss": 1.0}
    assert curve(tmp_path, "train/loss") == [(2, 1.0), (4, 1.0), (5, 0.5)]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "damage",
    [
        b"\0" * 512,
        b"\xff\xfe",
        b'"text"',
        b'{"kind": "train"}',
        b'{"step": 3}',
        b'{"kind": 1, "step": 3}',
        b'{"kind": "train", "step": "3"}',
        b'{"kind": "train", "step": true}',
        b'{"kind": "train", "step": null}',
    ],
    ids=lambda damage: repr(damage[:40]),
)
def test_lines_that_a_power_cut_spoiled_are_noted_and_left_out(tmp_path, capsys, damage):
    write(RunLog(str(tmp_path), resumed_at=0), (2, 4))
    path = tmp_path / "metrics.jsonl"
    first, second = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([first, damage, second, b""]))
    write(RunLog(str(tmp_path), resumed_at=4), (6,))
    assert [entry["step"] for entry in entries(tmp_path)] == [2, 4, 6]
    (note,) = capsys.readouterr().out.splitlines()
    assert note.startswith(f"note: {path} has 1 line(s) that are no entries, the first is line 2")
    RunLog(str(tmp_path), resumed_at=6)
    assert capsys.readouterr().out == ""


def test_a_changed_setting_marks_its_step_in_metrics_and_in_tensorboard(tmp_path):
    write(RunLog(str(tmp_path), resumed_at=0), (2, 4))
    log = RunLog(str(tmp_path), resumed_at=4)
    log.change("rate", step=4, before=0.1, now=0.2)
    change = {"kind": "change", "step": 4, "setting": "rate", "before": 0.1, "now": 0.2}
    assert tiny.metrics(tmp_path, "change") == [change]
    assert texts(tmp_path, "change/rate") == [(4, "rate: 0.1 before, 0.2 from here on")]


def test_a_change_is_marked_once_however_often_a_run_goes_on_from_its_step(tmp_path):
    write(RunLog(str(tmp_path), resumed_at=0), (2, 4))
    for _ in range(3):
        log = RunLog(str(tmp_path), resumed_at=4)
        log.change("rate", step=4, before=0.1, now=0.2)
        write(log, (5,))
    log = RunLog(str(tmp_path), resumed_at=5)  # the checkpoint of step 5 knows the new rate
    assert [entry["now"] for entry in tiny.metrics(tmp_path, "change")] == [0.2]
    assert len(texts(tmp_path, "change/rate")) == 1


def test_a_change_that_was_taken_back_before_a_step_was_done_leaves_no_mark(tmp_path):
    write(RunLog(str(tmp_path), resumed_at=0), (2, 4))
    RunLog(str(tmp_path), resumed_at=4).change("rate", step=4, before=0.1, now=100.0)
    RunLog(str(tmp_path), resumed_at=4).change("decay", step=4, before=1, now=2)
    assert [entry["setting"] for entry in tiny.metrics(tmp_path, "change")] == ["decay"]


def test_what_is_said_again_at_the_step_where_a_run_goes_on_stands_there_once(tmp_path):
    for _ in range(2):
        log = RunLog(str(tmp_path), resumed_at=0)
        log.metrics("communication", stage="s", step=0, values={"collectives": 2.0})
    assert len(entries(tmp_path)) == 1
    assert curve(tmp_path, "communication/collectives") == [(0, 2.0)]


def test_a_log_that_does_not_write_leaves_no_file(tmp_path):
    log = RunLog(str(tmp_path), resumed_at=0, writes=False)
    write(log, (1,))
    log.change("rate", step=1, before=0.1, now=0.2)
    assert list(tmp_path.iterdir()) == []


def test_output_that_nobody_reads_any_more_does_not_end_a_run(monkeypatch):
    """As with `| tee`, which Ctrl-C ends at once."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        for _ in range(3):
            say("saving")
        assert os.fstat(output.fileno()).st_rdev == os.stat(os.devnull).st_rdev


def test_progress_that_goes_to_a_file_is_not_a_line_a_call(tmp_path, capsys):
    log = RunLog(str(tmp_path), resumed_at=0)
    for step in range(50):
        log.progress(f"step {step}")
    log.line("done")
    assert capsys.readouterr().out == "step 0\ndone\n"


def test_durations_are_readable():
    assert format_duration(3_723.4) == "1:02:03"


def test_a_held_out_loss_before_counts_for_the_same_records_alone(tmp_path):
    RunLog(str(tmp_path), resumed_at=0).metrics(
        "eval", stage="s", step=2, values={"masked_lm_loss": 4.5, "unigram_entropy": 5.75}
    )
    log = RunLog(str(tmp_path), resumed_at=2)
    assert log.held_out_loss(2, unigram_entropy=5.75) == 4.5
    assert log.held_out_loss(2, unigram_entropy=5.76) is None
    assert log.held_out_loss(1, unigram_entropy=5.75) is None
    assert log.held_out_loss(None, unigram_entropy=5.75) is None
