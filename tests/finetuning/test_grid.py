"""How many trials train at once, and what each has of the machine."""

import os

import pytest
import tensorflow as tf

from mslt_tf.finetuning import grid


@pytest.fixture
def machine(monkeypatch):
    """Takes a function of how many cores and GPUs there are."""

    def arrange(num_cores, num_gpus):
        monkeypatch.setattr(os, "sched_getaffinity", lambda process_id: set(range(num_cores)))
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind] * num_gpus)

    return arrange


@pytest.mark.parametrize(
    ("num_cores", "num_gpus", "asked", "num_trials", "expected"),
    [
        (8, 0, 0, 20, 4),
        (8, 0, 0, 3, 3),
        (1, 0, 0, 20, 1),
        (64, 2, 0, 20, 2),
        (2, 0, 5, 20, 5),
        (2, 0, 5, 4, 4),
    ],
)
def test_trials_at_once_are_one_for_each_gpu_or_two_cores(
    machine, num_cores, num_gpus, asked, num_trials, expected
):
    machine(num_cores, num_gpus)
    assert grid.choose_num_parallel(asked, num_trials) == expected


def test_each_worker_has_a_gpu_or_a_share_of_the_cores(machine, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    machine(num_cores=8, num_gpus=0)
    found = grid.environments(3)
    assert len(found) == 3
    assert {value for each in found for value in each.values()} == {"2"}
    machine(num_cores=8, num_gpus=2)
    assert devices_of(grid.environments(3)) == ["0", "1", "0"]


def test_workers_share_the_gpus_that_a_scheduler_gave_us(machine, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-8932f937")
    machine(num_cores=8, num_gpus=2)
    assert devices_of(grid.environments(3)) == ["5", "GPU-8932f937", "5"]


def devices_of(environments):
    return [each["CUDA_VISIBLE_DEVICES"] for each in environments]
