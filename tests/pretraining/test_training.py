"""Whole runs through the real `pretrain`, on a tiny model."""

import json
import signal

import pytest

from mslt_tf.distribution import strategies
from mslt_tf.errors import UserError
from mslt_tf.export import saved_models
from mslt_tf.pretraining import evaluation, train_step, training
from mslt_tf.training import checkpointing
from tests import tiny
from tests.saved_weights import assert_bit_identical

TWO_LAYERS = {"num_hidden_layers": 2, "num_stages": 2, "num_train_steps": 15}  # stages of 6, 6, 3
SMALL = {"method": "original", "num_hidden_layers": 1, "num_train_steps": 3}

pytestmark = pytest.mark.usefixtures("quick_export")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Flags that name training and evaluation records."""
    folder = tmp_path_factory.mktemp("data")
    return {
        "train_records": tiny.write_random_shards(folder / "train"),
        "eval_records": tiny.write_random_shards(folder / "eval", seed=1, sizes=(10,)),
    }


def final_weights(folder):
    checkpoint = checkpointing.newest(str(folder / "checkpoints"), report=lambda line: None)
    return checkpoint.step, checkpointing.read_weights(checkpoint)


@pytest.mark.slow
def test_each_stage_sends_micro_batches_of_its_own_size_through(data, tmp_path, monkeypatch):
    made, make = [], train_step.make_train_steps

    def make_and_note(*arguments, **options):
        made.append(options["micro_batch_size"])
        return make(*arguments, **options)

    monkeypatch.setattr(train_step, "make_train_steps", make_and_note)
    settings = {**data, **TWO_LAYERS, "output_dir": tmp_path, "micro_batch_size": "4,0,2"}
    assert training.pretrain(tiny.config(**settings)) == 0
    assert made == [4, 8, 2]


@pytest.mark.slow
@pytest.mark.multi_device
def test_a_run_on_two_devices_goes_through_all_stages_and_then_is_done(
    data, tmp_path, capsys, check_golden_numbers
):
    config = tiny.config(
        **data, **TWO_LAYERS, output_dir=tmp_path, distribution_strategy="mirrored", eval_steps=5
    )
    assert strategies.one_machine(all_devices=True).num_replicas_in_sync == 2
    assert training.pretrain(config) == 0
    train = tiny.metrics(tmp_path, "train")
    assert [(e["stage"], e["step"]) for e in train] == [
        *(("layers_1", step) for step in (2, 4, 6)),
        *(("layers_2", step) for step in (8, 10, 12)),
        *(("joint", step) for step in (14, 15)),
    ]
    assert [e["step"] for e in tiny.metrics(tmp_path, "eval")] == [5, 6, 10, 12, 15]
    curve = {
        f"{entry['kind']} {entry['step']} {name}": entry[name]
        for entry in (*train, *tiny.metrics(tmp_path, "eval"))
        for name in ("masked_lm_loss", "sentence_pair_loss")
    }
    check_golden_numbers("loss_curve.json", curve, rel=1e-4)  # other CPUs round otherwise
    assert (tmp_path / "plan.txt").read_text() == config.plan.table() + "\n"
    assert json.loads((tmp_path / "config.json").read_text())["seed"] == 12_345
    steps = [path.name for path in sorted((tmp_path / "checkpoints").iterdir())]
    assert steps == ["step-00000006", "step-00000012", "step-00000015"]
    assert saved_models.exists(str(tmp_path / "export"))
    capsys.readouterr()
    assert training.pretrain(config) == 0
    assert "This run is done: 15 steps" in capsys.readouterr().out


@pytest.mark.slow  # test_initial_weights.py has others
def test_weights_of_another_run_start_this_one(data, tmp_path):
    one = tiny.config(**data, **SMALL, output_dir=tmp_path / "a")
    training.pretrain(one)
    _, weights = final_weights(tmp_path / "a")
    start = str(tmp_path / "a" / "checkpoints" / "step-00000003")
    two = tiny.config(
        **data,
        **SMALL,
        learning_rate=1e-30,  # weights stand still
        init_checkpoint=start,
        output_dir=tmp_path / "b",
        seed=1,
    )
    training.pretrain(two)
    assert_bit_identical(final_weights(tmp_path / "b")[1], weights)
    other = tiny.config(
        **data, **SMALL, intermediate_size=8, init_checkpoint=start, output_dir=tmp_path / "c"
    )
    with pytest.raises(UserError, match="intermediate_size: 16 there, 8 now"):
        tiny.open_run(other)


@pytest.mark.slow
def test_optimizer_state_crosses_into_a_stage_that_trains_the_same(data, tmp_path):
    flags = {**data, **SMALL, "num_train_steps": 6, "checkpoint_steps": 3}
    training.pretrain(tiny.config(**flags, output_dir=tmp_path / "one"))
    # Two stages of three steps, the second with nothing grown: the very same training.
    two = {"method": "mslt", "num_stages": 1, "joint_fraction": 0.5}
    training.pretrain(tiny.config(**flags | two, output_dir=tmp_path / "two"))
    assert_bit_identical(final_weights(tmp_path / "two")[1], final_weights(tmp_path / "one")[1])


@pytest.mark.slow
def test_a_finished_run_can_be_lengthened_with_another_weight_decay(data, tmp_path, capsys):
    flags = {**data, **SMALL}
    training.pretrain(tiny.config(**flags, output_dir=tmp_path))
    longer = {**flags, "num_train_steps": 5, "output_dir": tmp_path}
    with pytest.raises(UserError, match="--lengthen"):
        training.pretrain(tiny.config(**longer))
    changed = {"weight_decay_rate": 0.5, "lengthen": True}
    assert training.pretrain(tiny.config(**longer, **changed)) == 0
    assert "weight_decay_rate: 0.01 before, 0.5 from here on" in capsys.readouterr().out
    assert final_weights(tmp_path)[0] == 5


@pytest.mark.slow
def test_a_signal_during_an_evaluation_loses_neither_steps_nor_the_evaluation(
    data, tmp_path, monkeypatch
):
    config = tiny.config(**data, **SMALL, eval_steps=2, eval_batch_size=4, output_dir=tmp_path)
    original = evaluation.evaluation_sums

    def interrupted(*arguments, **options):  # called while the evaluation is traced
        signal.raise_signal(signal.SIGTERM)
        return original(*arguments, **options)

    monkeypatch.setattr(evaluation, "evaluation_sums", interrupted)
    assert training.pretrain(config) == 143
    monkeypatch.undo()
    assert final_weights(tmp_path)[0] == 2
    assert training.pretrain(config) == 0
    assert [e["step"] for e in tiny.metrics(tmp_path, "eval")] == [2, 3]
    steps = [e["step"] for e in tiny.metrics(tmp_path, "train")]
    assert steps == [2, 3]


@pytest.mark.slow
def test_a_stage_is_judged_before_it_is_frozen_also_by_a_run_that_ended_there(
    data, tmp_path, monkeypatch, capsys
):
    flags = {**data, "num_hidden_layers": 3, "num_stages": 3, "joint_fraction": 0}
    flags |= {"num_train_steps": 102, "stage_steps": "100,1,1"}
    flags |= {"eval_batch_size": 4, "output_dir": tmp_path}
    make_evaluate = evaluation.make_evaluate

    def ended_at_the_second(*arguments, **options):
        evaluate = make_evaluate(*arguments, **options)

        def evaluate_once(stops):
            if tiny.metrics(tmp_path, "eval"):
                raise MemoryError
            return evaluate(stops)

        return evaluate_once

    monkeypatch.setattr(evaluation, "make_evaluate", ended_at_the_second)
    with pytest.raises(MemoryError):
        training.pretrain(tiny.config(**flags))
    monkeypatch.undo()
    assert training.pretrain(tiny.config(**flags)) == 0
    before, end, second, last = tiny.metrics(tmp_path, "eval")
    assert [before["step"], end["step"], second["step"], last["step"]] == [90, 100, 101, 102]
    fall = before["masked_lm_loss"] - end["masked_lm_loss"]
    assert end["fall_in_last_tenth"] == pytest.approx(fall)
    assert end["below_unigram_entropy"] == end["unigram_entropy"] - end["masked_lm_loss"]
    assert "below_unigram_entropy" not in before | last
    rise = second["masked_lm_loss"] - end["masked_lm_loss"]
    assert second["above_stage_before"] == pytest.approx(rise)
    assert "above_stage_before" not in end
    assert "layers_1 is frozen from here on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"output_dir": ""}, "--output_dir is not set"),
        ({"train_records": ""}, "--train_records is not set"),
        ({"train_records": "/nowhere/x*"}, "folder /nowhere does not exist"),
        ({"eval_records": "/nowhere/x*"}, "folder /nowhere does not exist"),
        ({"train_batch_size": 6, "micro_batch_size": 4}, "6 sequences cannot be split into micro"),
        (
            {"train_batch_size": 6, "micro_batch_size": "0,0,0,0,4"},
            "micro-batches of 4 in stage joint",
        ),
        ({"init_checkpoint": "/nowhere"}, "--init_checkpoint /nowhere is not there"),
        ({"eval_records": "SAME"}, "is in --train_records and in --eval_records"),
    ],
)
def test_what_can_be_known_before_the_first_step_is_refused_there(data, tmp_path, flags, message):
    if flags.get("eval_records") == "SAME":
        flags = {"eval_records": data["train_records"]}
    config = tiny.config(**{**data, "output_dir": tmp_path / "run", **flags})
    with pytest.raises(UserError, match=message):
        tiny.open_run(config)


def test_an_output_folder_that_cannot_be_written_is_refused(data, tmp_path):
    (tmp_path / "file").write_text("")
    config = tiny.config(**data, output_dir=tmp_path / "file" / "run")
    with pytest.raises(UserError, match="cannot be written to"):
        tiny.open_run(config)


@pytest.mark.multi_device
def test_a_batch_that_does_not_divide_by_the_devices_is_refused(data, tmp_path):
    config = tiny.config(
        **data, output_dir=tmp_path, train_batch_size=7, distribution_strategy="mirrored"
    )
    with pytest.raises(
        UserError, match=r"batch of 7 sequences in stage .* cannot be split over 2 devices"
    ):
        tiny.open_run(config)


def test_a_folder_with_another_runs_checkpoint_is_refused(data, tmp_path):
    flags = {**data, **SMALL}
    training.pretrain(tiny.config(**flags, output_dir=tmp_path))
    with pytest.raises(UserError, match="seed: 12345 there, 1 now"):
        training.pretrain(tiny.config(**flags, output_dir=tmp_path, seed=1))


def test_a_loss_that_is_not_finite_stops_the_run_and_names_stage_and_step(data, tmp_path):
    config = tiny.config(
        **data, **SMALL, learning_rate=1e30, num_warmup_steps=0, output_dir=tmp_path
    )
    with pytest.raises(UserError, match=r"not finite at step [12] \(stage original\)"):
        training.pretrain(config)
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("part", ["train", "eval"])
def test_a_record_that_breaks_during_a_run_is_named(data, tmp_path, part):
    pattern = tiny.write_random_shards(tmp_path / part, sizes=(30,))
    flags = {**data, **SMALL, "num_train_steps": 20, "eval_steps": 1, f"{part}_records": pattern}
    config = tiny.config(**flags, output_dir=tmp_path / "run")
    tiny.open_run(config)  # reads the facts while the file is whole
    tiny.damage(tmp_path / part / "part-0.tfrecord")
    with pytest.raises(UserError, match=rf"{part}/part-0\.tfrecord is damaged at record \d+"):
        training.pretrain(config)
