"""What a start does with a folder that holds something already: it loses nothing of it."""

import json
import shutil
import subprocess
import sys

import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.export import saved_models
from mslt_tf.files import folder_lock, removal
from mslt_tf.modeling import weights
from mslt_tf.pretraining import stage_meter
from mslt_tf.training import checkpoint_folder
from tests import tiny
from tests.pretraining.quick_runs import pretrain, steps

pytestmark = pytest.mark.usefixtures("quick_export")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return {"train_records": tiny.write_random_shards(tmp_path_factory.mktemp("data"))}


@pytest.fixture(scope="module")
def finished_run(data, quick_export, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert pretrain(folder, data) == 0
    return folder


@pytest.fixture
def finished(finished_run, tmp_path):
    """A folder of a finished run, to be spoilt."""
    return shutil.copytree(finished_run, tmp_path / "run")


def contents(folder):
    """Returns what lies below a folder, by path."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def results(folder):
    """Returns what a start must not touch: metrics, export and checkpoints."""
    kept = ("metrics.jsonl", "export", "checkpoints")
    return {name: value for name, value in contents(folder).items() if name.startswith(kept)}


def test_a_finished_run_keeps_the_settings_that_trained_it(finished, data, capsys):
    told = ("config.json", "metrics.jsonl")
    before = {name: (finished / name).read_text() for name in told}
    assert pretrain(finished, data, learning_rate=0.5) == 0
    note = "note: learning_rate: 0.01 before; 0.5 changes nothing, as all steps are done"
    assert note in capsys.readouterr().out
    assert {name: (finished / name).read_text() for name in told} == before


def test_a_finished_run_without_its_checkpoints_is_done(finished, data, capsys):
    shutil.rmtree(finished / "checkpoints")
    before = contents(finished)
    assert pretrain(finished, data) == 0
    out = capsys.readouterr().out
    assert "This run is done: 6 steps" in out
    assert "checkpoints are not there any more" in out
    assert "To train it anew on purpose, give another --output_dir" in out
    assert contents(finished) == before


def test_a_finished_run_whose_records_were_cleaned_away_is_done(finished, capsys, tmp_path):
    gone = {"train_records": tmp_path / "gone" / "*"}
    before = contents(finished)
    assert pretrain(finished, gone) == 0
    assert "Its records are not there any more" in capsys.readouterr().out
    assert contents(finished) == before


def test_an_unfinished_run_whose_records_were_cleaned_away_is_not_done(finished, data, tmp_path):
    gone = {"train_records": tmp_path / "gone" / "*"}
    with pytest.raises(UserError, match="no record file matches"):
        pretrain(finished, gone, num_train_steps=8, lengthen=True)


@pytest.mark.parametrize(
    ("removed", "changes", "found"),
    [
        (["checkpoints"], {"num_train_steps": 9}, "an export and metrics of 6 steps"),
        (["checkpoints", "export"], {}, "metrics of 6 steps"),
        (["checkpoints", "metrics.jsonl"], {"seed": 7}, "an export"),
    ],
)
def test_nothing_begins_anew_where_a_finished_run_lies(finished, data, removed, changes, found):
    for name in removed:
        path = finished / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = results(finished)
    message = f"holds {found} of a run, but none of its checkpoints: .* give another --output_dir"
    with pytest.raises(UserError, match=message):
        pretrain(finished, data, **changes)
    assert results(finished) == before


def test_nothing_begins_anew_where_a_checkpoint_was_written_and_is_gone(data, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        pretrain_until(tmp_path, data, step=4, num_train_steps=20)
    shutil.rmtree(tmp_path / "checkpoints")
    before = results(tmp_path)
    with pytest.raises(UserError, match="holds metrics of 4 steps of a run"):
        pretrain(tmp_path, data, num_train_steps=20)
    assert results(tmp_path) == before


def pretrain_until(folder, data, *, step, **changes):
    """Trains until the checkpoint of a step is written, and stops as a crash would."""
    with pytest.MonkeyPatch.context() as patch:
        remove_old = checkpoint_folder.remove_old

        def remove_and_stop(*arguments, newest, **options):
            remove_old(*arguments, newest=newest, **options)
            if newest == step:
                raise KeyboardInterrupt

        patch.setattr(checkpoint_folder, "remove_old", remove_and_stop)
        pretrain(folder, data, **changes)


def test_a_run_that_came_to_no_checkpoint_begins_anew(data, tmp_path):
    line = {"kind": "train", "stage": "original", "step": 1, "masked_lm_loss": 9.0}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    (tmp_path / "starts.jsonl").write_text('{"step": 0}\n')
    assert pretrain(tmp_path, data) == 0
    assert [entry["step"] for entry in tiny.metrics(tmp_path, "train")] == [2, 4, 6]


@pytest.mark.parametrize("name", ["config.json", "plan.txt", "metrics.jsonl"])
def test_a_file_of_somebody_elses_is_not_overwritten(data, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match=rf"holds {name}, but no run of this program"):
        pretrain(tmp_path, data)
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["export/thesis.txt", "export", ".export.partial_of_mslt_tf/thesis.txt"]
)
def test_what_lies_in_the_place_of_the_export_is_told_before_the_first_step(data, tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    message = r"(not written by|is no folder of) this program.*Move it away"
    with pytest.raises(UserError, match=message):
        pretrain(tmp_path, data)
    assert (tmp_path / name).read_text() == "mine"
    assert not (tmp_path / "checkpoints").exists()


def test_a_file_put_into_the_export_keeps_it_from_being_replaced(finished, data):
    (finished / "export" / "thesis.txt").write_text("mine")
    assert pretrain(finished, data) == 0  # done: nothing is to be replaced
    before = results(finished)
    with pytest.raises(UserError, match=r"export holds thesis\.txt, not written by"):
        pretrain(finished, data, num_train_steps=8, lengthen=True)
    assert results(finished) == before


def test_the_export_of_fewer_steps_stays_until_the_next_is_whole(finished, data, monkeypatch):
    longer = {"num_train_steps": 8, "lengthen": True}
    before = contents(finished / "export")

    def fail(*arguments, **options):
        raise tf.errors.ResourceExhaustedError(None, None, "f; No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(saved_models, "write", fail)
        message = r"the export cannot be written to .*No space left on device\)\. Make room\."
        with pytest.raises(UserError, match=message):
            pretrain(finished, data, **longer)
    assert contents(finished / "export") == before
    assert pretrain(finished, data, **longer) == 0  # not done before: it only exports now
    assert contents(finished / "export") != before
    assert saved_models.facts_of(str(finished / "export"))["step"] == 8
    assert not [path.name for path in finished.iterdir() if path.name.startswith(".export")]


def test_copies_of_an_export_stay(finished, data):
    names = ("export.before", "export.tmp", "export-of-6-steps")
    for name in names:
        shutil.copytree(finished / "export", finished / name)
    before = {name: contents(finished / name) for name in names}
    assert pretrain(finished, data, num_train_steps=8, lengthen=True) == 0
    assert {name: contents(finished / name) for name in names} == before


def write_as_the_version_before(export):
    """Writes what stands for an encoder directly into the export's folder, without a mark."""
    shutil.rmtree(export)
    for name in ("saved_model.pb", "assets.extra/bert_config.json", "variables/variables.x"):
        (export / name).parent.mkdir(parents=True, exist_ok=True)
        (export / name).write_text(name)


def test_a_file_of_somebody_elses_in_an_export_of_the_version_before_stays(finished, data):
    write_as_the_version_before(finished / "export")
    for name in ("mine/saved_model.pb", "encoder/saved_model.pb"):
        path = finished / "export" / name
        path.parent.mkdir()
        path.write_text("mine")
        with pytest.raises(UserError, match=r"export holds .*, not written by this program"):
            pretrain(finished, data, num_train_steps=8, lengthen=True)
        assert path.read_text() == "mine"
        shutil.rmtree(path.parent)


def test_the_export_of_the_version_before_is_known_and_replaced(finished, data, capsys):
    export = finished / "export"
    write_as_the_version_before(export)
    assert pretrain(finished, data) == 0
    assert "This run is done" in capsys.readouterr().out
    (export / removal.MARK_FILE).unlink()
    assert pretrain(finished, data, num_train_steps=8, lengthen=True) == 0
    assert saved_models.facts_of(str(finished / "export"))["step"] == 8


@pytest.mark.slow
def test_the_checkpoints_that_end_stages_stay_on_demand(data, tmp_path):
    stages = {"num_hidden_layers": 2, "num_stages": 2, "num_train_steps": 12, "method": "mslt"}
    options = {"num_checkpoints_kept": 1, "checkpoint_steps": 1}
    assert pretrain(tmp_path, data, **stages, **options, keep_stage_ends=True) == 0
    ends = [span.end for span in tiny.config(**stages).plan.spans]
    assert steps(tmp_path) == list(ends)
    assert len(ends) == 3


def test_a_second_process_in_the_same_folder_is_refused_and_spoils_nothing(finished, data):
    program = (
        "import sys, time; from mslt_tf.files import folder_lock\n"
        "with folder_lock.held(sys.argv[1], report=print):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(finished)]
    before = results(finished)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "held\n"
            with pytest.raises(UserError, match=rf"is in use by process {process.pid} on"):
                pretrain(finished, data, num_train_steps=8, lengthen=True)
        finally:
            process.kill()
    assert results(finished) == before
    assert pretrain(finished, data, num_train_steps=8, lengthen=True) == 0  # of the dead: no lock
    assert not (finished / folder_lock.LOCK_FILE).exists()


@pytest.mark.parametrize(
    ("place", "num_entries"),
    [((weights, "check_usable"), 1), ((stage_meter, "announce_communication"), 0)],
    ids=["before a checkpoint", "before an entry"],
)
def test_a_run_whose_folder_was_taken_over_writes_nothing_more(
    data, tmp_path, monkeypatch, place, num_entries
):
    def take_over(*arguments, **options):
        path = tmp_path / folder_lock.LOCK_FILE
        path.write_text(json.dumps(json.loads(path.read_text()) | {"token": "t", "host": "b"}))

    monkeypatch.setattr(*place, take_over)
    with pytest.raises(UserError, match=r"was taken over by process \d+ on b"):
        pretrain(tmp_path, data)
    assert steps(tmp_path) == []
    assert (tmp_path / "metrics.jsonl").read_text().count('"train"') == num_entries
