r"""Trains a narrow BERT by each method at equal steps, and prints what each stage reached.

  python benchmarks/learning.py --output_dir=runs/learning

Runs in the project's root. It makes the vocabulary and the records from the documentation inside
the Python installation, then trains by configs/narrow.flags. What is finished is not done again,
and an interrupted run goes on, so the command may be given again at any time.
"""

import json
import subprocess
import sys
from pathlib import Path

from absl import flags

from mslt_tf import startup
from mslt_tf.errors import UserError
from mslt_tf.stage_plan import format_table

# What to run, by the name of its folder.
RUNS = {
    "original": ["--method=original"],
    "stacking": ["--method=stacking"],
    "mslt_k2_long": ["--method=mslt", "--num_stages=2", "--stage_steps=5600,1200,1200"],
    "mslt_k2": ["--method=mslt", "--num_stages=2"],
    "mslt_k4": ["--method=mslt", "--num_stages=4"],
}


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this benchmark."""
    flags.DEFINE_string("output_dir", "runs/learning", "Where it all goes.", flag_values=values)
    flags.DEFINE_list("runs", list(RUNS), f"Which of {', '.join(RUNS)}.", flag_values=values)
    flags.DEFINE_list(
        "extra_flags", [], "More flags for run_pretraining, with commas.", flag_values=values
    )
    flags.DEFINE_bool(
        "report_only", False, "Print the table of what was run, run nothing.", flag_values=values
    )


def main() -> None:
    """Makes the data, trains, prints the table."""
    folder = Path(flags.FLAGS.output_dir)
    unknown = set(flags.FLAGS.runs) - set(RUNS)
    if unknown:
        raise UserError(f"--runs has {', '.join(unknown)}. Use some of {', '.join(RUNS)}.")
    if not flags.FLAGS.report_only:
        make_data(folder)
        for name in flags.FLAGS.runs:
            train(folder, name, flags.FLAGS.extra_flags)
    sys.stdout.write(report(folder, flags.FLAGS.runs) + "\n")


def make_data(folder: Path) -> None:
    """Makes vocabulary and records: length 64, five passes, a twentieth held out."""
    vocab_file = folder / "vocab.txt"
    if not vocab_file.exists():
        run("tfrecords_tools.build_vocab", "--vocab_size=4096", f"--vocab_file={vocab_file}")
    run(
        "tfrecords_tools.create_data",
        f"--vocab_file={vocab_file}",
        f"--output_dir={folder / 'records'}",
        "--max_seq_length=64",
        "--max_predictions_per_seq=10",
        "--dupe_factor=5",
        "--heldout_fraction=0.05",
    )


def train(folder: Path, name: str, extra_flags: list[str]) -> None:
    """Trains one of RUNS."""
    info = json.loads((folder / "records" / "dataset_info.json").read_text("utf-8"))
    run(
        "mslt_tf.run_pretraining",
        "--flagfile=configs/narrow.flags",
        f"--vocab_size={info['vocab_size']}",
        f"--vocab_file={folder / 'vocab.txt'}",
        f"--train_records={folder / 'records' / 'train-*'}",
        f"--eval_records={folder / 'records' / 'heldout-*'}",
        f"--output_dir={folder / name}",
        *RUNS[name],
        *extra_flags,
    )


def run(module: str, *arguments: str) -> None:
    """Runs a command of this project; stops with its status if it fails."""
    if module.startswith("tfrecords_tools"):
        arguments = ("--input=embedded", *arguments)
    status = subprocess.call([sys.executable, "-m", module, *arguments])
    if status:
        sys.exit(status)


def report(folder: Path, names: list[str]) -> str:
    """Returns a row per stage of each run: held-out results and the time spent training."""
    rows = [("run", "stage", "step", "held-out MLM loss", "below unigram", "MLM accuracy")]
    rows = [(*rows[0], "NSP accuracy", "sequences/s", "seconds")]
    for name in names:
        path = folder / name / "metrics.jsonl"
        entries = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for stage in dict.fromkeys(entry["stage"] for entry in entries):
            rows.append(stage_row(name, [e for e in entries if e["stage"] == stage]))
    return format_table(rows)


def stage_row(name: str, entries: list[dict]) -> tuple[str, ...]:
    """Returns the row of one stage from its entries in metrics.jsonl."""
    heldout = [entry for entry in entries if entry["kind"] == "eval"][-1]
    train = [entry for entry in entries if entry["kind"] == "train"]
    speeds = sorted(e["sequences_per_second"] for e in train if "sequences_per_second" in e)
    return (
        name,
        heldout["stage"],
        f"{heldout['step']:,}",
        f"{heldout['masked_lm_loss']:.3f}",
        f"{heldout['unigram_entropy'] - heldout['masked_lm_loss']:.3f}",
        f"{heldout['masked_lm_accuracy']:.3f}",
        f"{heldout['next_sentence_accuracy']:.3f}",
        f"{speeds[len(speeds) // 2]:,.0f}",  # the median: other work on the machine disturbs some
        f"{sum(entry['seconds'] for entry in train):,.0f}",
    )


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
