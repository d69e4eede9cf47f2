"""Our own runs as trained models: any stage, whichever way it is named."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.conversion import own_runs
from mslt_tf.errors import UserError
from mslt_tf.modeling import bert, weights
from mslt_tf.pretraining import stage_model
from mslt_tf.text_case import TextCase
from mslt_tf.training import checkpointing
from tests import tiny
from tests.conversion import made_runs


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run's folder, and its settings."""
    folder = tmp_path_factory.mktemp("runs") / "base"
    return folder, made_runs.write(folder)


@pytest.fixture
def run(made, tmp_path) -> Path:
    """A copy of the run's folder."""
    return Path(shutil.copytree(made[0], tmp_path / "run"))


def read(path, **options):
    return own_runs.read(str(path), report=lambda line: None, **options)


@pytest.mark.parametrize(("step", "stage"), list(zip(made_runs.ENDS, (0, 1, 2), strict=True)))
def test_a_checkpoint_of_any_stage_is_a_model_of_its_depth(made, step, stage):
    folder, config = made
    by_step = read(f"{folder}@{step}")
    by_path = read(folder / "checkpoints" / f"step-{step:08d}")
    assert by_step.step == by_path.step == step
    assert by_step.stage == config.plan.stages[stage].name
    assert by_step.config.num_hidden_layers == (2, 4, 4)[stage]
    expected = stage_model.build(config, config.plan.stages[stage])
    made_runs.randomize(expected, seed=(config.seed, stage))
    model = bert.build_bert(by_step.config, num_blocks=by_step.config.num_blocks)
    for found in (by_step, by_path):
        weights.load(model, found.weights)
        for ours, theirs in zip(model.variables, expected.variables, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_runs_folder_means_its_newest_checkpoint_with_its_vocabulary(made):
    model = read(made[0])
    assert model.step == made_runs.ENDS[-1]
    assert model.vocabulary == made_runs.VOCABULARY
    assert model.text_case == TextCase(do_lower_case=True, strip_accents=True)
    assert model.identity["objective"] == "mlm+nsp"


def test_it_comes_with_the_newest_evaluation_up_to_its_step(run):
    assert read(run).evaluation == {}
    entries = [
        {"kind": kind, "stage": "s", "step": step, "masked_lm_loss": 6.0 - step}
        for step in (2, 4, 6)
        for kind in ("eval", "train")
    ]
    lines = "".join(f"{json.dumps(entry)}\n" for entry in entries)
    (run / "metrics.jsonl").write_text(lines)
    assert read(f"{run}@5").evaluation == entries[2]
    assert read(run / "checkpoints" / "step-00000009").evaluation == entries[4]


def test_a_checkpoint_named_from_within_its_folder_finds_its_run(run, monkeypatch):
    monkeypatch.chdir(run / "checkpoints")
    assert read("step-00000003").vocabulary == made_runs.VOCABULARY


@pytest.mark.parametrize("is_told", [True, False])
def test_another_vocabulary_of_the_same_size_is_refused(run, tmp_path, is_told):
    tokens = [*made_runs.VOCABULARY[:-2], *reversed(made_runs.VOCABULARY[-2:])]
    (tmp_path / "other.txt").write_text("\n".join(tokens))
    settings = json.loads((run / "config.json").read_text())
    settings["vocab_file"] = "" if is_told else str(tmp_path / "other.txt")
    (run / "config.json").write_text(json.dumps(settings))
    options = {"vocab_file": str(tmp_path / "other.txt")} if is_told else {}
    flag = "^--vocab_file" if is_told else "^the run's --vocab_file"
    with pytest.raises(UserError, match=rf"{flag} .*other.txt is not the vocabulary that the mo"):
        read(run, **options)


def test_a_checkpoint_that_tells_no_vocabulary_takes_the_runs_with_a_note(made, monkeypatch):
    monkeypatch.setattr(own_runs, "vocabulary_sha256", lambda checkpoint: "")
    lines = []
    model = own_runs.read(str(made[0]), report=lines.append)
    assert model.vocabulary == made_runs.VOCABULARY
    assert len(lines) == 1
    assert "does not tell its vocabulary; " in lines[0]


def test_a_name_that_tensorflow_takes_for_a_pattern_is_told_at_once(run):
    shutil.move(run, run.parent / "a[1]")
    with pytest.raises(UserError, match=r"a\[1\] has \[ or .* rename the folder"):
        read(run.parent / "a[1]")


def test_a_checkpoint_that_a_run_replaces_meanwhile_is_no_matter(run, monkeypatch):
    original, checkpoints = checkpointing.read, run / "checkpoints"
    for step in (3, 5):
        (checkpoints / f"step-{step:08d}").rename(run / f"{step}")

    def read_late(path):
        if path.endswith("step-00000009"):
            (checkpoints / "step-00000009").rename(run / "9")
            (run / "5").rename(checkpoints / "step-00000005")
        return original(path)

    monkeypatch.setattr(checkpointing, "read", read_late)
    assert read(run).step == 5


def test_groups_of_albert_are_counted_and_not_layers(tmp_path):
    made_runs.write(tmp_path / "run", num_stages=1, **made_runs.ALBERT, do_lower_case=False)
    model = read(tmp_path / "run")
    assert (model.config.num_hidden_groups, model.config.num_hidden_layers) == (2, 4)
    assert model.text_case == TextCase(do_lower_case=False, strip_accents=False)


def test_a_folder_whose_name_looks_like_a_step_is_taken_as_it_is(run):
    shutil.move(run, f"{run}@7")
    assert read(f"{run}@7").step == 9
    assert read(f"{run}@7@3").step == 3


def test_a_runs_folder_can_be_told_with_its_step_and_all_else_is_told_so_already(run):
    assert own_runs.at_step(f"{run}/", 9) == f"{run}@9"
    checkpoint = f"{run}/checkpoints/step-00000009"
    for path in (f"{run}@9", checkpoint, f"{run}/checkpoints", f"{run}/nothing"):
        assert own_runs.at_step(path, 9) == path


def test_a_step_that_is_not_there_is_told_with_those_that_are(run):
    with pytest.raises(UserError, match="no checkpoint of step 4, but of 3, 5, 9"):
        read(f"{run}@4")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "nowhere is not there"),
        ("nowhere@3", "nowhere is not there"),
        ("empty", "empty is no run, or holds no checkpoint"),
        ("empty@3", "empty is no run, or holds no checkpoint"),
        ("run@x", "run@x is not there"),
        ("run@-3", "run@-3 is not there"),
    ],
)
def test_what_is_no_run_is_told_with_the_forms_there_are(run, name, message):
    (run.parent / "empty").mkdir()
    with pytest.raises(
        UserError, match=rf"/{message}\. Give .* RUN@STEP .* RUN/checkpoints/step-N"
    ):
        read(run.parent / name)


def test_damaged_checkpoints_are_passed_over_or_told(run):
    tiny.damage(run / "checkpoints" / "step-00000009" / "variables.data-00000-of-00001")
    lines = []
    assert own_runs.read(str(run), report=lines.append).step == 5
    assert len(lines) == 1
    assert "passed over" in lines[0]
    with pytest.raises(UserError, match="is damaged: its checksum"):
        read(f"{run}@9")


@pytest.mark.parametrize("goes", [False, True])
def test_one_that_cannot_be_read_is_told_unless_the_run_has_removed_it(run, monkeypatch, goes):
    newest = run / "checkpoints" / "step-00000009"

    def fail_there(path, *arguments, real=tf.io.gfile.GFile):
        if path != str(newest / "state.json"):
            return real(path, *arguments)
        if goes:
            shutil.rmtree(newest)
        raise tf.errors.AbortedError(None, None, "Stale file handle")

    monkeypatch.setattr(tf.io.gfile, "GFile", fail_there)
    if goes:
        assert own_runs.read(str(run), report=pytest.fail).step == 5
    else:
        with pytest.raises(UserError, match=r"step-00000009 cannot be read \(Stale file handle"):
            own_runs.read(str(run), report=pytest.fail)


@pytest.mark.parametrize("form", ["{}", "{}@4", "{}/checkpoints/step-00000004"])
def test_a_trial_of_a_fine_tuning_is_no_run(tmp_path, form):
    checkpointing.save(
        str(tmp_path / "checkpoints"),
        tf.train.Checkpoint(weights=tf.Variable(1.0)),
        step=4,
        identity={"task": "mnli", "seed": 0},
        settings={},
        num_kept=1,
    )
    with pytest.raises(UserError, match=r"step-00000004 is of a fine-tuning.* the encoder that"):
        read(form.format(tmp_path))


def test_a_checkpoint_without_its_run_needs_to_be_told_the_case(run, tmp_path):
    alone = shutil.copytree(run / "checkpoints" / "step-00000003", tmp_path / "alone")
    with pytest.raises(UserError, match="--do_lower_case or --nodo_lower_case"):
        read(alone)
    assert read(alone, text_case=TextCase(False, False)).vocabulary is None


def test_another_vocabulary_or_none_is_told(run, tmp_path):
    (tmp_path / "short.txt").write_text("\n".join(made_runs.VOCABULARY[:-1]))
    with pytest.raises(UserError, match="has 49 tokens, the model has vocab_size 50"):
        read(run, vocab_file=str(tmp_path / "short.txt"))
    settings = json.loads((run / "config.json").read_text())
    settings["vocab_file"] = str(tmp_path / "gone.txt")
    (run / "config.json").write_text(json.dumps(settings))
    with pytest.raises(
        UserError, match=r"^the run's --vocab_file .*gone.txt is no file\. Give .* by --vocab_file"
    ):
        read(run)
    settings["vocab_file"] = 7
    (run / "config.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match=r"config.json is not as a run writes it: vocab_file"):
        read(run)
    (run / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config.json is not as a run writes it"):
        read(run)
