"""The runs of a comparison: their flag files, their data, and their training as processes."""

import contextlib
import dataclasses
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from absl import flags

from benchmarks.learning import metrics, settings
from mslt_tf import cost_model, dataset_info, path_flags, pretraining_flags
from mslt_tf.config import PretrainingConfig
from mslt_tf.errors import UserError
from mslt_tf.terminal import format_duration, say
from mslt_tf.vocabulary import parse_vocabulary

VOCAB_FILE = "vocab.txt"  # in the folder of the comparison
SECONDS_BETWEEN_LOOKS = 0.5  # at the processes


@dataclasses.dataclass(frozen=True)
class Run:
    """One flag file, with what it is told beside, and one seed."""

    name: str  # of the flag file
    seed: int
    flag_file: Path
    extra_flags: tuple[str, ...]
    folder: Path  # of run_pretraining
    config: PretrainingConfig

    @property
    def flops(self) -> int:
        """Matrix products of the whole run."""
        return cost_model.plan_flops(self.config.model, self.config.plan)

    @property
    def flops_left(self) -> float:
        """Those of the steps that are not known to be done."""
        done = metrics.last_step(metrics.read(self.folder))
        return sum(
            cost_model.stage_flops(self.config.model, span.stage)
            * (1 - min(max(done - span.first_step, 0) / span.stage.num_steps, 1))
            for span in self.config.plan.spans
        )


@dataclasses.dataclass(frozen=True)
class Data:
    """Vocabulary and records, made once."""

    text: str  # --input of create_data; "": they are there
    vocab_size: int
    data_flags: Sequence[str]
    folder: Path

    @property
    def vocab_file(self) -> Path:
        """Where the vocabulary lies."""
        return self.folder / VOCAB_FILE

    def records(self, length: int) -> Path:
        """Where the records of a length lie."""
        return self.folder / f"records_{length}"

    def make(self, lengths: dict[int, int]) -> None:
        """Makes what is not there; `lengths` has the predictions of each length.

        Five passes over the text and a twentieth held out, unless `data_flags` say else.

        Raises:
            UserError: there is no text, and something is missing.
        """
        if not self.text:
            self._check(lengths)
            return
        if not self.vocab_file.exists():
            size = f"--vocab_size={self.vocab_size}"
            _call("tfrecords_tools.build_vocab", f"--input={self.text}", size, self._vocab_flag)
        for length, num_predictions in lengths.items():
            _call(
                "tfrecords_tools.create_data",
                *(f"--input={self.text}", self._vocab_flag, "--dupe_factor=5"),
                *(f"--max_seq_length={length}", f"--max_predictions_per_seq={num_predictions}"),
                *("--heldout_fraction=0.05", f"--output_dir={self.records(length)}"),
                *self.data_flags,
            )

    def _check(self, lengths: Iterable[int]) -> None:
        infos = [self.records(length) / dataset_info.FILE_NAME for length in lengths]
        for path in (self.vocab_file, *infos):
            if not path.exists():
                raise UserError(
                    f"--input is empty, and {path} is not there. Name the text, or copy the folder "
                    "of a machine on which the data were made."
                )

    def flags_of(self, run: Run) -> list[str]:
        """Returns what a run is told about its data."""
        short, *long = sorted(lengths([run]))
        records = {"train_records": self._files(short, "train")}
        records["eval_records"] = self._files(short, "heldout")
        if long:
            records["long_train_records"] = self._files(long[0], "train")
            records["long_eval_records"] = self._files(long[0], "heldout")
        return [f"--{name}={files}" for name, files in records.items()]

    @property
    def _vocab_flag(self) -> str:
        return f"--vocab_file={self.vocab_file}"

    def _files(self, length: int, split: str) -> str:
        return path_flags.join_paths([str(self.records(length) / f"{split}-*")])


def find(
    configs: Path,
    names: Sequence[str],
    *,
    folder: Path,
    seeds: Sequence[int],
    extra_flags: Sequence[str] = (),
) -> list[Run]:
    """Returns the runs of a folder of flag files, each with its seeds; the first seed first.

    Their models have the vocabulary of `folder`, or until it is made the size that the files say.

    Raises:
        UserError: a name without a flag file, no flag file at all, flags that are refused, or a
            run that lies in `folder` with other settings.
    """
    files = {path.stem: path for path in sorted(configs.glob("*.flags"))}
    unknown = set(names) - set(files)
    if unknown or not files:
        given = f"--runs has {', '.join(sorted(unknown))}; " if unknown else ""
        raise UserError(
            f"{given}--configs {configs} has {', '.join(files) or 'no *.flags'}. Give some of them."
        )
    extra_flags = (*_vocabulary_flags(folder / VOCAB_FILE), *extra_flags)
    configs_of = {name: _read(files[name], extra_flags) for name in names or files}
    found = [
        Run(name, seed, files[name], extra_flags, folder / f"{name}_seed_{seed}", config)
        for seed in seeds
        for name, config in configs_of.items()
    ]
    for run in found:
        settings.check(run.folder, run.config, flag_file=run.flag_file)
    return found


def _vocabulary_flags(path: Path) -> Iterator[str]:
    """Yields the flags of a vocabulary; while it is not made, its name alone, as flags ask for."""
    yield f"--vocab_file={path}"
    if path.exists():
        yield f"--vocab_size={len(parse_vocabulary(path.read_bytes(), name=str(path)))}"


def _read(path: Path, extra_flags: Sequence[str]) -> PretrainingConfig:
    values = flags.FlagValues()
    pretraining_flags.define_flags(values)
    values(["run_pretraining", f"--flagfile={path}", *extra_flags])
    return pretraining_flags.config_from_flags(values)


def lengths(wanted: Sequence[Run]) -> dict[int, int]:
    """Returns the sequence lengths that runs read, and the predictions of each."""
    stages = [stage for run in wanted for stage in run.config.plan.stages]
    return {stage.seq_length: stage.max_predictions_per_seq for stage in stages}


@contextlib.contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Keeps other processes out of a folder, which is made, and lets SIGTERM end it in order.

    Raises:
        UserError: another process is at work there.
    """
    # It loads TensorFlow, which takes seconds.
    from mslt_tf.files import folder_lock

    def end(number: int, frame: object) -> None:
        sys.exit(128 + number)

    folder.mkdir(parents=True, exist_ok=True)
    with folder_lock.held(str(folder), report=say):
        before = signal.signal(signal.SIGTERM, end)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)


def train(wanted: Sequence[Run], data: Data, *, num_parallel: int) -> None:
    """Trains the runs, `num_parallel` at a time; what is done is kept.

    Raises:
        UserError: a run ended with an error.
    """
    waiting, running = list(wanted), dict[Run, subprocess.Popen[bytes]]()
    progress = _Progress(wanted)
    try:
        while waiting or running:
            while waiting and len(running) < num_parallel:
                run = waiting.pop(0)
                running[run] = _start(run, data.flags_of(run))
            time.sleep(SECONDS_BETWEEN_LOOKS)
            for run in [run for run, process in running.items() if process.poll() is not None]:
                _check(run, running.pop(run).returncode)
                progress.say_done(run)
    finally:
        for process in running.values():
            process.terminate()  # it saves
        for process in running.values():
            process.wait()


def _start(run: Run, data_flags: Sequence[str]) -> subprocess.Popen[bytes]:
    command = [
        *(sys.executable, "-m", "mslt_tf.run_pretraining", f"--flagfile={run.flag_file}"),
        *(*data_flags, *run.extra_flags, f"--seed={run.seed}", f"--output_dir={run.folder}"),
    ]
    with _log_of(run).open("ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _log_of(run: Run) -> Path:
    return run.folder.with_name(f"{run.folder.name}.log")


def _check(run: Run, status: int) -> None:
    if status:
        raise UserError(
            f"{run.name} with seed {run.seed} ended with status {status}; {_log_of(run)} says why. "
            "The same command goes on when that is mended."
        )


class _Progress:
    """Says after each run what is left, by the matrix products of what was trained since."""

    def __init__(self, wanted: Sequence[Run]) -> None:
        self._left = {run: run.flops_left for run in wanted}
        self._done, self._begin = 0.0, time.monotonic()

    def say_done(self, run: Run) -> None:
        self._done += self._left.pop(run)
        left = sum(self._left.values())
        text = f"{len(self._left)} left" if self._left else "all"
        if self._done and left:
            seconds = (time.monotonic() - self._begin) * left / self._done
            text += f", about {format_duration(seconds)}"
        say(f"{run.name}, seed {run.seed}: done; {text}")


def _call(module: str, *arguments: str) -> None:
    """Runs a command of this project; ends with its status if it fails."""
    status = subprocess.call([sys.executable, "-m", module, *arguments])
    if status:
        sys.exit(status)
