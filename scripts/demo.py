"""Pretrains a tiny BERT on a small text: vocabulary, records, three stages, exported encoder.

  python -m scripts.demo

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
from mslt_tf.errors import UserError
from scripts import demo_closing
from tfrecords_tools.text.formats import embedded_corpus

ROOT = Path(__file__).resolve().parent.parent
CONFIG = "configs/tiny.flags"
EMBEDDED = "embedded"  # as an --input, the text that the installation itself holds
VOCAB_SIZE = 4096  # most tokens; how many there are in the end depends on the text
NUM_PASSES = 5  # over the text; enough records for one epoch
ORIGIN_NAME = "vocab_origin.json"  # what vocab.txt was made from
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED_STATUS = 128 + signal.SIGINT


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
        "The demo makes a vocabulary and records from a small text, pretrains a tiny BERT in three "
        "stages\nand exports its encoder: about 8 minutes on 2 CPU cores. Ctrl-C stops it, and "
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
    seconds = time.monotonic() - begin
    _say(
        demo_closing.text(
            ROOT / folder,
            shown_as=folder,
            seconds=seconds,
            removal=removal_of(folder),
            python=_from_root(sys.executable),
        )
    )
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
        *("--max_seq_length=32", "--max_predictions_per_seq=5", f"--dupe_factor={NUM_PASSES}"),
    ]


def run_pretraining_command(folder: str, *, num_train_steps: int) -> list[str]:
    """Returns the command for step 3; the records must be there."""
    steps = [f"--num_train_steps={num_train_steps}", f"--num_warmup_steps={num_train_steps // 10}"]
    return [
        *("-m", "mslt_tf.run_pretraining", f"--flagfile={CONFIG}"),
        f"--train_records={path_flags.join_paths([f'{folder}/records/train-*.tfrecord'])}",
        f"--eval_records={path_flags.join_paths([f'{folder}/records/heldout-*.tfrecord'])}",
        *(
            f"--vocab_file={folder}/vocab.txt",
            f"--vocab_size={demo_closing.read_info(ROOT / folder).vocab_size}",
        ),
        f"--output_dir={folder}/run",
        *(steps if num_train_steps else ()),
    ]


def fill_masks_command(folder: str) -> list[str]:
    """Returns the command for step 4; records and export must be there."""
    return [
        *("-m", "scripts.fill_masks", f"--records={folder}/records"),
        *(f"--vocab_file={folder}/vocab.txt", f"--export={folder}/run/export"),
    ]


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


def _step(number: int, what: str) -> None:
    _say(f"\nStep {number} of 4: {what}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
