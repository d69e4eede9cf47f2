"""Workers that see other files than the chief, and the files that only the chief writes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.distribution.cluster import Cluster
from mslt_tf.distribution.workers import Workers
from mslt_tf.errors import UserError
from mslt_tf.pretraining import run_folder, run_setup, training, worker_setup
from mslt_tf.records import record_sets
from tests import tiny
from tests.conversion import made_runs

SHORT = {"method": "original", "num_hidden_layers": 1, "num_train_steps": 3}

pytestmark = pytest.mark.usefixtures("quick_export")


class OneOfTwo(Workers):
    """A worker of two, the other of which always says what this one says, or what it is told."""

    def __init__(self, index):
        super().__init__(
            tf.distribute.get_strategy(), Cluster(("host-a:2222", "host-b:2222"), index)
        )
        self.chief_says = None

    def gather(self, values):
        own = np.asarray(values, np.float64)
        return np.stack([own if self.chief_says is None else self.chief_says, own])


def differences(chief_facts, facts):
    """Returns what worker 1 is told when it and the chief see these facts."""
    numbers = []
    worker = OneOfTwo(1)
    worker.gather = lambda values: numbers.append(values) or np.array([values, values])
    worker_setup.check_same(worker, chief_facts)
    worker = OneOfTwo(1)
    worker.chief_says = np.array(numbers[0])
    with pytest.raises(UserError) as raised:
        worker_setup.check_same(worker, facts)
    return str(raised.value)


@pytest.fixture
def data(tmp_path):
    """Flags of records and a vocabulary."""
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(tiny.vocabulary()) + "\n", "utf-8")
    return {
        "train_records": tiny.write_random_shards(tmp_path / "train", sizes=(9, 9)),
        "eval_records": tiny.write_random_shards(tmp_path / "eval", seed=1, sizes=(9, 9)),
        "vocab_file": vocabulary,
        "output_dir": tmp_path,
    }


def facts_of(data, **changes):
    config = tiny.config(**data | changes)
    return record_sets.open_record_sets(config, report=lambda line: None).facts()


def copy_in_other_order(pattern, folder):
    """Copies two record files into folders that sort the other way round."""
    for name, source in zip(("b", "a"), sorted(Path(pattern).parent.glob("*")), strict=True):
        (folder / name).mkdir(parents=True)
        shutil.copy(source, folder / name)
    return folder / "*" / "*.tfrecord"


def test_workers_that_see_other_files_are_told_which(data, tmp_path):
    ours = facts_of(data)
    assert differences(ours, facts_of(data, eval_records="")).startswith(
        "worker 1 (host-b:2222) found other records to evaluate on at 16 tokens than worker 0."
    )
    one_missing = facts_of(data, eval_records=tmp_path / "eval" / "part-0*")
    assert "other records to evaluate on at 16 tokens than" in differences(ours, one_missing)
    in_other_order = copy_in_other_order(data["train_records"], tmp_path / "copy")
    assert "other records of 16 tokens to train on than" in differences(
        ours, facts_of(data, train_records=in_other_order)
    )
    other = tmp_path / "other.txt"
    other.write_text("\n".join([*tiny.vocabulary()[:-1], "another"]) + "\n", "utf-8")
    message = differences(ours, facts_of(data, vocab_file=other, eval_records=""))
    assert "found other vocabulary and records to evaluate on at 16 tokens than" in message


def test_files_of_the_same_content_in_another_folder_are_the_same(data, tmp_path):
    shutil.copytree(tmp_path / "train", tmp_path / "copy")
    copied = facts_of(data, train_records=tmp_path / "copy" / "part-*")
    assert copied == facts_of(data)


def open_run(config, workers, monkeypatch):
    monkeypatch.setattr(worker_setup, "check_shared_folder", lambda *_: None)
    with run_folder.claimed(config, workers, writes=False):
        return run_setup.open_run(config, workers)


def test_another_initial_checkpoint_than_the_chiefs_is_refused(data, tmp_path, monkeypatch):
    for seed in (1, 2):
        run = tmp_path / str(seed) / "run"
        made_runs.write(run, num_stages=1, seed=seed, vocab_file=data["vocab_file"])
    start = {seed: tmp_path / str(seed) / "run" for seed in (1, 2)}
    said = []
    monkeypatch.setattr(
        worker_setup, "check_same", lambda workers, facts: said.append(facts.get("initial weights"))
    )
    for seed in (1, 1, 2):
        settings = {**data, **made_runs.TWO_STAGES, "num_train_steps": 9}
        settings |= {"output_dir": tmp_path / "new", "init_checkpoint": start[seed]}
        open_run(tiny.config(**settings), OneOfTwo(1), monkeypatch)
    first, again, other = (fact for fact in said if fact)
    assert first == again != other


def files_in(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_only_the_chief_writes_into_the_runs_folder(data, tmp_path, monkeypatch):
    config = tiny.config(**data | {"output_dir": tmp_path / "run"})
    open_run(config, OneOfTwo(1), monkeypatch)
    assert not files_in(tmp_path / "run")
    open_run(config, OneOfTwo(0), monkeypatch)
    names = {path.name for path in files_in(tmp_path / "run")}
    assert {"plan.txt", "metrics.jsonl", "train_records_facts.json"} <= names


@pytest.mark.slow
def test_a_check_leaves_the_runs_folder_as_it_is(data, tmp_path, capsys):
    flags = {**data, **SHORT, "output_dir": tmp_path / "run"}
    assert training.check(tiny.config(**flags)) == 0
    assert not files_in(tmp_path / "run")
    assert training.pretrain(tiny.config(**flags)) == 0
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "stage": "original", "step": 99}\n')  # a later start drops it
    before = files_in(tmp_path / "run")
    capsys.readouterr()
    assert training.check(tiny.config(**flags)) == 0
    assert files_in(tmp_path / "run") == before
    assert "All is well: 1 workers" in capsys.readouterr().out


@pytest.mark.parametrize("begin", [training.check, tiny.open_run])
def test_too_little_room_for_checkpoints_is_noted_and_no_error(
    data, tmp_path, monkeypatch, capsys, begin
):
    usage = shutil.disk_usage(tmp_path)
    flags = {**data, "output_dir": tmp_path / "run", "num_train_steps": 5, "num_stages": 1}
    for free, noted in ((10**15, False), (1_000, True)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
        begin(tiny.config(**flags))
        output = capsys.readouterr().out
        assert "of checkpoints, room for" in output
        assert ("note: up to" in output) == noted
        assert ("lower --num_checkpoints_kept" in output) == noted


CLUSTER = {"worker": ["host-a:2222", "host-b:2222", "host-c:2222"]}
ENVIRONMENTS = {
    "TF_CONFIG": {
        "TF_CONFIG": json.dumps({"cluster": CLUSTER, "task": {"type": "worker", "index": 1}})
    },
    "Slurm": {
        **{"SLURM_JOB_ID": "7", "SLURM_STEP_NODELIST": "localhost"},
        **{"SLURM_STEP_TASKS_PER_NODE": "3", "SLURM_NTASKS": "3", "SLURM_PROCID": "1"},
    },
}


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_a_cluster_that_the_strategy_ignores_is_noted(monkeypatch, capsys, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert worker_setup.start_workers(tiny.config()).count == 1
    out = capsys.readouterr().out
    assert "note: the environment names 3 workers, of which this is worker 1" in out
    assert "--distribution_strategy=multi_worker_mirrored" in out


def test_an_environment_without_a_cluster_gets_no_note(capsys):
    worker_setup.start_workers(tiny.config())
    assert capsys.readouterr().out == ""
