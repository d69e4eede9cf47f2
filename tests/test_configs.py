"""Every file in configs/: it parses, says where it comes from, and gives the plan it promises."""

import re
from pathlib import Path

import pytest

from mslt_tf import cost_model
from mslt_tf.config import PretrainingConfig
from tests import documented_commands
from tests.documented_commands import ROOT
from tests.tiny import config_from

FILES = sorted((ROOT / "configs").glob("*.flags"))
HEADER_FIELDS = ("Source", "Command", "Hardware", "Time", "Final loss")


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


def test_the_files_are_these():
    methods = [
        f"{size}{way}" for size in ("base", "large") for way in ("", "_original", "_stacking")
    ]
    assert [path.stem for path in FILES] == [*methods, "narrow", "tiny"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_header_says_source_command_and_what_was_measured(path: Path):
    header = header_of(path)
    assert tuple(header) == HEADER_FIELDS
    for name in ("Hardware", "Time", "Final loss"):
        measured_or_not = r"not yet run|.*\d{4}-\d\d-\d\d"
        assert re.match(measured_or_not, header[name], re.DOTALL), f"{name}: {header[name]}"


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.stem not in ("narrow", "tiny")], ids=lambda path: path.stem
)
def test_the_command_in_a_header_is_one_that_the_tool_takes(path: Path):
    ((tool, arguments),) = documented_commands.find_commands(path.read_text("utf-8"))
    assert arguments[0] == f"--flagfile=configs/{path.name}"
    assert documented_commands.parse(tool, arguments).output_dir == f"runs/{path.stem}"


def test_plans_are_printed_as_before(check_golden):
    configs = {path.stem: read(path.stem) for path in FILES}
    check_golden(
        "plans.txt",
        "\n\n".join(
            f"== {name}\n{config.plan.table()}\n\n{cost_model.table(config.model, config.plan)}"
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
        ("base", [46.3, 22.5, 22.5, 22.5, 110.1], 1.97),
        ("base_original", [110.1], 1),
        ("base_stacking", [46.3, 67.6, 110.1], 1.21),
        ("large", [109.5, 77.7, 77.7, 77.7, 336.2], 1.99),
        ("large_original", [336.2], 1),
    ],
)
def test_trainable_parameters_and_arithmetic_speedup(
    name: str, millions: list[float], speedup: float
):
    config = read(name)
    counted = [cost_model.trainable_parameters(config.model, s) for s in config.plan.stages]
    assert [count / 1e6 for count in counted] == pytest.approx(millions, abs=0.05)
    reckoned = cost_model.speedup_over_original(config.model, config.plan)
    assert reckoned == pytest.approx(speedup, abs=0.005)


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("base", [0.2] * 5),
        ("base_stacking", [0.125, 0.175, 0.7]),
        ("large_stacking", [0.125, 0.175, 0.7]),
        ("large_original", [1]),
        ("tiny", [0.2] * 5),
    ],
)
def test_shares_of_the_steps(name: str, shares: list[float]):
    plan = read(name).plan
    assert [stage.num_steps / plan.num_steps for stage in plan.stages] == pytest.approx(shares)


def test_the_papers_numbers_of_base_and_large():
    for name in ("base", "large"):
        config = read(name)
        assert config.plan.num_steps == 1_000_000
        assert {(s.batch_size, s.seq_length) for s in config.plan.stages} == {(1024, 128)}
        assert config.optimizer.learning_rate == 0.00088
        assert config.optimizer.num_warmup_steps == 10_000
    assert read("large").model.num_hidden_layers == 24
