"""What a grid says of where it stands, with times by hand."""

import time

import pytest

from mslt_tf.finetuning.grid_progress import GridProgress
from mslt_tf.finetuning.trial import Trial, TrialResult
from mslt_tf.training.run_log import ProgressLine

SHORT, LONG = Trial("rte", 5e-5, 0), Trial("mnli", 5e-5, 0)


@pytest.fixture
def clock(monkeypatch):
    """A function that lets seconds go by."""
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def go_on(seconds):
        now[0] += seconds

    return go_on


def test_the_time_left_counts_the_work_of_tasks_and_what_an_earlier_start_did(clock, capsys):
    progress = GridProgress([SHORT, LONG], {"rte": 10.0, "mnli": 30.0}, ProgressLine())
    progress.progress(SHORT, 0.5, "step 50 of 100")  # done by an earlier start
    clock(60)
    progress.progress(SHORT, 0.9, "step 90 of 100")  # 4 units of work a minute, 31 left
    clock(20)
    result = TrialResult(
        "rte", 5e-5, 0, {"dev": {"accuracy": 0.625}}, 0.625, 9, 9, 0.1, 80.0, 1_234
    )
    progress.finished(result)
    progress.progress(LONG, 0.0, "step 0 of 100")  # 5 units in 80 seconds, 30 left
    assert capsys.readouterr().out.splitlines() == [
        "rte lr_5e-05_seed_0  step 50 of 100  0 of 2 trials done",
        "rte lr_5e-05_seed_0  step 90 of 100  0 of 2 trials done  ETA 0:07:45",
        "rte lr_5e-05_seed_0: dev accuracy 0.625  (0:01:20, 1,234 examples/s)",
        "mnli lr_5e-05_seed_0  step 0 of 100  1 of 2 trials done  ETA 0:08:00",
    ]
