"""benchmarks/create_data.py: its table, and what it leaves of the folder where it works."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.documented_commands import ROOT
from tests.tfrecords_tools.create_data_runs import write_text


@pytest.mark.slow
def test_it_removes_what_it_made_and_nothing_else(tmp_path: Path):
    for name in ("texts", "folder", "records"):
        (tmp_path / name).mkdir()
    write_text(tmp_path / "texts", num_files=1)
    (tmp_path / "texts" / "vocab.txt").rename(tmp_path / "vocab.txt")
    kept = [tmp_path / "folder" / "out" / "thesis.txt", tmp_path / "records" / "thesis.txt"]
    for path in kept:
        path.parent.mkdir(exist_ok=True)
        path.write_text("precious")
    words = ["--lengths=32:5", "--processes=1", "--dupe_factor=1", "--copies=2"]
    # Another place for the records would escape the removal, and the counting.
    words.append(f"--more=--heldout_fraction=0,--output_dir={tmp_path}/records")
    result = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.create_data", f"--input={tmp_path}/texts"),
            *(f"--vocab_file={tmp_path}/vocab.txt", f"--folder={tmp_path}/folder", *words),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[1].startswith("32 ")
    assert sorted(path for path in tmp_path.rglob("thesis.txt")) == kept
    assert list((tmp_path / "folder").rglob("*")) == [kept[0].parent, kept[0]]
    assert list((tmp_path / "records").iterdir()) == [kept[1]]
