"""Finds the commands in documents and checks them against the tools that they name."""

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from absl import flags

ROOT = Path(__file__).parent.parent
USER_PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/**/*.md")])
SCRIPTS = sorted(ROOT.glob("scripts/*.sbatch"))  # to be copied and changed
TOOLS = {
    "mslt_tf.finetuning.score_squad": "mslt_tf.finetuning.score_squad",
    "mslt_tf.run_export": "mslt_tf.run_export",
    "mslt_tf.run_finetuning": "mslt_tf.finetuning_flags",
    "mslt_tf.run_pretraining": "mslt_tf.pretraining_flags",  # the module that defines its flags
    "mslt_tf.run_report": "mslt_tf.run_report",
    "tfrecords_tools.build_vocab": "tfrecords_tools.build_vocab",
    "tfrecords_tools.create_data": "tfrecords_tools.create_data",
    "tfrecords_tools.inspect_data": "tfrecords_tools.inspect_data",
}
_COMMAND = re.compile(r"python -m ((?:mslt_tf|tfrecords_tools)\.[\w.]+) ((?:[\w.-]+\.json )*-.*)")


def find_commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yields (tool, arguments) of each command in `text` that runs a module of the project."""
    for match in _COMMAND.finditer(re.sub(r" *\\\n[# ]*", " ", text)):
        tool, arguments = match.groups()
        yield tool, shlex.split(arguments.split("`")[0], comments=True)


def code_blocks(text: str, language: str) -> list[str]:
    """Returns the fenced blocks of a Markdown text that are marked with `language`."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def flag_values_of(tool: str) -> flags.FlagValues:
    """Returns the flags of a tool, not parsed yet."""
    values = flags.FlagValues()
    importlib.import_module(TOOLS[tool]).define_flags(values)
    return values


def parse(tool: str, arguments: list[str]) -> flags.FlagValues:
    """Parses arguments as the tool would, from the project's root; an unknown flag raises."""
    values = flag_values_of(tool)
    _, *words = values([tool, *(word for word in arguments if word != "--help")])
    expected = getattr(importlib.import_module(TOOLS[tool]), "ARGUMENTS", ())
    assert len(words) == len(expected), f"{words} are given to {tool}, which takes {expected}"
    return values
