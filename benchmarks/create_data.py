r"""Measures the creation of records: records/s, MB/s of text, and memory of all processes together.

  python -m benchmarks.create_data --input=enwiki --vocab_file=vocab.txt
  python -m benchmarks.create_data --input=enwiki --vocab_file=vocab.txt --copies=34 --dupe_factor=1

Each run creates a data set in a new folder below --folder, and removes that one. Text comes from
the disk cache after the first run. `seconds` is the whole command's, from its start to its end;
`work` is what it says of itself, without the start of Python and TensorFlow. With --copies the text
is repeated, each copy with its words in another order, so that no two documents are alike.
"""

import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from absl import flags

from benchmarks.process_memory import PeakMemory
from mslt_tf import path_flags, startup
from mslt_tf.bounds import Bounds, check_number
from mslt_tf.dataset_info import FILE_NAME, DatasetInfo
from mslt_tf.errors import UserError
from mslt_tf.stage_plan import format_table


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this benchmark."""
    path_flags.define_path("input", "", "Folder of text files.", flag_values=values)
    path_flags.define_path("vocab_file", "", "Their vocabulary.", flag_values=values)
    path_flags.define_path("folder", "", "Where to work; empty: a new one.", flag_values=values)
    flags.DEFINE_integer("copies", 1, "How often to repeat the text.", flag_values=values)
    flags.DEFINE_integer("dupe_factor", 5, "Passes over the text.", flag_values=values)
    flags.DEFINE_list("processes", ["1", "2"], "Numbers of processes.", flag_values=values)
    flags.DEFINE_list(
        "lengths", ["128:20", "512:80"], "Lengths with their predictions.", flag_values=values
    )
    flags.DEFINE_list("more", [], "More flags for create_data.", flag_values=values)


def main() -> None:
    """Prints a row for each length and number of processes."""
    values = flags.FLAGS
    check_number("--copies", values.copies, Bounds(at_least=1))
    if not Path(values.input).is_dir():
        raise UserError(f"--input is {values.input!r}; it must be a folder of text files.")
    lengths = [split_length(text) for text in values.lengths]
    with tempfile.TemporaryDirectory(dir=values.folder or None) as folder:
        text = Path(values.input)
        if values.copies > 1:
            text = repeat_text(text, Path(folder) / "text", values.copies)
        num_bytes = sum(path.stat().st_size for path in text.rglob("*") if path.is_file())
        rows = [("length", "processes", "records", "seconds", "work", "records/s", "text MB/s")]
        rows = [(*rows[0], "peak MB")]
        for length in lengths:
            for num_processes in values.processes:
                with tempfile.TemporaryDirectory(dir=folder) as output_dir:
                    rows.append(measure(text, num_bytes, Path(output_dir), length, num_processes))
        sys.stdout.write(format_table(rows) + "\n")


def repeat_text(source: Path, target: Path, copies: int) -> Path:
    """Writes `copies` of the files of a folder, words of each line shuffled but in the first."""
    target.mkdir()
    for copy in range(copies):
        rng = random.Random(copy)
        for path in sorted(path for path in source.rglob("*") if path.is_file()):
            lines = path.read_text("utf-8").splitlines()
            if copy:
                lines = [line if line.startswith("<") else shuffled(line, rng) for line in lines]
            (target / f"{copy:03d}_{path.name}").write_text("\n".join(lines) + "\n", "utf-8")
    return target


def shuffled(line: str, rng: random.Random) -> str:
    """Returns the words of a line in another order."""
    words = line.split(" ")
    rng.shuffle(words)
    return " ".join(words)


def split_length(text: str) -> tuple[int, int]:
    """Returns the two numbers of LENGTH:PREDICTIONS.

    Raises:
        UserError: it is written otherwise.
    """
    parts = text.split(":")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise UserError(f"--lengths has {text}. Write LENGTH:PREDICTIONS, e.g. 128:20.")
    return int(parts[0]), int(parts[1])


def measure(
    text: Path, num_bytes: int, output_dir: Path, length: tuple[int, int], num_processes: str
) -> tuple[str, ...]:
    """Runs create_data once and returns its row."""
    max_seq_length, max_predictions_per_seq = length
    command = [
        *(sys.executable, "-m", "tfrecords_tools.create_data"),
        f"--input={path_flags.join_paths([str(text)])}",
        f"--vocab_file={flags.FLAGS.vocab_file}",
        f"--max_seq_length={max_seq_length}",
        f"--max_predictions_per_seq={max_predictions_per_seq}",
        f"--dupe_factor={flags.FLAGS.dupe_factor}",
        f"--num_processes={num_processes}",
        *flags.FLAGS.more,
        f"--output_dir={output_dir}",  # last: it wins over one among --more
    ]
    begin = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        with PeakMemory(process) as memory:
            output, _ = process.communicate()
        seconds = time.monotonic() - begin
    if process.returncode:
        sys.exit(process.returncode)
    found = re.search(r"done in ([\d,.]+) s", output)
    assert found is not None, output
    work = float(found[1].replace(",", ""))
    info_path = output_dir / FILE_NAME
    info = DatasetInfo.from_json(info_path.read_text("utf-8"), path=str(info_path))
    num_records = sum(shard.num_records for part in info.splits.values() for shard in part)
    return (
        str(max_seq_length),
        num_processes,
        f"{num_records:,}",
        f"{seconds:.1f}",
        f"{work:.1f}",
        f"{num_records / work:,.0f}",
        f"{num_bytes / work / 1e6:.1f}",
        f"{memory.peak_bytes / 1e6:,.0f}",
    )


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
