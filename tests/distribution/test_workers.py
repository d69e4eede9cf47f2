"""Real workers on loopback: killed, stopped, frozen, missing, different, fewer or more."""

import os
import re
import signal
import time

import pytest

from mslt_tf import cost_model
from tests import process_groups, tiny
from tests.distribution import worker_processes
from tests.distribution.short_runs import NUM_STEPS, SETTINGS, wait_for_checkpoint
from tests.saved_weights import assert_bit_identical, assert_same_weights, weights_at

# Its connections are closed, which is seen at once; a busy machine needs seconds to leave.
SECONDS_TO_NOTICE_A_KILL = 20.0
SECONDS_TO_NOTICE_A_FREEZE = 60.0  # two of TensorFlow's heartbeats, 10 s each, and leaving


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return {
        "train_records": tiny.write_random_shards(folder / "train", sizes=(30,) * 12),
        "eval_records": tiny.write_random_shards(folder / "eval", seed=1, sizes=(21,)),
    }


# Runs the program, and says how often the steps of each stage were traced.
COUNT_TRACES = """
import runpy
from mslt_tf.pretraining import train_step
made, make_train_steps = [], train_step.make_train_steps

def make_and_keep(*arguments, **options):
    made.append(make_train_steps(*arguments, **options))
    return made[-1]

train_step.make_train_steps = make_and_keep
try:
    runpy.run_module("mslt_tf.run_pretraining", run_name="__main__")
finally:
    print("traces", [steps.experimental_get_tracing_count() for steps in made])
"""


@pytest.fixture(scope="module")
def undisturbed_workers(data, tmp_path_factory):
    """The run's folder of two workers, and how they ended."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    settings = {**SETTINGS, **data}
    return folder, worker_processes.run(folder, settings, count=2, program=COUNT_TRACES)


@pytest.fixture(scope="module")
def undisturbed(undisturbed_workers):
    return undisturbed_workers[0]


@pytest.mark.slow
def test_each_stage_is_traced_once_and_carries_four_bytes_a_trained_parameter(undisturbed_workers):
    folder, ended = undisturbed_workers
    assert ["traces [1, 1, 1]" in worker.output for worker in ended] == [True, True]
    config = tiny.config(**SETTINGS)
    carried = [entry["bytes_per_update"] for entry in tiny.metrics(folder, "communication")]
    assert carried == [
        4 * cost_model.trainable_parameters(config.model, stage) + 16
        for stage in config.plan.stages
    ]


def start_until(folder, settings, step, *, count=2):
    """Starts workers and returns them when the checkpoint of this step is there."""
    workers = worker_processes.start(folder, settings, count=count)
    wait_for_checkpoint(workers, folder, step)
    return workers


def wait_for_more_entries(workers, folder):
    """Waits until the run has logged more than 20 further steps."""
    metrics = folder / "metrics.jsonl"

    def count():
        return metrics.read_text().count("train") if metrics.exists() else 0

    before = count()
    process_groups.wait_until(
        lambda: count() > before + 20 or any(worker.poll() is not None for worker in workers),
        timeout=worker_processes.SECONDS,
    )


def wait_for_the_other(workers, lost, seconds):
    """Returns how the worker left of two ended and how long that took; ends the lost one."""
    began = time.monotonic()
    try:
        (ended,) = worker_processes.wait([workers[1 - lost]], timeout=seconds)
        return ended, time.monotonic() - began
    finally:
        workers[lost].kill()
        worker_processes.wait([workers[lost]])


@pytest.mark.slow
def test_killed_workers_resume_bit_identical_and_the_one_left_says_what_to_do(
    data, undisturbed, tmp_path, record_property
):
    settings = {**SETTINGS, **data}
    both = start_until(tmp_path, settings, 60)
    for worker in both:
        worker.kill()
    worker_processes.wait(both)
    for step, killed in ((140, 1), (200, 0)):  # the other one, then the chief
        workers = start_until(tmp_path, settings, step)
        workers[killed].kill()
        left, seconds = wait_for_the_other(workers, killed, SECONDS_TO_NOTICE_A_KILL)
        record_property(f"seconds_to_notice_worker_{killed}", seconds)
        assert left.status == 75
        assert f"error: worker {killed} (127.0.0.1:" in left.errors
        assert "Start all workers again with the same command" in left.errors
        assert "Traceback" not in left.errors
    worker_processes.run(tmp_path, settings, count=2)
    assert_bit_identical(weights_at(tmp_path, NUM_STEPS), weights_at(undisturbed, NUM_STEPS))


@pytest.mark.slow
def test_of_three_workers_the_two_left_name_the_one_that_is_lost_and_no_other(data, tmp_path):
    workers = start_until(tmp_path, {**SETTINGS, **data, "num_train_steps": 100_000}, 40, count=3)
    workers[2].kill()
    left = worker_processes.wait(workers[:2])
    worker_processes.wait(workers[2:])
    for worker in left:
        assert worker.status == 75
        (line,) = [line for line in worker.errors.splitlines() if line.startswith("error: ")]
        assert re.findall(r"worker (\d) \(", line) == ["2"]


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [0, 1])
def test_a_worker_that_does_not_answer_is_given_up(data, tmp_path, frozen, record_property):
    workers = start_until(tmp_path, {**SETTINGS, **data, "num_train_steps": 100_000}, 40)
    workers[frozen].send_signal(signal.SIGSTOP)
    left, seconds = wait_for_the_other(workers, frozen, SECONDS_TO_NOTICE_A_FREEZE)
    record_property("seconds_to_notice", seconds)
    assert left.status == 75
    assert "has ended, or cannot be reached any more" in left.errors


@pytest.mark.slow
def test_a_signal_to_one_worker_or_all_saves_and_stops_all_within_ten_seconds(
    data, undisturbed, tmp_path
):
    settings = {**SETTINGS, **data, "checkpoint_steps": 100_000, "log_steps": 1}
    for number, status, signalled in ((signal.SIGINT, 130, [1]), (signal.SIGTERM, 143, [0, 1])):
        workers = worker_processes.start(tmp_path, settings, count=2)
        wait_for_more_entries(workers, tmp_path)
        for index in signalled:
            workers[index].send_signal(number)
        ended = worker_processes.wait(workers, timeout=10)
        assert [worker.status for worker in ended] == [status, status]
        assert "Interrupted; saved" in ended[0].output
    worker_processes.run(tmp_path, settings, count=2)
    assert_bit_identical(weights_at(tmp_path, NUM_STEPS), weights_at(undisturbed, NUM_STEPS))


@pytest.mark.slow
def test_a_run_of_two_workers_goes_on_with_one_and_with_three(data, tmp_path):
    settings = {**SETTINGS, **data, "hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0}
    settings["learning_rate"] = 0.002  # a greater one lets rounding errors grow
    worker_processes.run(tmp_path / "whole", settings, count=1)
    workers = start_until(tmp_path / "run", settings, 60)
    for count in (1, 3):
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        worker_processes.wait(workers)
        workers = worker_processes.start(tmp_path / "run", settings, count=count)
        if count == 1:
            target = tmp_path / "run" / "checkpoints" / "step-00000160"
            process_groups.wait_until(target.exists, timeout=worker_processes.SECONDS)
    ended = worker_processes.wait(workers)
    assert [worker.status for worker in ended] == [0, 0, 0], ended
    ours, theirs = tiny.metrics(tmp_path / "run", "eval"), tiny.metrics(tmp_path / "whole", "eval")
    for ours_then, theirs_then in zip(ours, theirs, strict=True):
        assert ours_then["step"] == theirs_then["step"]
        assert ours_then["masked_lm_loss"] == pytest.approx(theirs_then["masked_lm_loss"], rel=1e-4)
    assert_same_weights(tmp_path / "run", tmp_path / "whole", (120, 240, NUM_STEPS))


@pytest.mark.slow
def test_slurms_variables_do_as_well_as_tf_config(data, tmp_path):
    job = {
        "TF_CONFIG": "",
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_TASKS_PER_NODE": "2",
        "SLURM_NTASKS": "2",
    }
    settings = {**SETTINGS, **data, "check_cluster": True}
    ended = worker_processes.wait(
        worker_processes.start(
            tmp_path,
            settings,
            environments=[{**job, "SLURM_PROCID": str(index)} for index in range(2)],
        )
    )
    assert [worker.status for worker in ended] == [0, 0], ended
    assert "All is well: 2 workers, 2 devices" in ended[0].output
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.slow
def test_workers_that_are_missing_or_differ_are_named_before_anything_is_built(data, tmp_path):
    settings = {**SETTINGS, **data, "peer_timeout": 8}
    first, second = worker_processes.start(tmp_path, settings, count=2)
    second.kill()
    (alone,) = worker_processes.wait([first], timeout=60)
    worker_processes.wait([second])
    assert alone.status == 2
    assert "worker 1 (127.0.0.1:" in alone.errors
    assert "not reached" in alone.errors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("difference", "message"),
    [
        ({"learning_rate": 0.5}, "0.5"),
        ({"output_dir": "OTHER"}, "worker 1 .* cannot see what worker 0 writes"),
        ({"train_records": "OTHER"}, "worker 1 .* found other records of 16 tokens to train on"),
        ({"eval_records": ""}, "worker 1 .* found other records to evaluate on at 16 tokens"),
    ],
    ids=["flags", "output_dir", "records", "no_eval_records"],
)
def test_workers_that_differ_are_told(data, tmp_path, difference, message):
    if "train_records" in difference:
        difference = {"train_records": tiny.write_random_shards(tmp_path / "data", seed=9)}
    ours = {**SETTINGS, **data, "output_dir": tmp_path / "run"}
    theirs = ours | {
        k: tmp_path / "elsewhere" if v == "OTHER" else v for k, v in difference.items()
    }
    environments = worker_processes.cluster_environments(2)
    workers = [
        *worker_processes.start(ours.pop("output_dir"), ours, environments=environments[:1]),
        *worker_processes.start(theirs.pop("output_dir"), theirs, environments=environments[1:]),
    ]
    for worker in worker_processes.wait(workers):
        assert worker.status == 2
        assert re.search(message, worker.errors), worker.errors
        assert "Traceback" not in worker.errors
