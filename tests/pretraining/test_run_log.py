"""metrics.jsonl and progress."""

import json

from mslt_tf.pretraining.run_log import RunLog, format_duration


def entries(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def test_a_resumed_run_drops_entries_of_steps_it_does_again_and_half_a_line(tmp_path):
    log = RunLog(str(tmp_path), resumed_at=0)
    for step in (2, 4, 6):
        log.metrics("train", stage="s", step=step, values={"loss": 1.0 / step})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "tr')
    log = RunLog(str(tmp_path), resumed_at=4)
    log.metrics("train", stage="s", step=5, values={"loss": 0.2})
    assert [entry["step"] for entry in entries(tmp_path)] == [2, 4, 5]
    assert entries(tmp_path)[0] == {"kind": "train", "stage": "s", "step": 2, "loss": 0.5}
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_progress_that_goes_to_a_file_is_not_a_line_a_call(tmp_path, capsys):
    log = RunLog(str(tmp_path), resumed_at=0)
    for step in range(50):
        log.progress(f"step {step}")
    log.line("done")
    assert capsys.readouterr().out == "step 0\ndone\n"


def test_durations_are_readable():
    assert format_duration(3_723.4) == "1:02:03"
