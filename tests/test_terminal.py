"""Programs whose output goes nowhere: they do their work all the same, with the status it has."""

import subprocess
import sys

import pytest

from mslt_tf import terminal
from tests.documented_commands import ROOT

# Says a line more often than any buffer holds, writes a file, ends as it is told.
PROGRAM = """
import sys
from mslt_tf import startup, terminal
from mslt_tf.errors import UserError

def main(path, ending):
    for number in range(2_000):
        terminal.say(f"line {number}")
        terminal.write(f"progress {number}", sys.stderr)
    with open(path, "w") as file:
        file.write("done")
    if ending == "mistake":
        raise UserError("it is so. Do this.")

startup.run(main, define_flags=lambda values: None, description="D", arguments=("P", "E"))
"""


def run_by_shell(redirections, *words, program=PROGRAM):
    return subprocess.run(
        ["bash", "-c", f'"$@" {redirections}', "bash", sys.executable, "-c", program, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "redirections",
    ["> /dev/full", "> /dev/full 2>&1", ">&-", "2>&-", "<&- >&- 2>&-", "2> /dev/full >&-"],
)
@pytest.mark.parametrize(("ending", "status"), [("well", 0), ("mistake", 2)])
def test_work_is_done_where_output_cannot_be_written(tmp_path, redirections, ending, status):
    path = tmp_path / "result"
    process = run_by_shell(redirections, str(path), ending)
    assert (process.returncode, path.read_text()) == (status, "done")
    assert "Traceback" not in process.stdout + process.stderr


@pytest.mark.parametrize(("ending", "status"), [("well", 0), ("mistake", 2)])
def test_work_is_done_where_nobody_reads_any_more(tmp_path, ending, status):
    path = tmp_path / "result"
    process = run_by_shell("2>&1 | true; exit ${PIPESTATUS[0]}", str(path), ending)
    assert (process.returncode, path.read_text()) == (status, "done")


def test_help_that_nobody_reads_is_no_traceback():
    process = run_by_shell("| true; exit ${PIPESTATUS[0]}", "--help")
    assert process.returncode in (0, 141)  # by who was faster
    assert process.stderr == ""


def test_a_log_goes_on_when_its_full_disk_has_room_again(tmp_path):
    # A file that may have 10 bytes; then it may have more.
    program = """
import resource, signal, sys
from mslt_tf import terminal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
terminal.say("one line")
terminal.say("another line")
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
terminal.say("the last line")
terminal.finish()
"""
    process = run_by_shell(f"> {tmp_path}/log", program=program)
    assert process.returncode == 0, process.stderr
    log = (tmp_path / "log").read_text()
    assert log.startswith("one line\n")
    assert log.endswith("the last line\n")


def test_a_duration_has_hours_and_is_told_however_long_it_is():
    assert terminal.format_duration(3_723.4) == "1:02:03"
    assert terminal.format_duration(1e20) == "999999999 days, 0:00:00"
