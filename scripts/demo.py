"""Pretrains a tiny BERT on a small text: vocabulary, records, five stages, exported encoder.

  python scripts/demo.py

It runs four commands of this project and shows each before it runs, to be copied and changed.
What is done already is not done again: the same command continues after an interruption.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from absl import flags

from mslt_tf import path_flags, startup
from mslt_tf.bounds import Bounds, check_number
from mslt_tf.dataset_info import FILE_NAME, DatasetInfo
from mslt_tf.errors import UserError
from mslt_tf.stage_plan import format_table
from tfrecords_tools.text import embedded_corpus

ROOT = Path(__file__).resolve().parent.parent
CONFIG = "configs/tiny.flags"
EMBEDDED = "embedded"  # as an --input, the text that the installation itself holds
VOCAB_SIZE = 4096  # most tokens; how many there are in the end depends on the text
NUM_PASSES = 4  # over the text; enough records for one epoch
ORIGIN_NAME = "vocab_origin.json"  # what vocab.txt was made from
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED_STATUS = 128 + signal.SIGINT


CLOSING_TEXT = """
The demo is done ({seconds:,.0f} s this time). On documents kept out of training, after each stage:

{table}

Loss is in nats per masked word piece. Always guessing by how frequent each piece is, without a look
at the sentence, has a loss of {entropy:.3f}; what lies below that was learnt from the context.
Model and text are tiny: this shows that all parts work, and nothing else.

What lies in {folder} (to remove it all: {removal}):
  vocab.txt          {vocab_size:,} word pieces; vocab_origin.json says of which text
  records/           pretraining records; to look into them:
                       {python} -m tfrecords_tools.inspect_data \\
                         --input_dir={folder}/records --vocab_file={folder}/vocab.txt
  run/metrics.jsonl  losses, speed and evaluations, one JSON object a line
  run/tensorboard/   the same as curves:
                       {python} -m tensorboard.main --logdir={folder}/run/tensorboard
  run/checkpoints/   the newest three
  run/export/        SavedModels; to use them from {python}:
                       import tensorflow as tf, tensorflow_text
                       preprocessor = tf.saved_model.load("{folder}/run/export/preprocessor")
                       encoder = tf.saved_model.load("{folder}/run/export/encoder")
                       encoder(preprocessor(tf.constant(["a text"])))["sequence_output"]

Next: your own text and a larger model. README.md has the commands, docs/data.md says how text must
look.
"""


class CommandError(Exception):
    """A command ended with another status than 0, having said why."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of the demo."""
    path_flags.define_path(
        "folder",
        "demo",
        "Where vocabulary, records and run go: a path from the project's root.",
        flag_values=flag_values,
    )
    path_flags.define_joined_paths(
        "input",
        EMBEDDED,
        "Text, as tfrecords_tools.create_data takes it, from the project's root; embedded: the "
        "documentation inside this Python installation.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "num_train_steps",
        0,
        f"Steps of the run, a tenth of them warm-up; 0: as in {CONFIG}.",
        flag_values=flag_values,
    )


def main() -> int:
    """Runs the demo; returns the exit status."""
    check_number("--num_train_steps", flags.FLAGS.num_train_steps, Bounds(at_least=0))
    folder = _from_root(str(ROOT / flags.FLAGS.folder))
    try:
        return run_demo(folder, flags.FLAGS.input, num_train_steps=flags.FLAGS.num_train_steps)
    except KeyboardInterrupt:
        _say("\nStopped. Run the demo again to go on from here.")
        return INTERRUPTED_STATUS
    except CommandError as error:
        advice = "Run the demo again to go on from here."
        if error.status == startup.USAGE_STATUS:  # what lies there does not fit; it will not later
            advice = f"Mend what it says; or, to begin anew: {removal_of(folder)}"
        _say(f"\nThe command above ended with {error}. {advice}")
        return 1


def run_demo(folder: str, text: str, *, num_train_steps: int) -> int:
    """Runs the four commands and says what came of them; returns the exit status 0."""
    _say(
        "The demo makes a vocabulary and records from a small text, pretrains a tiny BERT in five "
        "stages\nand exports its encoder: about 5 minutes on 2 CPU cores. Ctrl-C stops it, and "
        f"the same command continues.\nEverything goes to {folder}."
    )
    begin = time.monotonic()
    if (ROOT / folder / "vocab.txt").exists():
        check_origin(folder, text)
    else:
        # First, so that no interruption leaves a vocabulary of unknown origin.
        _write_origin(folder, text)
        _step(1, "learn a vocabulary of word pieces")
        _call(build_vocab_command(folder, text))
    _step(2, "make records: sentence pairs with masked words")
    _call(create_data_command(folder, text))
    _step(3, "pretrain in stages, evaluate after each, export the encoder")
    _call(run_pretraining_command(folder, num_train_steps=num_train_steps))
    _step(4, "let the exported model fill in words of documents kept out of training")
    _call(fill_masks_command(folder))
    _say(closing_text(folder, seconds=time.monotonic() - begin))
    return 0


def check_origin(folder: str, text: str) -> None:
    """Makes sure that the vocabulary in the folder is the one this demo would make.

    Raises:
        UserError: it was made from something else, or nothing says from what.
    """
    path = ROOT / folder / ORIGIN_NAME
    again = (
        "Give another --folder; or remove vocabulary, records and model, to have them made anew: "
        f"{removal_of(folder)}"
    )
    try:
        found = dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{folder}/vocab.txt is there, but not what it was made from, which must stand in "
            f"{folder}/{ORIGIN_NAME} ({type(error).__name__}). {again}"
        ) from error
    wanted = _origin(text)
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            raise UserError(
                f"{folder}/vocab.txt was made with {name} = {found.get(name)!r}, but this demo "
                f"needs one made with {wanted.get(name)!r}. {again}"
            )


def removal_of(folder: str) -> str:
    """Returns the command that removes what the demo made in a folder, and nothing else there."""
    names = ("vocab.txt", ORIGIN_NAME, "records", "run")
    there = [f"{folder}/{name}" for name in names if (ROOT / folder / name).exists()]
    return shlex.join(["rm", "-r", *there])


def _write_origin(folder: str, text: str) -> None:
    path = ROOT / folder / ORIGIN_NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_origin(text), indent=2) + "\n", "utf-8")
    except OSError as error:
        raise UserError(
            f"--folder {folder} cannot be written to: {error.strerror}. It must be a folder where "
            "you may write, or a new one: give another."
        ) from error


def _origin(text: str) -> dict[str, str | int]:
    """Returns what the vocabulary depends on."""
    origin: dict[str, str | int] = {"input": text, "vocab_size": VOCAB_SIZE}
    if text == EMBEDDED:  # other versions of the packages have another documentation
        origin["versions"] = embedded_corpus.describe_versions()
    return origin


def build_vocab_command(folder: str, text: str) -> list[str]:
    """Returns the command for step 1."""
    return [
        *("-m", "tfrecords_tools.build_vocab", f"--input={text}"),
        *(f"--vocab_file={folder}/vocab.txt", f"--vocab_size={VOCAB_SIZE}"),
    ]


def create_data_command(folder: str, text: str) -> list[str]:
    """Returns the command for step 2."""
    return [
        *("-m", "tfrecords_tools.create_data", f"--input={text}"),
        *(f"--vocab_file={folder}/vocab.txt", f"--output_dir={folder}/records"),
        *("--max_seq_length=64", "--max_predictions_per_seq=10", f"--dupe_factor={NUM_PASSES}"),
    ]


def run_pretraining_command(folder: str, *, num_train_steps: int) -> list[str]:
    """Returns the command for step 3; the records must be there."""
    steps = [f"--num_train_steps={num_train_steps}", f"--num_warmup_steps={num_train_steps // 10}"]
    return [
        *("-m", "mslt_tf.run_pretraining", f"--flagfile={CONFIG}"),
        f"--train_records={path_flags.join_paths([f'{folder}/records/train-*.tfrecord'])}",
        f"--eval_records={path_flags.join_paths([f'{folder}/records/heldout-*.tfrecord'])}",
        *(f"--vocab_file={folder}/vocab.txt", f"--vocab_size={_read_info(folder).vocab_size}"),
        f"--output_dir={folder}/run",
        *(steps if num_train_steps else ()),
    ]


def fill_masks_command(folder: str) -> list[str]:
    """Returns the command for step 4; records and export must be there."""
    return [
        *("scripts/fill_masks.py", f"--records={folder}/records"),
        *(f"--vocab_file={folder}/vocab.txt", f"--export={folder}/run/export"),
    ]


def closing_text(folder: str, *, seconds: float) -> str:
    """Returns where everything lies, what the numbers mean, and what comes next."""
    evaluations = _read_evaluations(folder)
    rows = [("stage", "step", "masked LM loss", "accuracy", "sentence accuracy")]
    for entry in evaluations:
        names = ("masked_lm_loss", "masked_lm_accuracy", "sentence_pair_accuracy")
        values = [f"{entry[name]:.3f}" for name in names]
        rows.append((entry["stage"], f"{entry['step']:,}", *values))
    return CLOSING_TEXT.format(
        seconds=seconds,
        table=format_table(rows),
        entropy=evaluations[-1]["unigram_entropy"],
        folder=folder,
        removal=removal_of(folder),
        vocab_size=_read_info(folder).vocab_size,
        python=_from_root(sys.executable),
    )


def _call(arguments: list[str]) -> None:
    """Shows and runs a command; a signal to this process becomes SIGTERM there.

    The command gets a process group of its own, so that Ctrl-C does not reach it as well: training
    would take the second signal for impatience, and the other commands end silently on SIGTERM.
    """
    command = [_from_root(sys.executable), *arguments]
    _say(f"$ {shlex.join(command)}")
    child: subprocess.Popen[bytes] | None = None
    passed_on: list[bool] = []  # an entry for each signal

    def pass_on(number: int, frame: FrameType | None) -> None:
        passed_on.append(child is not None)
        if child is not None:
            child.terminate()

    # Before the command starts: a signal in between would end the demo and leave the command.
    before = {number: signal.signal(number, pass_on) for number in SIGNALS}
    try:
        child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, process_group=0)
        if passed_on and not any(passed_on):  # it came too early for `pass_on`
            child.terminate()
        status = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if passed_on:
        raise KeyboardInterrupt
    if status:
        raise CommandError(status)


def _from_root(path: str) -> str:
    """Returns a path as it is written in the project's root: short where it lies inside."""
    absolute = os.path.abspath(path)
    relative = os.path.relpath(absolute, ROOT)
    return absolute if relative.startswith("..") else relative


def _read_info(folder: str) -> DatasetInfo:
    path = ROOT / folder / "records" / FILE_NAME
    return DatasetInfo.from_json(path.read_text("utf-8"), path=str(path))


def _read_evaluations(folder: str) -> list[dict]:
    lines = (ROOT / folder / "run" / "metrics.jsonl").read_text("utf-8").splitlines()
    return [entry for entry in map(json.loads, lines) if entry["kind"] == "eval"]


def _step(number: int, what: str) -> None:
    _say(f"\nStep {number} of 4: {what}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
