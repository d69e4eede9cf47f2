"""How much memory all processes of a run hold together."""

import sys
from pathlib import Path

import pytest

from tests import process_groups
from tests.tfrecords_tools.create_data_runs import PROJECT

pytestmark = pytest.mark.slow

MOST_BYTES = 1_500_000_000
SECONDS = 1_500


@pytest.mark.parametrize("num_processes", [2])
def test_records_of_wikipedia_are_made_in_bounded_memory(
    real_data: Path, num_processes: int, tmp_path: Path
):
    command = [
        *(sys.executable, "-m", "tfrecords_tools.create_data"),
        f"--input={real_data}/wikipedia",
        f"--vocab_file={real_data}/vocab/bert-base-uncased-vocab.txt",
        f"--output_dir={tmp_path}",
        "--max_seq_length=128,512",
        "--max_predictions_per_seq=20,80",
        "--dupe_factor=2",
        f"--num_processes={num_processes}",
    ]
    with (tmp_path.parent / "said.txt").open("w+") as said:
        process = process_groups.start(command, cwd=PROJECT, stdout=said, stderr=said)
        peak = process_groups.watch_memory(process, timeout=SECONDS)
        said.seek(0)
        assert process.returncode == 0, said.read()
    sys.stdout.write(f"{peak.num_bytes / 1e6:,.0f} MB in {peak.num_processes} processes\n")
    assert peak.num_processes > num_processes
    assert peak.num_bytes < MOST_BYTES


def test_the_peak_is_the_memory_of_a_program_and_of_those_that_it_starts(tmp_path: Path):
    """A child that holds 200 MB, which it shares with another one, counts once."""
    program = """
import os, time
held = bytearray(200_000_000)
if not os.fork():
    time.sleep(2)
    os._exit(0)
os.wait()
"""
    peaks = [
        process_groups.watch_memory(process_groups.start([sys.executable, "-c", text]), timeout=60)
        for text in (program, program.replace("200_000_000", "0"))
    ]
    assert [peak.num_processes for peak in peaks] == [2, 2]
    assert peaks[0].num_bytes - peaks[1].num_bytes == pytest.approx(200e6, rel=0.05)
