"""How long a step takes, and what is logged of it."""

from mslt_tf.pretraining import stage_training
from mslt_tf.pretraining.stage_meter import StageMeter
from mslt_tf.pretraining.train_step import StepMetrics
from mslt_tf.training.run_log import RunLog
from tests import tiny

NOTHING = StepMetrics(0.0, 0.0, 0.0, 0.0)


def test_the_call_that_compiles_bounds_the_next_one_but_is_no_measure_of_speed(tmp_path):
    config = tiny.config(num_train_steps=1_000, log_steps=100)
    log = RunLog(str(tmp_path), resumed_at=0)
    meter = StageMeter(config, config.plan.spans[0], log)
    meter.add(1, 1, NOTHING, seconds=3.0)
    assert stage_training.steps_to_next_stop(config, 1, [200], meter.seconds_per_step) == 1
    meter.add(2, 1, NOTHING, seconds=0.5)
    assert stage_training.steps_to_next_stop(config, 2, [200], meter.seconds_per_step) == 8
    meter.flush(2)
    (entry,) = tiny.metrics(tmp_path, "train")
    assert entry["seconds"] == 3.5
    assert entry["sequences_per_second"] == 8 / 0.5
