"""How long a step takes, and what is logged of it."""

import numpy as np

from mslt_tf.pretraining import training
from mslt_tf.pretraining.stage_meter import StageMeter
from mslt_tf.training.run_log import RunLog
from tests import tiny


def test_the_call_that_compiles_bounds_the_next_one_but_is_no_measure_of_speed(tmp_path):
    config = tiny.config(num_train_steps=1_000, log_steps=100)
    log = RunLog(str(tmp_path), resumed_at=0)
    meter = StageMeter(config, 0, log, optimizer_start=0)
    meter.add(1, 1, np.zeros(4), seconds=3.0)
    assert training._steps_to_next_stop(config, 1, 200, meter.seconds_per_step) == 1
    meter.add(2, 1, np.zeros(4), seconds=0.5)
    assert training._steps_to_next_stop(config, 2, 200, meter.seconds_per_step) == 8
    meter.flush(2)
    (entry,) = tiny.metrics(tmp_path, "train")
    assert entry["seconds"] == 3.5
    assert entry["sequences_per_second"] == 8 / 0.5
