"""benchmarks/step_time: what it makes of samples, how it talks to its processes, and a real run."""

import dataclasses
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.step_time import __main__ as command
from benchmarks.step_time import (
    compare,
    participants,
    pipes,
    plot,
    profile,
    random_records,
    report,
    results,
    turns,
)
from benchmarks.step_time.results import CEILING, Spread
from benchmarks.step_time.turns import Outcome, Participant, Schedule
from mslt_tf.errors import UserError
from tests import tiny

ROOT = Path(__file__).parent.parent
OPTIONS = participants.Options(
    vs=[], torch_python="", torch_compile=False, split=True, ceiling=True, profile=False
)
# A child that answers what it was asked, and prints besides.
ECHO = """
from benchmarks.step_time import pipes
from mslt_tf.errors import UserError

print("no answer")

def fail(steps):
    raise UserError("it cannot")

def echo(steps):
    print("no answer either")
    return {"seconds": 0.5 * steps}

tasks = {"step": echo, "fail": fail, "facts": lambda _: {"memory": 1}, "break": lambda _: 1 / 0}
pipes.serve(lambda: tasks)
"""


def echo_child(name: str = "echo") -> pipes.Child:
    return pipes.Child(name, [sys.executable, "-c", ECHO], {"PYTHONPATH": str(ROOT)})


def samples_of(**seconds: list[float]) -> dict[str, dict[str, list[float]]]:
    """Returns samples of which each step has parts of a half, three quarters and nine tenths."""
    shares = {"step": 1.0, "step_from_memory": 0.9, "gradient": 0.75, "forward": 0.5}
    return {
        name: {task: [share * time for time in times] for task, share in shares.items()}
        for name, times in seconds.items()
    }


def outcome_of(samples: dict) -> Outcome:
    memory = {"before_model": 10**6, "before_first_step": 3 * 10**6, "peak": 7 * 10**6}
    facts = {name: {"optimizer_bytes": 2 * 10**6, "memory": memory} for name in samples}
    return Outcome(samples, facts)


PLAN_SECONDS = {
    "layers_1": [1.0, 2.0, 1.0],
    "layers_2": [2.0, 2.0, 2.0],
    "layers_3": [2.0, 2.0, 2.0],
    "layers_4": [3.0, 3.0, 3.0],
    "joint": [4.0, 4.0, 8.0],
}


def test_the_speedup_weighs_medians_by_the_steps_of_each_stage():
    config = tiny.config(stage_steps="4,3,1,1,1")
    found = results.speedup(config, config.plan.stages, samples_of(**PLAN_SECONDS))
    assert found.median == pytest.approx(10 * 4 / (4 * 1 + 3 * 2 + 2 + 3 + 4))
    rounds = [40 / 19, 40 / 23, 80 / 23]
    assert [found.lower, found.upper] == pytest.approx(np.quantile(rounds, [0.25, 0.75]))


def test_without_all_stages_there_is_no_speedup():
    config = tiny.config()
    samples = samples_of(joint=[1.0], layers_1=[1.0])
    stages = [stage for stage in config.plan.stages if stage.name in samples]
    assert results.speedup(config, stages, samples) is None


def test_the_joint_stage_stands_for_the_original_method_at_its_shapes():
    config = tiny.config()
    assert [s.name for s in participants.stages_to_measure(config, [], [])] == list(PLAN_SECONDS)
    assert results.peer_stage(config, config.plan.stages).name == "joint"


def test_a_plan_without_it_is_measured_with_the_original_besides():
    config = tiny.config(joint_fraction=0)
    names = [stage.name for stage in participants.stages_to_measure(config, [], [])]
    assert names == [*list(PLAN_SECONDS)[:4], "original_16x8"]


def test_other_lengths_have_originals_of_their_own():
    config = tiny.config(**{**tiny.LONG_FLAGS, "long_seq_fraction": 0.1})
    last = config.plan.stages[-1]
    stages = participants.stages_to_measure(config, [], [])
    of_first, of_last = (
        results.find_original(config, stage, stages) for stage in (config.plan.stages[0], last)
    )
    assert of_last == last
    assert (of_first.seq_length, last.seq_length) == (tiny.SEQ_LENGTH, tiny.LONG_SEQ_LENGTH)


def test_stages_are_chosen_by_name_and_peers_bring_the_joint_one_along():
    config = tiny.config()
    chosen = participants.stages_to_measure(config, ["layers_3"], ["keras_nlp"])
    assert [stage.name for stage in chosen] == ["layers_3", "joint"]
    with pytest.raises(UserError, match="--stages has layers_9"):
        participants.stages_to_measure(config, ["layers_9"], [])


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"num_hidden_groups": 4}, "no ALBERT"), ({"precision": "float16"}, "no float16")],
)
def test_what_peers_cannot_do_is_refused(settings, message):
    with pytest.raises(UserError, match=message):
        participants.stages_to_measure(tiny.config(**settings), [], ["keras_nlp"])


def test_torch_needs_an_interpreter():
    with pytest.raises(UserError, match="--torch_python"):
        dataclasses.replace(OPTIONS, vs=["transformers"])


def test_one_at_a_time_keeps_peers_with_the_joint_stage(tmp_path):
    config = tiny.config()
    options = dataclasses.replace(OPTIONS, vs=["keras_nlp"], split=False)
    plan = participants.MeasurementPlan(
        config, config.plan.stages, options, {tiny.SEQ_LENGTH: "glob"}, tmp_path
    )
    groups = plan.groups(one_at_a_time=True)
    assert [[p.name for p in group] for group in groups[-2:]] == [
        ["layers_4", CEILING],
        ["joint", "keras_nlp", CEILING],
    ]
    assert groups[-2][0].tasks == ("step",)
    assert groups[-1][0].tasks == ("step", "step_from_memory")
    (together,) = plan.groups(one_at_a_time=False)
    assert len({p.name for p in together}) == len(together) == 7


def test_the_tables_show_parts_memory_ceiling_and_ratios():
    config = tiny.config()
    outcome = outcome_of(samples_of(**PLAN_SECONDS))
    outcome.samples |= {CEILING: {"matmul": [0.5, 1.0, 2.0]}, "keras_nlp": {"step": [3.6, 4.0, 8]}}
    outcome.facts[CEILING] = {"flops": 2e9, "size": 1000}
    summary = results.summarize(config, config.plan.stages, outcome, ["keras_nlp"])
    lines = report.text(summary).splitlines()
    joint, work = [line.split() for line in lines if line.startswith("joint")]
    # A half, a quarter, 15 and 10 hundredths.
    assert joint == "joint 4 4 - 6 2 1 0.6 0.4000 (10.0%) 1.000 1.000".split()  # noqa: SIM905
    assert work[-4:] == ["2", "7", "6", "4"]
    assert "Matmul ceiling, 1000 square: 2 GFLOP/s (2 - 3)" in lines
    assert any(line.startswith("Ours / keras_nlp: 0.900 (0.9 - 0.95)") for line in lines)
    compared = compare.table({"run": dataclasses.asdict(summary)}).splitlines()
    assert compared[5].split()[:4] == ["run", "joint", "8", "2.0"]
    assert "run" in compared[6]
    assert plot.bar_parts(summary)["forward"] == [0.5, 1.0, 1.0, 1.5, 2.0]


def test_unsplit_steps_are_whole_bars_and_dashes():
    config = tiny.config()
    outcome = outcome_of({name: {"step": times} for name, times in PLAN_SECONDS.items()})
    summary = results.summarize(config, config.plan.stages, outcome, [])
    assert plot.bar_parts(summary) == {"step": [1.0, 2.0, 2.0, 3.0, 4.0]}
    assert " -  " in report.time_table(summary)


def test_one_round_has_no_spread():
    assert results.spread([2.0]) == Spread(2.0, 2.0, 2.0)


def test_a_child_answers_over_its_own_pipe_and_prints_to_standard_error(capfd):
    child = echo_child()
    with pipes.children([child]):
        assert child.ask("step", 3) == {"seconds": 1.5}
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "no answer\nno answer either\n"


@pytest.mark.parametrize(("task", "message"), [("fail", "it cannot"), ("break", "status 1")])
def test_trouble_of_a_child_names_it(task, message, capfd):
    child = echo_child("layers_3")
    with pytest.raises(UserError, match=f"layers_3.*{message}"), pipes.children([child]):
        child.ask(task)
    assert ("ZeroDivisionError" in capfd.readouterr().err) == (task == "break")


def test_a_killed_child_tells_what_to_lower():
    assert "--one_at_a_time" in pipes._reason(-9)


class Recorder:
    """Stands for a child, and notes what it is asked."""

    def __init__(self, name: str, asked: list[tuple[str, str, int]]):
        self.name, self._asked = name, asked

    def ready(self) -> None:
        pass

    def ask(self, task: str, steps: int = 1) -> dict[str, float]:
        self._asked.append((self.name, task, steps))
        return {"seconds": 0.25 * steps}

    def hang_up(self, *, at_once: bool = False) -> None:
        self._asked.append((self.name, "hang up", at_once))

    def end(self) -> None:
        self._asked.append((self.name, "end", 0))


def test_turns_alternate_and_turn_around_with_each_round():
    asked: list[tuple[str, str, int]] = []
    participants = [
        Participant("a", lambda: Recorder("a", asked), ("step", "forward")),
        Participant("b", lambda: Recorder("b", asked), ("step",)),
    ]
    outcome = Outcome()
    turns.measure(participants, Schedule(2, 1, 1.0), outcome, report=lambda _: None)
    warm_up = [("a", "step", 1), ("a", "facts", 1), ("a", "forward", 1), ("b", "step", 1)]
    alternating = [("a", "step", 4), ("a", "forward", 4), ("b", "step", 4)]
    # All hear of it before the first is waited for.
    ends = [(name, task, 0) for task in ("hang up", "end") for name in ("a", "b")]
    assert asked == [*warm_up, ("b", "facts", 1), *alternating, *alternating[::-1], *ends]
    assert outcome.samples["a"] == {"step": [0.25, 0.25], "forward": [0.25, 0.25]}


def test_time_inside_other_events_counts_once():
    events = [(0, 100, "outer"), (10, 40, "inner"), (20, 30, "outer"), (40, 60, "inner")]
    assert profile.self_times(events) == {"outer": 60, "inner": 40}


def test_random_records_fill_sequences_and_predict_distinct_positions():
    (stage, *_) = tiny.config().plan.stages
    made = random_records.random_features(
        np.random.default_rng(0), 50, stage, vocab_size=tiny.VOCAB_SIZE
    )
    assert made.input_mask.all()
    assert (np.diff(made.masked_lm_positions, axis=1) > 0).all()
    assert made.input_ids.shape == (50, tiny.SEQ_LENGTH)


def test_results_are_not_written_over_a_file(tmp_path):
    command.check_new("--json", "")
    command.check_new("--json", str(tmp_path / "new.json"))
    (tmp_path / "new.json").write_text("precious")
    with pytest.raises(UserError, match=r"--json .*new\.json is there already\. Give a new name"):
        command.check_new("--json", str(tmp_path / "new.json"))


@pytest.mark.slow
def test_a_real_run_beside_keras_nlp_writes_what_it_measured(tmp_path):
    path = tmp_path / "step_time.json"
    command = [sys.executable, "-m", "benchmarks.step_time", "--flagfile=configs/tiny.flags"]
    flags = ["--train_batch_size=8", "--stages=layers_2,joint", "--vs=keras_nlp", "--profile"]
    flags += ["--rounds=2", "--warmups=1", "--seconds_per_turn=0.01", f"--json={path}"]
    output = subprocess.run(
        [*command, *flags], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    content = json.load(io.StringIO(path.read_text("utf-8")))
    summary = content["summary"]
    layers_2, joint = summary["stages"]
    assert 0 < layers_2["of_original"] < 1
    assert 0 < joint["forward"] < joint["step"]["median"]
    assert layers_2["optimizer_bytes"] < joint["optimizer_bytes"]
    assert layers_2["memory"]["before_model"] < layers_2["memory"]["peak"]
    assert summary["peers"]["keras_nlp"]["ratio"]["median"] > 0
    assert summary["ceiling_flops_per_second"]["median"] > joint["flops_per_second"]
    assert len(content["samples"]["keras_nlp"]["step"]) == 2
    assert any("MatMul" in name for name, _, _ in content["profiles"]["joint"])
    assert "Ours / keras_nlp" in output
