r"""Trains narrow BERTs and ALBERTs by each method at equal steps; prints what each stage reached.

  python -m benchmarks.learning --output_dir=runs/learning
  python -m benchmarks.learning --output_dir=runs/albert --runs=albert_original,albert_mslt \
      --input='enwiki/wiki_*' --data_flags=--dupe_factor=1

Runs in the project's root. It makes vocabulary and records, by default from the documentation
inside the Python installation, then trains. What is finished is not done again, and an interrupted
run goes on, so the command may be given again at any time.
"""

import json
import subprocess
import sys
from pathlib import Path

from absl import flags

from mslt_tf import path_flags, startup
from mslt_tf.errors import UserError
from mslt_tf.stage_plan import format_table

BERT, ALBERT = "--flagfile=configs/narrow.flags", "--flagfile=configs/narrow_albert.flags"
# Crosses from length 128 to 512; about a tenth of the steps of the others.
TWO_LENGTHS = [
    "--max_position_embeddings=512",
    "--max_seq_length=128",
    "--max_predictions_per_seq=20",
    "--long_seq_length=512",
    "--long_train_batch_size=8",
    "--num_train_steps=1000",
    "--num_warmup_steps=100",
    "--log_steps=20",
]
# What to run, by the name of its folder.
RUNS = {
    "original": [BERT, "--method=original"],
    "stacking": [BERT, "--method=stacking"],
    "mslt_k2_long": [BERT, "--num_stages=2", "--stage_steps=5600,1200,1200"],
    "mslt_k2": [BERT, "--num_stages=2"],
    "mslt_k4": [BERT, "--num_stages=4"],
    "albert_original": [ALBERT, "--method=original", "--num_hidden_groups=1"],
    "albert_mslt": [ALBERT],
    "albert_mslt_long": [ALBERT, "--stage_steps=4800,800,800,800,800"],
    "two_lengths": [BERT, *TWO_LENGTHS],
    "albert_two_lengths": [ALBERT, *TWO_LENGTHS],
}
DEFAULT_RUNS = ["original", "stacking", "mslt_k2_long", "mslt_k2", "mslt_k4"]


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this benchmark."""
    path_flags.define_path("output_dir", "runs/learning", "Where it all goes.", flag_values=values)
    flags.DEFINE_list("runs", DEFAULT_RUNS, f"Which of {', '.join(RUNS)}.", flag_values=values)
    path_flags.define_joined_paths(
        "input", "embedded", "Text, as create_data takes it.", flag_values=values
    )
    flags.DEFINE_list(
        "data_flags", [], "More flags for create_data, with commas.", flag_values=values
    )
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
        for name in flags.FLAGS.runs:
            train(folder, name, flags.FLAGS.extra_flags)
    sys.stdout.write(report(folder, flags.FLAGS.runs) + "\n")


def make_vocabulary(folder: Path) -> Path:
    """Makes a vocabulary of about 4,096 word pieces, once."""
    vocab_file = folder / "vocab.txt"
    if not vocab_file.exists():
        run(
            "tfrecords_tools.build_vocab",
            f"--input={flags.FLAGS.input}",
            "--vocab_size=4096",
            f"--vocab_file={vocab_file}",
        )
    return vocab_file


def make_records(folder: Path, *, max_seq_length: int) -> Path:
    """Makes records: five passes unless `--data_flags` says else, a twentieth held out."""
    records = folder / f"records_{max_seq_length}"
    run(
        "tfrecords_tools.create_data",
        f"--input={flags.FLAGS.input}",
        f"--vocab_file={make_vocabulary(folder)}",
        f"--output_dir={records}",
        f"--max_seq_length={max_seq_length}",
        f"--max_predictions_per_seq={round(max_seq_length * 0.15625)}",  # BERT's 20 of 128
        "--dupe_factor=5",
        "--heldout_fraction=0.05",
        *flags.FLAGS.data_flags,
    )
    return records


def train(folder: Path, name: str, extra_flags: list[str]) -> None:
    """Trains one of RUNS on records that it makes."""
    two_lengths = "--long_seq_length=512" in RUNS[name]
    records = make_records(folder, max_seq_length=128 if two_lengths else 64)
    data = {"train": records / "train-*", "eval": records / "heldout-*"}
    if two_lengths:
        long_records = make_records(folder, max_seq_length=512)
        data |= {"long_train": long_records / "train-*", "long_eval": long_records / "heldout-*"}
    info = json.loads((records / "dataset_info.json").read_text("utf-8"))
    run(
        "mslt_tf.run_pretraining",
        *RUNS[name],
        f"--vocab_size={info['vocab_size']}",
        f"--vocab_file={folder / 'vocab.txt'}",
        *(f"--{part}_records={path_flags.join_paths([str(p)])}" for part, p in data.items()),
        f"--output_dir={folder / name}",
        *extra_flags,
    )


def run(module: str, *arguments: str) -> None:
    """Runs a command of this project; stops with its status if it fails."""
    status = subprocess.call([sys.executable, "-m", module, *arguments])
    if status:
        sys.exit(status)


def report(folder: Path, names: list[str]) -> str:
    """Returns a row per stage of each run: held-out results and the time spent training."""
    rows = [("run", "stage", "step", "held-out MLM loss", "below unigram", "MLM accuracy")]
    rows = [(*rows[0], "NSP accuracy", "sequences/s", "seconds")]
    for name in names:
        path = folder / name / "metrics.jsonl"
        if not path.exists():
            raise UserError(f"{path} does not exist. Run without --report_only first.")
        entries = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        entries = [entry for entry in entries if entry["kind"] in ("train", "eval")]
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
        f"{heldout['sentence_pair_accuracy']:.3f}",
        f"{speeds[len(speeds) // 2]:,.0f}",  # the median: other work on the machine disturbs some
        f"{sum(entry['seconds'] for entry in train):,.0f}",
    )


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
