"""Every file in configs/: it parses, says where it comes from, and gives the plan it promises."""

import re
from pathlib import Path

import pytest

from mslt_tf import cost_model, finetuning_flags
from mslt_tf.config import PretrainingConfig
from tests import documented_commands
from tests.documented_commands import ROOT
from tests.tiny import config_from

ALL_FILES = sorted((ROOT / "configs").glob("*.flags"))
FINE_TUNING = ("glue", "squad_1.1", "squad_2.0")
FILES = [path for path in ALL_FILES if path.stem not in FINE_TUNING]
# Made for this project, where their commands are those of other programs.
OURS = ("base_long_first", "compare", "narrow", "one_gpu", "tiny")
HEADER_FIELDS = ("Source", "Command", "Hardware", "Time")


@pytest.fixture(autouse=True)
def _in_the_projects_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # a flagfile names another one from there


def read(name: str) -> PretrainingConfig:
    return config_from({"flagfile": f"configs/{name}.flags"})


def header_of(path: Path) -> dict[str, str]:
    """Returns the fields of the comment that a file begins with; lines that go on are joined."""
    lines: list[str] = []
    for line in path.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            break
        if re.match(r"# [A-Z][a-z ]+: ", line):
            lines.append(line[2:])
        elif lines:
            lines[-1] += "\n" + line
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.mark.parametrize(
    ("name", "rates", "batch_size", "num_epochs", "length"),
    [
        ("glue", (5e-5, 4e-5, 3e-5, 2e-5), 32, 0, 128),
        ("squad_1.1", (3e-5,), 12, 2, 384),
        ("squad_2.0", (5e-5,), 48, 2, 384),
    ],
)
def test_fine_tuning_has_the_papers_settings(name, rates, batch_size, num_epochs, length):
    arguments = [f"--flagfile=configs/{name}.flags", "--encoder=a", "--output_dir=b"]
    parsed = documented_commands.parse("mslt_tf.run_finetuning", arguments)
    settings = finetuning_flags.settings_from_flags(parsed)
    assert (settings.learning_rates, settings.num_seeds) == (rates, 5)
    training = settings.training
    assert (training.train_batch_size, training.num_epochs) == (batch_size, num_epochs)
    assert settings.max_seq_length == length
    assert (settings.squad.windows.doc_stride, settings.squad.windows.max_query_length) == (128, 64)


def test_the_files_are_these():
    methods = [
        f"{size}{way}{length}"
        for size in ("base", "large")
        for way in ("", "_original", "_stacking")
        for length in ("", "_512")
    ]
    budgets = ["base_original_480k", "large_500k", "large_original_230k"]
    alberts = ["albert_base", "albert_base_original", "narrow_albert"]
    ablations = ["base_without_joint", "large_without_joint"]
    expected = [
        *methods,
        *budgets,
        *alberts,
        *ablations,
        "base_long_first",
        "compare",
        "compare_gpu",
        "narrow",
        "one_gpu",
        "one_gpu_long_first",
        "tiny",
    ]
    assert sorted(path.stem for path in FILES) == sorted(expected)


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda path: path.stem)
def test_a_header_says_source_command_and_what_was_measured(path: Path):
    header = header_of(path)
    result = "Scores" if path.stem in FINE_TUNING else "Final loss"
    assert tuple(header) == (*HEADER_FIELDS, result)
    for name in ("Hardware", "Time", result):
        measured_or_not = r"not yet run|.*\d{4}-\d\d-\d\d"
        assert re.match(measured_or_not, header[name], re.DOTALL), f"{name}: {header[name]}"


@pytest.mark.parametrize(
    "path",
    [path for path in ALL_FILES if not path.stem.startswith(OURS)],
    ids=lambda path: path.stem,
)
def test_the_command_in_a_header_is_one_that_the_tool_takes(path: Path):
    ((tool, arguments),) = documented_commands.find_commands(path.read_text("utf-8"))
    assert arguments[0] == f"--flagfile=configs/{path.name}"
    folder = f"runs/base_{path.stem}" if path.stem in FINE_TUNING else f"runs/{path.stem}"
    assert documented_commands.parse(tool, arguments).output_dir == folder


def test_plans_are_printed_as_before(check_golden):
    configs = {path.stem: read(path.stem) for path in FILES}
    check_golden(
        "plans.txt",
        "\n\n".join(
            f"== {name}\n{config.model.summary()}\n\n{config.plan.table()}\n\n"
            f"{cost_model.table(config.model, config.plan)}"
            for name, config in configs.items()
        )
        + "\n",
    )


def test_base_is_the_defaults_of_the_program():
    assert read("base") == config_from({})


@pytest.mark.parametrize("size", ["base", "large"])
@pytest.mark.parametrize("method", ["original", "stacking"])
def test_a_method_to_compare_with_differs_in_the_method_alone(size: str, method: str):
    file = {"flagfile": f"configs/{size}.flags"}
    assert read(f"{size}_{method}") == config_from({**file, "method": method})


@pytest.mark.parametrize(
    ("name", "millions", "speedup"),
    [
        ("base", [46.3, 22.5, 22.5, 22.5, 110.1], 2.085),
        ("base_original", [110.1], 1),
        ("base_stacking", [46.3, 67.6, 110.1], 1.226),
        ("large", [109.5, 77.7, 77.7, 77.7, 336.2], 2.048),
        ("large_original", [336.2], 1),
        ("albert_base", [11.81, 7.81, 7.81, 7.81, 33.08], 2.139),
        ("albert_base_original", [11.81], 1),
    ],
)
def test_trainable_parameters_and_arithmetic_speedup(
    name: str, millions: list[float], speedup: float
):
    config = read(name)
    counted = [cost_model.trainable_parameters(config.model, s) for s in config.plan.stages]
    assert [count / 1e6 for count in counted] == pytest.approx(millions, abs=0.05)
    reckoned = cost_model.speedup_over_original(config.model, config.plan)
    assert reckoned == pytest.approx(speedup, abs=0.0006)


@pytest.mark.parametrize("name", ["base", "one_gpu"])
def test_a_long_first_stage_takes_60_percent_of_an_equal_cost(name: str):
    config, equal = read(f"{name}_long_first"), read(name)
    costs = [cost_model.stage_flops(config.model, stage) for stage in config.plan.stages]
    assert sum(costs) == pytest.approx(cost_model.plan_flops(equal.model, equal.plan), rel=1e-3)
    shares = [cost / sum(costs) for cost in costs]
    assert shares == pytest.approx([0.6, 0.07, 0.065, 0.075, 0.195], abs=0.01)
    warmup = config.optimizer.num_warmup_steps / config.plan.num_steps
    assert warmup == equal.optimizer.num_warmup_steps / equal.plan.num_steps


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("base", [0.2] * 5),
        ("base_stacking", [0.125, 0.175, 0.7]),
        ("large_stacking", [0.125, 0.175, 0.7]),
        ("large_original", [1]),
        ("tiny", [0.8, 0.1, 0.1]),
        ("albert_base", [0.2] * 5),
        ("base_512", [0.2] * 4 + [0.1, 0.1]),
        ("large_original_512", [0.9, 0.1]),
        ("large_stacking_512", [0.125, 0.175, 0.6, 0.1]),
        ("large_500k", [0.2] * 5),
        ("base_without_joint", [0.25] * 4),
    ],
)
def test_shares_of_the_steps(name: str, shares: list[float]):
    plan = read(name).plan
    assert [stage.num_steps / plan.num_steps for stage in plan.stages] == pytest.approx(shares)


PAPER = [path.stem for path in FILES if not path.stem.startswith(OURS)]


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_numbers(name: str):
    config = read(name)
    thousands = {"480k": 480, "230k": 230, "500k": 500, "joint": 800}
    assert config.plan.num_steps == 1_000 * thousands.get(name.split("_")[-1], 1_000)
    assert {stage.batch_size for stage in config.plan.stages} == {1_024}
    lengths = [(stage.seq_length, stage.max_predictions_per_seq) for stage in config.plan.stages]
    long = [(512, 80)] if name.endswith("_512") else []
    assert lengths == [(128, 20)] * (len(lengths) - len(long)) + long
    assert config.optimizer.learning_rate == 0.00088
    assert config.optimizer.num_warmup_steps == 10_000
    layers, hidden, heads = (24, 1_024, 16) if name.startswith("large") else (12, 768, 12)
    model = config.model
    assert (model.num_hidden_layers, model.hidden_size, model.num_attention_heads) == (
        layers,
        hidden,
        heads,
    )
    assert model.intermediate_size == 4 * hidden


def test_the_two_alberts_differ_in_groups_and_method_alone():
    grouped, original = read("albert_base"), read("albert_base_original")
    assert (grouped.model.vocab_size, grouped.model.embedding_size) == (30_000, 128)
    assert grouped.model.hidden_act == "gelu_new"
    assert (grouped.model.num_hidden_groups, original.model.num_hidden_groups) == (4, 1)
    file = {"flagfile": "configs/albert_base.flags"}
    assert original == config_from({**file, "method": "original", "num_hidden_groups": 1})


def test_without_the_joint_stage_nothing_else_changes():
    with_joint, without = read("base").plan.stages, read("base_without_joint").plan.stages
    assert without == with_joint[:-1]
