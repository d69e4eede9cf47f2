r"""Times an export's model for TensorFlow Serving beside transformers on PyTorch, in turns.

  python -m mslt_tf.run_export --checkpoint=RUN --output_dir=exports/run
  python -m mslt_tf.run_export --checkpoint=RUN --format=huggingface --output_dir=exports/run_hf
  taskset -c 1 python -m benchmarks.serving --export=exports/run --huggingface=exports/run_hf \
      --torch_python=torch_env/bin/python

Prints of each graph of the export how many operations it has and how large it is; how long a new
process takes to load the model and to answer for the first time; and requests per second, ids in
and pooled vectors out. Without --torch_python ours is timed alone. The peer runs in a Python of
its own:

  python -m venv torch_env
  torch_env/bin/python -m pip install torch==2.13.0 'transformers==5.*'

The model is called in Python, without a server and its network. Absolute times drift on a shared
machine, the ratios are the result.
"""

import dataclasses
import functools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from absl import flags

from benchmarks.serving.job import OURS, THEIRS, Job, task_of
from benchmarks.step_time import participants, pipes, turns
from benchmarks.step_time.turns import Participant
from mslt_tf import flag_fields, json_values, path_flags, startup
from mslt_tf.errors import UserError

MANIFEST = "export_manifest.json"


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this benchmark."""
    define_path = functools.partial(path_flags.define_path, flag_values=values)
    define_path("export", "", "Folder of an export with --format=saved_model.")
    define_path("huggingface", "", "Folder of the same checkpoint's export for Hugging Face.")
    define_path("torch_python", "", "Python with PyTorch and transformers.")
    flags.DEFINE_list("batch_sizes", ["1", "32"], "Texts in a request.", flag_values=values)
    flags.DEFINE_integer("seq_length", 128, "Tokens of a text.", lower_bound=1, flag_values=values)
    flags.DEFINE_integer(
        "starts", 5, "How often a new process starts.", lower_bound=1, flag_values=values
    )
    flags.DEFINE_integer("rounds", 7, "How often each takes its turn.", flag_values=values)
    flags.DEFINE_integer("warmups", 3, "Requests of each that do not count.", flag_values=values)
    flags.DEFINE_float("seconds_per_turn", 5.0, "How long a turn takes.", flag_values=values)


def main() -> None:
    """Measures, and prints the tables."""
    schedule = turns.Schedule(
        **flag_fields.values_of(turns.Schedule, flags.FLAGS, without=["start_together"])
    )
    export = Path(flags.FLAGS.export)
    manifest = read_manifest(export)
    sides = _sides(export, manifest)
    # It loads TensorFlow, which takes seconds.
    from benchmarks.serving import report

    names = list(manifest["saved_models"])
    sys.stdout.write(f"{report.graph_text(export, names)}\n\n")
    sys.stdout.write(f"{report.start_text(measure_starts(sides, flags.FLAGS.starts))}\n\n")
    outcome = turns.Outcome()
    tasks = tuple(map(task_of, _batch_sizes()))
    takers = [Participant(name, start, tasks) for name, start in sides.items()]
    turns.measure(takers, schedule, outcome, report=_report)
    sys.stdout.write(f"{report.speed_text(outcome.samples)}\n")
    if THEIRS in sides:
        sys.stdout.write(f"{report.difference_text(outcome.facts)}\n")


def read_manifest(export: Path) -> Mapping[str, Any]:
    """Returns what an export says of itself.

    Raises:
        UserError: no export for TensorFlow lies there.
    """
    try:
        content = json_values.loads((export / MANIFEST).read_bytes())
        found = json_values.parse(Mapping[str, Any], content)
        json_values.parse(Mapping[str, Any], found.get("saved_models"), name="saved_models")
        json_values.parse(int, found.get("model", {}).get("vocab_size"), name="vocab_size")
    except (OSError, json_values.JsonValueError, AttributeError) as error:
        raise UserError(
            f"--export {export} is no export for TensorFlow ({error}). Write one by "
            "python -m mslt_tf.run_export."
        ) from error
    return found


def served_folder(names: list[str]) -> str:
    """Returns which folder of an export is the one for a server, whose versions are numbers.

    >>> served_folder(["encoder", "bert/1", "preprocessor"])
    'bert/1'
    """
    return next(name for name in names if name.endswith("/1"))


def measure_starts(
    sides: Mapping[str, Callable[[], pipes.Child]], num_starts: int
) -> dict[str, list[dict[str, float]]]:
    """Starts each side anew so many times, in turns, and returns the seconds of each part."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for index in range(num_starts):
        _report(f"start {index + 1} of {num_starts}")
        for name, start in sides.items():
            child = start()
            with pipes.children([child]):
                found[name].append(child.ask("start"))
    return found


def _sides(export: Path, manifest: Mapping[str, Any]) -> dict[str, Callable[[], pipes.Child]]:
    """Returns what starts the process of each side."""
    values = flags.FLAGS
    if bool(values.torch_python) != bool(values.huggingface):
        raise UserError("--torch_python and --huggingface need each other. Give both or neither.")
    ours = Job(
        folder=str(export / served_folder(list(manifest["saved_models"]))),
        batch_sizes=_batch_sizes(),
        seq_length=values.seq_length,
        vocab_size=manifest["model"]["vocab_size"],
    )
    start = functools.partial(
        participants.start_process, environment={"CUDA_VISIBLE_DEVICES": "-1"}
    )
    sides = {OURS: lambda: start(OURS, "benchmarks.serving.ours", ours.to_json())}
    if values.torch_python:
        job = dataclasses.replace(ours, folder=values.huggingface).to_json()
        module, python = "benchmarks.serving.theirs", values.torch_python
        sides[THEIRS] = lambda: start(THEIRS, module, job, python=python)
    return sides


def _batch_sizes() -> list[int]:
    try:
        sizes = [int(text) for text in flags.FLAGS.batch_sizes]
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < 1:
        raise UserError(f"--batch_sizes is {flags.FLAGS.batch_sizes}. Give whole numbers above 0.")
    return sizes


def _report(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
