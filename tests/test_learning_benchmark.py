"""benchmarks/learning: the table from metrics written by hand, and, slow, a small comparison."""

import json
import signal
import subprocess
import sys

import pytest
from absl import flags

from benchmarks.learning import __main__ as program
from benchmarks.learning import runs, table
from mslt_tf.errors import UserError
from tests import compared_runs
from tests.compared_runs import write_metrics
from tests.documented_commands import ROOT


@pytest.fixture
def configs(tmp_path):
    return compared_runs.write_flag_files(tmp_path / "configs")


def test_the_table_has_medians_of_the_seeds_that_ended_and_costs(configs, tmp_path):
    wanted = runs.find(configs, [], folder=tmp_path / "out", seeds=range(3))
    assert [(run.name, run.seed) for run in wanted] == [(n, s) for s in range(3) for n in "ab"]
    write_metrics(wanted[0], [4.5])
    write_metrics(wanted[2], [4.0])
    write_metrics(wanted[4], [4.2])
    write_metrics(wanted[1], [5.0, 4.0, 3.0, 2.0, 1.0], seconds=2.0)
    write_metrics(wanted[3], [5.2])  # 4 of 20 steps
    header, of_a, of_b, *_ = table.as_text(table.results(wanted)).splitlines()
    assert header.split("  ")[0] == "run"
    assert of_a.split() == [
        "a",
        "10",
        "1.000",
        "3",
        "of",
        "3",
        "4.200",
        "4.200",
        *of_a.split()[-3:],
    ]
    assert of_a.split()[-3:] == ["(4.000-4.500)", "1.800", "1"]
    # Four layers, each stage adds one; hand-counted by the cost model's own test.
    cost = wanted[1].flops / wanted[0].flops
    assert of_b.split()[:6] == ["b", "20", f"{cost:.3f}", "1", "of", "3"]
    assert of_b.split()[6:] == ["5.000", "4.000", "3.000", "2.000", "1.000", "1.000", "5.000", "10"]


def test_the_seeds_of_another_machine_are_added_but_for_those_that_are_here(configs, tmp_path):
    here, there = (
        runs.find(configs, ["a"], folder=tmp_path / name, seeds=seeds)
        for name, seeds in (("here", [0]), ("there", [0, 1, 2]))
    )
    write_metrics(here[0], [4.5])
    for run, loss in zip(there, (9.0, 4.0, 4.2), strict=True):
        write_metrics(run, [loss], seconds=3.0)
    path = tmp_path / "there.json"
    path.write_text(json.dumps(table.results(there)))
    (entry,) = table.with_earlier(table.results(here), path)
    assert entry["seeds_ended"] == [0, 1, 2]
    assert entry["final_loss"] == [4.5, 4.0, 4.2]
    assert entry["seconds"] == [1.0, 3.0, 3.0]
    assert "3 of 3  4.200" in table.as_text([entry])


def test_a_table_of_nothing_yet_takes_all_from_another_machine(configs, tmp_path):
    here = runs.find(configs, ["a"], folder=tmp_path / "here", seeds=[0])
    there = runs.find(configs, ["a"], folder=tmp_path / "there", seeds=[0])
    write_metrics(there[0], [4.0])
    path = tmp_path / "there.json"
    path.write_text(json.dumps(table.results(there)))
    assert table.with_earlier(table.results(here), path) == table.results(there)


@pytest.mark.parametrize(
    ("name", "value"), [("steps", 11), ("cost", 1), ("stage_steps", [5, 5]), ("unigram_entropy", 5)]
)
def test_other_plans_or_held_out_records_of_another_machine_are_refused(
    configs, tmp_path, name, value
):
    here = runs.find(configs, ["a"], folder=tmp_path / "here", seeds=[0])
    write_metrics(here[0], [4.0])
    path = tmp_path / "there.json"
    path.write_text(json.dumps([{**table.results(here)[0], name: value}]))
    with pytest.raises(UserError, match=rf"--earlier {path}: a has {name} .* here"):
        table.with_earlier(table.results(here), path)


@pytest.mark.parametrize("text", ["", "7", '{"a": 1}', "[1]", '[{"run": "a"}]', '"a"'])
def test_a_file_that_is_no_table_is_refused(configs, tmp_path, text):
    here = runs.find(configs, ["a"], folder=tmp_path / "here", seeds=[0])
    path = tmp_path / "there.json"
    path.write_text(text)
    with pytest.raises(UserError, match=f"--earlier {path} is no table that --json wrote"):
        table.with_earlier(table.results(here), path)


def test_a_table_that_is_none_is_refused_before_anything_is_trained(configs, tmp_path, monkeypatch):
    values = flags.FlagValues()
    program.define_flags(values)
    output_dir, earlier = tmp_path / "out", tmp_path / "nothing.json"
    values(["", f"--configs={configs}", f"--output_dir={output_dir}", f"--earlier={earlier}"])
    monkeypatch.setattr(flags, "FLAGS", values)
    with pytest.raises(UserError, match="is no table"):
        program.main()
    assert not output_dir.exists()


def test_runs_that_did_not_end_tell_how_far_they_are(configs, tmp_path):
    wanted = runs.find(configs, ["b"], folder=tmp_path / "out", seeds=range(2))
    write_metrics(wanted[0], [5.0, 4.0])  # 8 steps of 20 and none of 20
    assert "0 of 2  (20% of the steps are done)" in table.as_text(table.results(wanted))


def test_flags_beside_the_files_count_in_costs_and_reach_the_run(configs, tmp_path, monkeypatch):
    extra = ["--num_train_steps=30", "--dynamic_masking=token"]  # needs a vocabulary
    (run,) = runs.find(configs, ["a"], folder=tmp_path, seeds=range(1), extra_flags=extra)
    (plain,) = runs.find(configs, ["a"], folder=tmp_path, seeds=range(1))
    assert (run.config.plan.num_steps, run.flops) == (30, 3 * plain.flops)
    started = []
    monkeypatch.setattr(runs.subprocess, "Popen", lambda command, **_: started.extend(command))
    runs._start(run, [])
    assert set(extra) < set(started)


def test_unknown_runs_and_folders_without_flag_files_are_refused(configs, tmp_path):
    with pytest.raises(UserError, match=r"--runs has c; --configs .* has a, b\. Give some"):
        runs.find(configs, ["a", "c"], folder=tmp_path, seeds=range(1))
    with pytest.raises(UserError, match=r"has no \*\.flags"):
        runs.find(tmp_path, [], folder=tmp_path, seeds=range(1))


def test_the_compared_runs_are_those_of_the_flag_files(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = runs.find(ROOT / "configs/narrow", [], folder=ROOT / "runs", seeds=range(1))
    assert {run.name for run in found} >= {"original", "stacking", "albert_mslt", "two_lengths"}


@pytest.mark.parametrize("folder", ["compare", "compare_gpu"])
def test_what_is_compared_at_equal_cost_costs_the_same(folder, monkeypatch):
    monkeypatch.chdir(ROOT)
    found = runs.find(ROOT / "configs" / folder, [], folder=ROOT / "runs", seeds=range(1))
    flops = {run.name: run.flops for run in found}
    flops.pop("small_equal_steps", None)  # at equal steps, as its name says
    assert flops.pop("original_rate_twice", flops["original"]) == flops["original"]
    factors = {name: 2 if name.endswith("_twice") else 1 for name in flops}
    costs = {name: factor * flops["original"] for name, factor in factors.items()}
    assert flops == pytest.approx(costs, rel=1e-3)


def stand_in(monkeypatch, program):
    """Lets processes that run `program` stand in for runs, which need no data; returns them."""
    started = []

    def start(run, data_flags):
        started.append(subprocess.Popen([sys.executable, "-c", program, str(run.seed)]))
        return started[-1]

    monkeypatch.setattr(runs, "_start", start)
    monkeypatch.setattr(runs.Data, "flags_of", lambda *_: [])
    return started


def train_in(configs, folder, *, seeds, num_parallel):
    wanted = runs.find(configs, ["a"], folder=folder, seeds=seeds)
    data = runs.Data("embedded", 400, [], folder)
    with runs.working_in(folder):
        runs.train(wanted, data, num_parallel=num_parallel)


def test_every_run_is_trained_and_what_is_left_is_told(configs, tmp_path, monkeypatch, capsys):
    started = stand_in(monkeypatch, "")
    train_in(configs, tmp_path / "out", seeds=range(3), num_parallel=2)
    assert [process.returncode for process in started] == [0, 0, 0]
    said = capsys.readouterr().out.splitlines()
    assert "2 left, about 0:00:0" in said[0]
    assert said[-1].endswith("done; all")


def test_a_run_that_fails_ends_the_others_in_order(configs, tmp_path, monkeypatch):
    program = "import sys, time; sys.exit(3) if sys.argv[1] == '1' else time.sleep(60)"
    started = stand_in(monkeypatch, program)
    with pytest.raises(UserError, match=r"a with seed 1 ended with status 3; .*a_seed_1\.log"):
        train_in(configs, tmp_path / "out", seeds=range(3), num_parallel=2)
    assert [process.returncode for process in started] == [-signal.SIGTERM, 3]


def test_sigterm_ends_the_runs_and_then_the_comparison(configs, tmp_path, monkeypatch):
    started = stand_in(monkeypatch, "import time; time.sleep(60)")
    look = runs.time.sleep
    monkeypatch.setattr(
        runs.time, "sleep", lambda _: (look(0.1), signal.raise_signal(signal.SIGTERM))
    )
    with pytest.raises(SystemExit) as ended:
        train_in(configs, tmp_path / "out", seeds=range(1), num_parallel=1)
    assert (ended.value.code, started[0].returncode) == (143, -signal.SIGTERM)
