"""What README.md and the pages in docs/ say, against the code."""

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests import documented_commands
from tests.documented_commands import DOCUMENTS, ROOT, TOOLS

USER_PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
README = (ROOT / "README.md").read_text("utf-8")
DRY_RUN = ["-m", "mslt_tf.run_pretraining", "--flagfile=configs/base.flags", "--dry_run"]


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


def shell_lines() -> list[str]:
    """Returns the commands in README's bash blocks, each on one line."""
    blocks = documented_commands.code_blocks(README, "bash")
    return re.sub(r" *\\\n *", " ", "".join(blocks)).splitlines()


def test_the_plan_is_the_one_that_dry_run_prints():
    shown = re.search(r"<!-- plan -->\n```\n(.*?)```", README, re.DOTALL)
    assert shown
    assert shown[1].rstrip() == run_python(*DRY_RUN).rstrip()


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


def test_shell_blocks_hold_only_commands_that_exist():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for line in shell_lines():
        program, word, *_ = line.split()
        if program == "make":
            assert re.search(rf"^{word}:", makefile, re.MULTILINE), line
        elif program == "python":
            assert list(documented_commands.find_commands(line)), line
        else:
            assert line == "source .venv/bin/activate"


@pytest.mark.parametrize("line", [line for line in shell_lines() if "--dry_run" in line])
def test_cheap_commands_run(line: str):
    assert "Arithmetic speed-up" in run_python(*line.split()[1:])


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_explains_itself(tool: str):
    assert f"python -m {tool} --" in run_python("-m", tool, "--help")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_name_flags_that_their_tool_has(path: Path):
    """Parsing raises at a flag that the tool does not define, or a value that it refuses."""
    for tool, arguments in documented_commands.find_commands(path.read_text("utf-8")):
        documented_commands.parse(tool, arguments)


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *ROOT.glob("docs/*.md")], ids=lambda p: p.name
)
def test_flags_in_the_text_exist(path: Path):
    known = {name for tool in TOOLS for name in documented_commands.flag_values_of(tool)}
    named = set(re.findall(r"`--(\w+)", path.read_text("utf-8")))
    assert named - known - {"help", "flagfile"} == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(path: Path):
    links = re.findall(r"\]\(([^)#]+)", path.read_text("utf-8"))
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert missing == []


def test_the_command_lines_are_not_left_out_of_these_tests():
    commands = [
        c for path in DOCUMENTS for c in documented_commands.find_commands(path.read_text())
    ]
    assert {tool for tool, _ in commands} == set(TOOLS)
