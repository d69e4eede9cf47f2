"""How commands start and end, as real processes."""

import dataclasses
import os
import re
import subprocess
import sys

import pytest
from absl import flags

from mslt_tf import flag_fields, startup
from tests.documented_commands import ROOT

GIVE_ONE = "Give the path of a file of flags by --flagfile."
PROGRAM = """
import sys
from absl import flags
from mslt_tf import startup
from mslt_tf.errors import UserError

def define_flags(values):
    flags.DEFINE_integer("number", 1, "How many.", flag_values=values)
    flags.DEFINE_bool("wordy", False, "Say more.", flag_values=values)
    flags.DEFINE_float("share", 0.5, "Of all.", flag_values=values)

def main():
    if flags.FLAGS.number == 1:
        return None
    if flags.FLAGS.number == 2:
        raise UserError("number is 2. Use 1.")
    if flags.FLAGS.number == 3:
        raise KeyboardInterrupt
    if flags.FLAGS.number == 4:
        raise ValueError("our own mistake")
    return flags.FLAGS.number

startup.run(main, define_flags=define_flags, description="Counts things.")
"""


def run(*arguments, cwd=ROOT, env=None, program=PROGRAM):
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=cwd,
        env=(env or os.environ) | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "status", "stderr"),
    [
        ([], 0, ""),
        (["--number=143"], 143, ""),
        (["--number=2"], 2, "error: number is 2. Use 1.\n"),
        (["--number=3"], 130, "\ninterrupted\n"),
        (["--nunber=2"], 2, "error: Unknown command line flag 'nunber'. Did you mean: number ?\n"),
        (
            ["--nowordy=3"],
            2,
            "error: --nowordy=3 does not take an argument. Write --name, --noname or "
            "--name=true.\n",
        ),
        (["file"], 2, "error: 'file' is not a flag. Flags are written --name=value.\n"),
        (["--number=2 # two"], 2, "error: --number=2 # two needs a whole number.\n"),
        (["--number="], 2, "error: --number= needs a whole number.\n"),
        (["--share=half"], 2, "error: --share=half needs a number.\n"),
        (["--wordy=maybe"], 2, "error: --wordy=maybe needs true or false.\n"),
        (["--flagfile="], 2, f"error: --flagfile names no file. {GIVE_ONE}\n"),
    ],
)
def test_a_command_ends_with_a_status_and_words_for_people(arguments, status, stderr):
    process = run(*arguments)
    assert (process.returncode, process.stderr) == (status, stderr)


WITH_ARGUMENTS = PROGRAM.replace(
    "def main():", "def main(one, two):\n    print([one, two])"
).replace("description=", "arguments=('ONE', 'TWO'), description=")


@pytest.mark.parametrize("words", [["a", "--number=7", "b c"], ["--number=7", "--", "a", "b c"]])
def test_words_beside_flags_reach_a_command_that_has_names_for_them(words):
    process = run(*words, program=WITH_ARGUMENTS)
    assert (process.returncode, process.stdout, process.stderr) == (7, "['a', 'b c']\n", "")


@pytest.mark.parametrize("words", [[], ["a"], ["a", "b", "c"]])
def test_too_few_and_too_many_words_are_told_with_what_they_must_be(words):
    process = run(*words, program=WITH_ARGUMENTS)
    assert (process.returncode, process.stdout, process.stderr) == (
        2,
        "",
        f"error: {len(words)} words are given beside flags, and must be 2. Give ONE TWO; flags are "
        "written --name=value.\n",
    )


def test_output_that_nobody_reads_is_no_traceback():
    program = PROGRAM.replace("return None", "sys.stdout.write('x' * 1_000_000)")
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 141
    process.stderr.close()


def test_a_mistake_of_ours_keeps_its_traceback():
    process = run("--number=4")
    assert process.returncode == 1
    assert "Traceback" in process.stderr


def test_help_describes_the_command_and_its_own_flags_only():
    process = run("--help")
    assert process.returncode == 0
    assert process.stdout == (
        "Counts things.\n\nFlags:\n  --number (default: '1')\n      How many.\n"
        "  --wordy (default: 'false')\n      Say more.\n"
        "  --share (default: '0.5')\n      Of all.\n\n"
        "--flagfile=FILE reads flags from a file; later flags win over earlier ones.\n"
    )


@dataclasses.dataclass(frozen=True)
class Grouped:
    first: int = flag_fields.flag_field(1, "A.")
    second: int = flag_fields.flag_field(2, f"{'x' * 70} --words-with-hyphens=1,--and-more=2 y.")
    third: int = flag_fields.flag_field(3, "C.")


def test_help_has_headings_over_groups_and_breaks_no_word():
    values = flags.FlagValues()
    flags.DEFINE_integer("own", 1, "The program's own.", flag_values=values)
    groups = {"Run": ("first",), "Data": ("second",)}
    flag_fields.define_flags(groups, [Grouped], values)
    flag_fields.define_flags({"Run": ("third",)}, [Grouped], values)
    text = startup.help_text("Counts.", [values[name] for name in values])
    assert [block.split("\n") for block in text.split("\n\n")[1:-1]] == [
        ["Flags:", "  --own (default: '1')", "      The program's own."],
        [
            *("Run:", "  --first (default: '1')", "      A."),
            *("  --third (default: '3')", "      C."),
        ],
        [
            *("Data:", "  --second (default: '2')", f"      {'x' * 70}"),
            "      --words-with-hyphens=1,--and-more=2 y.",
        ],
    ]


COUNTS_FROM_HERE = (
    "Another flag file names it, and such a name counts from the folder where the command runs. "
    "Mend the name, or run the command in the right folder."
)


@pytest.mark.parametrize(
    ("arguments", "file", "reason"),
    [
        (["--flagfile=none"], "none", f"No such file or directory). {GIVE_ONE}"),
        (["-flagfile=none"], "none", f"No such file or directory). {GIVE_ONE}"),
        (["--flagfile", "none"], "none", f"No such file or directory). {GIVE_ONE}"),
        (["--flagfile=~/none"], "HOME/none", f"No such file or directory). {GIVE_ONE}"),
        (["--flagfile=folder"], "folder", f"Is a directory). {GIVE_ONE}"),
        (["--flagfile=outer"], "gone", f"No such file or directory). {COUNTS_FROM_HERE}"),
    ],
)
def test_a_flag_file_that_cannot_be_read_is_named_in_one_line(tmp_path, arguments, file, reason):
    (tmp_path / "folder").mkdir()
    (tmp_path / "outer").write_text("--number=1\n--flagfile=gone\n")
    process = run(*arguments, cwd=tmp_path, env=os.environ | {"HOME": str(tmp_path / "HOME")})
    file = file.replace("HOME", f"{tmp_path}/HOME")
    message = f"error: the flag file {file} cannot be read ({reason}\n"
    assert (process.returncode, process.stdout, process.stderr) == (2, "", message)


def test_a_flag_file_that_is_no_text_is_refused_in_one_line(tmp_path):
    (tmp_path / "packed").write_bytes(b"\x1f\x8b\xff")
    process = run(f"--flagfile={tmp_path}/packed")
    assert process.returncode == 2
    assert re.fullmatch(r"error: a flag file is not text \(.*\)\. Give .*\n", process.stderr)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "--xla_gpu_enable_triton_gemm=false"),
        ("--xla_dump_to=here", "--xla_dump_to=here --xla_gpu_enable_triton_gemm=false"),
        ("--xla_gpu_enable_triton_gemm=true", "--xla_gpu_enable_triton_gemm=true"),
    ],
)
def test_xla_keeps_to_cublas_unless_its_flags_say_otherwise(monkeypatch, given, expected):
    monkeypatch.setenv("XLA_FLAGS", given)
    for _ in range(2):  # a child process inherits what its parent set
        startup.prepare_tensorflow()
        assert os.environ["XLA_FLAGS"] == expected
