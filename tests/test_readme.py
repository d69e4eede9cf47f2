"""What README.md and the pages in docs/ say, against the code."""

import re
import resource
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mslt_tf import cost_model
from tests import documented_commands
from tests.documented_commands import DOCUMENTS, ROOT, SCRIPTS, TOOLS, USER_PAGES
from tests.tiny import config_from

README = (ROOT / "README.md").read_text("utf-8")
DRY_RUN = ["-m", "mslt_tf.run_pretraining", "--flagfile=configs/one_gpu.flags", "--dry_run"]


@pytest.fixture(autouse=True)
def _in_the_projects_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def run_python(*arguments: str) -> str:
    """Runs Python in the project's root and returns what it wrote."""
    result = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def shell_lines(page: Path) -> list[list[str]]:
    """Returns the commands in a page's bash blocks, in words, without comments."""
    blocks = documented_commands.code_blocks(page.read_text("utf-8"), "bash")
    lines = re.sub(r" *\\\n *", " ", "".join(blocks)).splitlines()
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


DRY_RUNS = [words for page in USER_PAGES for words in shell_lines(page) if "--dry_run" in words]


def test_the_plan_is_the_one_that_dry_run_prints():
    shown = re.search(r"<!-- plan -->\n```\n(.*?)```", README, re.DOTALL)
    assert shown
    assert shown[1].rstrip() == run_python(*DRY_RUN).rstrip()


def test_the_demo_comes_first_and_soon():
    assert README.splitlines().index("make demo") < 50
    assert documented_commands.code_blocks(README, "bash")[0] == "make demo\n"


def test_the_picture_and_the_hours_are_those_of_the_plan():
    config = config_from({"flagfile": "configs/one_gpu.flags"})
    picture = (ROOT / "docs" / "growing_stack.svg").read_text("utf-8")
    shown = re.findall(r">([a-z]+_\d+|joint|\d\.\d\d)</text>", picture)
    costs = [cost_model.relative_cost(config.model, stage) for stage in config.plan.stages]
    assert shown == [
        text
        for stage, cost in zip(config.plan.stages, costs, strict=True)
        for text in (stage.name, f"{cost:.2f}")
    ]
    flops = sum(
        stage.num_sequences * cost_model.stage_cost(config.model, stage).flops
        for stage in config.plan.stages
    )
    assert f"{flops / 1e18:.2f}e18 FLOPs" in README
    assert f"{flops / 20e12 / 3600:.0f} at 20 TFLOP/s, {flops / 50e12 / 3600:.1f} at 50" in README


def test_a_dry_run_is_quick_and_needs_no_tensorflow():
    program = (
        f"import runpy, sys; sys.argv = {['program', *DRY_RUN[2:]]}\n"
        "try:\n"
        f"    runpy.run_module({DRY_RUN[1]!r}, run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end\n"
        "heavy = {'tensorflow', 'numpy', 'keras'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "layers_12" in run_python("-c", program)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Processor time, as wall-clock would depend on what else the machine does.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2


@pytest.mark.parametrize("page", USER_PAGES, ids=lambda page: page.name)
def test_shell_blocks_hold_only_commands_that_exist(page: Path):
    unknown = [shlex.join(words) for words in shell_lines(page) if not exists(words)]
    assert unknown == []


def exists(words: list[str]) -> bool:
    """Returns whether a command is one of the project's, or one that its users need."""
    match words:
        case ["make", target]:
            makefile = (ROOT / "Makefile").read_text("utf-8")
            return bool(re.search(rf"^{target}:", makefile, re.MULTILINE))
        case ["python", *arguments]:
            return exists_in_python(arguments)
        case ["srun", *_]:
            return bool(list(documented_commands.find_commands(" ".join(words))))
        case ["sbatch", script]:
            return ROOT / script in SCRIPTS
        case ["source", ".venv/bin/activate"] | ["tensorboard", _]:
            return True
        case ["export", setting]:
            return bool(re.fullmatch(r"[A-Z_]+=\w+", setting))
    return False


def exists_in_python(arguments: list[str]) -> bool:
    """Returns whether Python can do this; flags have a test of their own."""
    match arguments:
        case ["-c", program]:
            return bool(compile(program, "<document>", "exec"))
        case ["-m", "pip", "install", "-c", "constraints.txt", "-e", what]:
            return what in [f".[{extra}]" for extra in extras()]
        case ["-m", *_]:
            return bool(list(documented_commands.find_commands(" ".join(["python", *arguments]))))
    return (ROOT / arguments[0]).is_file()


def extras() -> list[str]:
    """Returns what can stand in brackets behind the project's name for pip."""
    setup = (ROOT / "setup.py").read_text("utf-8")
    return re.findall(r'^        "(\w+)": \[', setup.split("extras_require")[1], re.MULTILINE)


@pytest.mark.parametrize("words", DRY_RUNS, ids=lambda words: " ".join(words[3:-1]))
def test_cheap_commands_run(words: list[str]):
    assert "Arithmetic speed-up" in run_python(*words[1:])


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_explains_itself(tool: str):
    assert f"python -m {tool} " in run_python("-m", tool, "--help")


@pytest.mark.parametrize("path", [*DOCUMENTS, *SCRIPTS], ids=lambda path: path.name)
def test_commands_name_flags_that_their_tool_has(path: Path):
    """Parsing raises at a flag that the tool does not define, or a value that it refuses."""
    for tool, arguments in documented_commands.find_commands(path.read_text("utf-8")):
        documented_commands.parse(tool, arguments)


@pytest.mark.parametrize("path", USER_PAGES, ids=lambda path: path.name)
def test_flags_in_the_text_exist(path: Path):
    known = {name for tool in TOOLS for name in documented_commands.flag_values_of(tool)}
    negated = {f"no{name}" for name in known}
    named = set(re.findall(r"`--(\w+)", path.read_text("utf-8")))
    assert named - known - negated - {"help", "flagfile"} == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(path: Path):
    """To a file that exists and, behind a #, to a heading in it."""
    links = re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", path.read_text("utf-8"))
    inside = [
        (path.parent / name if name else path, anchor)
        for name, anchor in links
        if "://" not in name
    ]
    missing = [str(target) for target, _ in inside if not target.exists()]
    assert missing == []
    lost = [
        f"{target}#{anchor}"
        for target, anchor in inside
        if anchor and anchor not in anchors(target)
    ]
    assert lost == []


def anchors(page: Path) -> set[str]:
    """Returns the names by which GitHub knows a page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_command_lines_are_not_left_out_of_these_tests():
    commands = [
        c for path in DOCUMENTS for c in documented_commands.find_commands(path.read_text())
    ]
    for script in SCRIPTS:
        assert list(documented_commands.find_commands(script.read_text())), script
    assert {tool for tool, _ in commands} == set(TOOLS)
