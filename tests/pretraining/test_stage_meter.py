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


def test_what_a_checkpoint_holds_is_logged_so_that_a_kill_after_it_loses_no_time(tmp_path):
    config = tiny.config(
        method="original", num_train_steps=16, log_steps=4, checkpoint_steps=6, num_warmup_steps=0
    )
    meter = StageMeter(config, config.plan.spans[0], RunLog(str(tmp_path), resumed_at=0))
    for step in range(1, 15):  # killed after step 14
        meter.add(step, 1, NOTHING, seconds=1.0)
    again = StageMeter(config, config.plan.spans[0], RunLog(str(tmp_path), resumed_at=12))
    for step in range(13, 17):
        again.add(step, 1, NOTHING, seconds=1.0)
    entries = [(entry["step"], entry["seconds"]) for entry in tiny.metrics(tmp_path, "train")]
    assert entries == [(4, 4), (6, 2), (8, 2), (12, 4), (16, 4)]
