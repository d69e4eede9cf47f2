"""The Dockerfile, which no test builds: what it copies, its versions, its user."""

import re

from tests.documented_commands import ROOT

LINES = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ").splitlines()


def arguments(instruction):
    return [line.split()[1:] for line in LINES if line.startswith(f"{instruction} ")]


def copied():
    return [name for words in arguments("COPY") if "--from" not in words[0] for name in words[:-1]]


def test_what_is_copied_is_there_and_nothing_else_is_sent_to_the_build():
    assert all((ROOT / name).exists() for name in copied())
    rules = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    assert allowed == set(copied())


def test_versions_are_named():
    for base, *_ in arguments("FROM"):
        assert re.fullmatch(r"[\w/]+:\d+\.\d+\.\d+-[\w.-]+", base)
    installs = [line for line in LINES if "pip install" in line]
    assert all("==" in line or "-c constraints.txt" in line for line in installs)


def test_programs_do_not_run_as_root():
    last = max(number for number, line in enumerate(LINES) if line.startswith("FROM "))
    users = [line.split()[1] for line in LINES[last:] if line.startswith("USER ")]
    assert users[-1:] == ["pretrainer"]
