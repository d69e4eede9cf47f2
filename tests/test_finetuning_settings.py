"""The flags of run_finetuning: their groups, what they refuse, and the paper's settings."""

import dataclasses

import pytest
from absl import flags

from mslt_tf import finetuning_flags, startup
from mslt_tf.errors import UserError
from mslt_tf.finetuning_settings import FineTuningSettings, TrainingSettings
from mslt_tf.flag_fields import flag_names
from mslt_tf.squad_settings import WindowSizes
from tests.documented_commands import ROOT

NEEDED = {"task": "mrpc", "encoder": "runs/base", "output_dir": "out"}


def settings(**given: object) -> FineTuningSettings:
    return settings_of([f"--{name}={value}" for name, value in {**NEEDED, **given}.items()])


def settings_of(arguments: list[str]) -> FineTuningSettings:
    values = flags.FlagValues()
    finetuning_flags.define_flags(values)
    values(["program", *arguments])
    return finetuning_flags.settings_from_flags(values)


def test_every_flag_of_the_settings_stands_in_one_group():
    grouped = [name for names in finetuning_flags.GROUPS.values() for name in names]
    of_settings = [name for each in finetuning_flags.SETTINGS for name in flag_names(each)]
    assert sorted(grouped) == sorted(of_settings)


def test_help_has_every_flag_below_its_heading_with_a_text_of_its_own():
    values = flags.FlagValues()
    finetuning_flags.define_flags(values)
    own = [values[name] for names in finetuning_flags.GROUPS.values() for name in names]
    sections = startup.help_text("What it does.", own).split("\n\n")[1:]
    for (heading, names), section in zip(finetuning_flags.GROUPS.items(), sections, strict=False):
        title, *lines = section.splitlines()
        assert title == f"{heading}:"
        shown = [line.split()[0] for line in lines if line.startswith("  --")]
        assert shown == [f"--{name}" for name in names]
    texts = [flag.help for flag in own]
    assert len(set(texts)) == len(texts)
    assert [text for text in texts if not text.endswith(".")] == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"learning_rates": "0"}, r"--learning_rates is 0.* Use .*above 0"),
        ({"learning_rates": "5e-5,-1"}, r"--learning_rates is -1"),
        ({"learning_rates": "nan"}, r"--learning_rates is nan"),
        ({"learning_rates": "3e-5,5e-5,3e-05"}, r"--learning_rates names 3e-05 twice"),
        ({"learning_rates": ""}, r"--learning_rates is not set"),
        ({"task": "rte,mrpc,rte"}, r"--task names rte twice"),
        ({"task": ""}, r"--task is not set"),
        ({"encoder": ""}, r"--encoder is not set"),
        ({"output_dir": ""}, r"--output_dir is not set"),
        ({"num_seeds": 0}, r"--num_seeds is 0\. Use at least 1"),
        ({"num_epochs": -1}, r"--num_epochs is -1"),
        ({"warmup_fraction": 1}, r"--warmup_fraction is 1"),
        ({"max_seq_length": 4}, r"--max_seq_length is 4\. Use at least 5"),
        ({"max_seq_length": -5}, r"--max_seq_length is -5\. Use at least 0"),
        ({"max_seq_length": 60, "task": "squad_1.1"}, r"--max_query_length is 64, .* at most 56"),
        ({"submit": True, "task": "squad_2.0"}, r"GLUE's test sets, and --task is squad_2\.0\. L"),
        ({"submit": True, "validate_submission": "s.zip"}, r"--submit makes a submission, and --v"),
        ({"strip_accents": True}, r"--strip_accents is set without --do_lower_case"),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(given: dict[str, object], message: str):
    with pytest.raises(UserError, match=message):
        settings(**given)


def test_the_defaults_are_the_papers_grid():
    found = settings(task="all")
    assert found.learning_rates == (5e-5, 4e-5, 3e-5, 2e-5)
    assert list(found.seeds) == [0, 1, 2, 3, 4]
    assert found.training == TrainingSettings(0, 32, 0.1, 0.01, "float32", False)
    assert found.glue_max_length == 128
    assert found.squad.windows == WindowSizes(384, 128, 64)


def test_a_length_is_that_of_glue_and_of_squad_where_both_are_named():
    assert settings(max_seq_length=32).glue_max_length == 32
    assert settings(max_seq_length=32).squad == settings().squad
    both = settings(max_seq_length=256, task="mrpc,squad_2.0")
    assert (both.glue_max_length, both.squad.windows.max_seq_length) == (256, 256)
    in_capitals = settings(max_seq_length=256, task="SQuAD_1.1")
    assert in_capitals.squad.windows.max_seq_length == 256


def test_a_task_on_the_command_line_takes_the_place_of_those_of_the_flag_file():
    given = [f"--{key}={value}" for key, value in NEEDED.items()]
    assert settings_of([f"--flagfile={ROOT}/configs/glue.flags", *given]).task == ("mrpc",)


@pytest.mark.parametrize(
    ("name", "task", "rates", "batch_size", "num_epochs"),
    [
        ("glue", "all", (5e-5, 4e-5, 3e-5, 2e-5), 32, 0),
        ("squad_1.1", "squad_1.1", (3e-5,), 12, 2),
        ("squad_2.0", "squad_2.0", (5e-5,), 48, 2),
    ],
)
def test_a_flag_file_holds_the_papers_settings(
    name: str, task: str, rates: tuple[float, ...], batch_size: int, num_epochs: int
):
    path = ROOT / "configs" / f"{name}.flags"
    given = [f"--{key}={NEEDED[key]}" for key in ("encoder", "output_dir")]
    found = settings_of([f"--flagfile={path}", *given])
    expected = settings(task=task)
    assert found == dataclasses.replace(
        expected,
        learning_rates=rates,
        num_seeds=5,
        max_seq_length=128 if name == "glue" else 384,
        training=dataclasses.replace(
            expected.training, train_batch_size=batch_size, num_epochs=num_epochs
        ),
    )
