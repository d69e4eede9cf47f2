"""create_data whose terminal is lost."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import process_groups
from tests.process_groups import wait_until
from tests.tfrecords_tools.create_data_runs import PROGRAM, PROJECT, SECONDS, matches, write_text


@pytest.mark.slow
def test_under_nohup_a_lost_terminal_does_not_end_it(tmp_path: Path):
    words = write_text(tmp_path, num_files=8, copies=4)
    pipe = subprocess.PIPE
    process = process_groups.start(
        ["nohup", sys.executable, *PROGRAM, *words, f"--output_dir={tmp_path}/records"],
        cwd=PROJECT,
        stdout=pipe,
        stderr=pipe,
    )
    assert wait_until(matches(tmp_path, "records/_work/piece-*"), timeout=SECONDS)
    process.send_signal(signal.SIGHUP)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors
    assert (tmp_path / "records/dataset_info.json").exists()


@pytest.mark.slow
def test_after_disown_a_terminal_that_takes_no_output_any_more_does_not_end_it(tmp_path: Path):
    words = write_text(tmp_path, num_files=8, copies=4)
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *PROGRAM, *words, f"--output_dir={tmp_path}/records"],
        cwd=PROJECT,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    os.close(slave)
    assert wait_until(matches(tmp_path, "records/_work/piece-*"), timeout=SECONDS)
    os.close(master)  # what is written from now on fails
    assert process.wait(timeout=SECONDS) == 0
    assert (tmp_path / "records/dataset_info.json").exists()
