"""`make setup` in a copy of the files it reads, with a pretended Python: nothing is installed."""

import os
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
INPUTS = ("Makefile", "setup.py", "constraints.txt", "scripts/make_venv.sh")
SHELL_TOOLS = ("awk", "bash", "chmod", "cp", "env", "make", "mkdir", "rm", "touch")

# Says yes to each question of make_venv.sh. `-m venv --clear PATH` puts itself into PATH/bin, and
# `-m pip` only writes down its arguments, and fails while there is a file named `offline`.
PRETENDED_PYTHON_311 = """#!/usr/bin/env bash
case "$1 $2" in
  "-m venv") rm -rf "$4"; mkdir -p "$4/bin"; cp "$0" "$4/bin/python" ;;
  "-m pip") [[ ! -e offline ]] && echo "$*" >>pip_calls ;;
esac
"""
PRETENDED_PYTHON_312 = """#!/usr/bin/env bash
[[ $1 == --version ]] && echo "Python 3.12.1" && exit
exit 1
"""
# Python 3.11 as Debian splits it: whole, but for ensurepip.
PRETENDED_PYTHON_WITHOUT_ENSUREPIP = """#!/usr/bin/env bash
[[ $2 != *ensurepip* ]]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with what `make setup` reads, and a `bin` with the only commands it can run."""
    for name in INPUTS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for tool in SHELL_TOOLS:
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    return tmp_path


def put_command(project: Path, name: str, script: str) -> None:
    path = project / "bin" / name
    path.write_text(script, "utf-8")
    path.chmod(0o755)


def make(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(project / "bin"), "HOME": str(project), "LC_ALL": "C"}
    return subprocess.run(
        ["make", *arguments], cwd=project, env=environment, capture_output=True, text=True
    )


def test_setup_installs_once_at_the_pinned_versions(project: Path) -> None:
    put_command(project, "python3", PRETENDED_PYTHON_311)
    assert make(project, "setup").returncode == 0
    calls = (project / "pip_calls").read_text("utf-8")
    assert calls.count("install -c constraints.txt") == len(calls.splitlines()) == 2
    assert make(project, "setup").stdout == "make: Nothing to be done for 'setup'.\n"
    assert (project / "pip_calls").read_text("utf-8") == calls


def test_changed_constraints_are_installed_into_the_same_environment(project: Path) -> None:
    put_command(project, "python3", PRETENDED_PYTHON_311)
    make(project, "setup")
    (project / ".venv" / "kept").touch()
    newer = (project / ".venv/.complete").stat().st_mtime + 1
    os.utime(project / "constraints.txt", (newer, newer))
    assert make(project, "setup").returncode == 0
    assert (project / ".venv" / "kept").exists()
    assert len((project / "pip_calls").read_text("utf-8").splitlines()) == 4


def test_interrupted_setup_is_begun_anew(project: Path) -> None:
    put_command(project, "python3", PRETENDED_PYTHON_311)
    (project / "offline").touch()
    assert make(project, "setup").returncode != 0
    (project / ".venv" / "half_a_package").touch()
    (project / "offline").unlink()
    assert make(project, "setup").returncode == 0
    assert not (project / ".venv" / "half_a_package").exists()
    assert (project / ".venv/.complete").exists()


@pytest.mark.parametrize("name", [".venv/bin/python", ".venv/thesis.txt", ".venv"])
def test_what_setup_did_not_make_is_not_replaced(project: Path, name: str) -> None:
    put_command(project, "python3", PRETENDED_PYTHON_311)
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text("precious", "utf-8")
    for _ in range(2):
        result = make(project, "setup")
        assert result.returncode != 0
        assert "error: .venv is there and was not made by scripts/make_venv.sh" in result.stderr
        assert (project / name).read_text("utf-8") == "precious"


def test_an_environment_from_before_there_was_a_mark_is_known_by_its_stamp(project: Path) -> None:
    put_command(project, "python3", PRETENDED_PYTHON_311)
    make(project, "setup")
    (project / ".venv/made_by_make_venv").unlink()
    newer = (project / ".venv/.complete").stat().st_mtime + 1
    os.utime(project / "constraints.txt", (newer, newer))
    (project / "offline").touch()
    assert make(project, "setup").returncode != 0
    (project / "offline").unlink()
    assert make(project, "setup").returncode == 0


def test_an_interrupted_environment_is_made_anew(project: Path) -> None:
    """The stand-in leaves half an environment."""
    half = PRETENDED_PYTHON_311.replace('cp "$0" "$4/bin/python" ;;', "exit 130 ;;")
    put_command(project, "python3", half)
    assert make(project, "setup").returncode != 0
    assert (project / ".venv/bin").is_dir()
    put_command(project, "python3", PRETENDED_PYTHON_311)
    assert make(project, "setup").returncode == 0


def test_clean_removes_caches_and_nothing_that_is_not_ours(project: Path) -> None:
    for tool in ("find", "rm"):
        link = project / "bin" / tool
        link.exists() or link.symlink_to(shutil.which(tool))
    caches = [
        ".ruff_cache/CACHEDIR.TAG",
        ".ruff_cache/0/a",
        "mslt_tf/__pycache__/a.cpython-311.pyc",
    ]
    others = [
        "build/thesis.txt",
        "dist/thesis.txt",
        ".mypy_cache/thesis.txt",
        "data/__pycache__/a.pyc",
    ]
    others.append("tests/__pycache__/thesis.txt")
    for name in [*caches, *others, "tfrecords_tools/a", "benchmarks/a", "scripts/a"]:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("precious", "utf-8")
    assert make(project, "clean").returncode == 0
    assert [name for name in caches if (project / name).exists()] == []
    assert [name for name in others if not (project / name).exists()] == []
    assert not (project / "mslt_tf" / "__pycache__").exists()


def test_python_311_is_found_beside_a_newer_default(project: Path) -> None:
    put_command(project, "python3", PRETENDED_PYTHON_312)
    put_command(project, "python3.11", PRETENDED_PYTHON_311)
    assert make(project, "setup").returncode == 0


def test_uv_provides_python_311_with_pip_where_there_is_none(project: Path) -> None:
    put_command(project, "python3", PRETENDED_PYTHON_312)
    uv_call = '#!/usr/bin/env bash\necho "$*" >uv_call\nmkdir -p "${!#}/bin"\n'
    put_command(project, "uv", uv_call + 'cp bin/quiet_python "${!#}/bin/python"\n')
    put_command(project, "quiet_python", PRETENDED_PYTHON_311)
    assert make(project, "setup").returncode == 0
    assert "--seed --python 3.11 .venv" in (project / "uv_call").read_text("utf-8")


@pytest.mark.parametrize(
    ("python", "explanation"),
    [
        (PRETENDED_PYTHON_312, "python3 is: Python 3.12.1"),
        (PRETENDED_PYTHON_WITHOUT_ENSUREPIP, "the package python3.11-venv"),
    ],
)
def test_without_a_usable_python_setup_says_what_to_install(
    project: Path, python: str, explanation: str
) -> None:
    put_command(project, "python3", python)
    result = make(project, "setup")
    assert result.returncode != 0
    assert explanation in result.stderr
    assert "uv" in result.stderr
    assert not (project / ".venv").exists()


def test_help_lists_every_target(project: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    listed = re.findall(r"^make (\S+)", make(project).stdout, re.MULTILINE)
    assert listed == phony.split()


def test_each_target_that_runs_python_sets_up_first(project: Path) -> None:
    for target in ("demo", "test", "test-slow", "check", "style", "plans"):
        assert "scripts/make_venv.sh .venv" in make(project, "-n", target).stdout, target


def test_constraints_pin_versions_and_name_no_place() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []
    assert not any(pin.startswith(("mslt", "-e")) for pin in pins)


def test_constraints_fit_the_requirements_of_setup_py() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    versions = {canonicalize_name(name): version for name, version in pins.items()}
    for text in metadata.requires("mslt_tf"):
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": "dev"}):
            version = versions.get(canonicalize_name(requirement.name))
            assert version, f"{requirement.name} is not pinned: run `make constraints`"
            assert version in requirement.specifier, f"{text}: run `make constraints`"
