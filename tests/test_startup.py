"""How commands start and end, as real processes."""

import os
import subprocess
import sys

import pytest

from mslt_tf import startup

PROGRAM = """
import sys
from absl import flags
from mslt_tf import startup
from mslt_tf.errors import UserError

def define_flags(values):
    flags.DEFINE_integer("number", 1, "How many.", flag_values=values)

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


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "status", "stderr"),
    [
        ([], 0, ""),
        (["--number=143"], 143, ""),
        (["--number=2"], 2, "error: number is 2. Use 1.\n"),
        (["--number=3"], 130, "\ninterrupted\n"),
        (["--nunber=2"], 2, "error: Unknown command line flag 'nunber'. Did you mean: number ?\n"),
        (["file"], 2, "error: 'file' is not a flag. Flags are written --name=value.\n"),
    ],
)
def test_a_command_ends_with_a_status_and_words_for_people(arguments, status, stderr):
    process = run(*arguments)
    assert (process.returncode, process.stderr) == (status, stderr)


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
        "Counts things.\n\nFlags:\n  --number (default: '1')\n      How many.\n\n"
        "--flagfile=FILE reads flags from a file; later flags win over earlier ones.\n"
    )


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
