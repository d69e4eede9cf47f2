"""Who takes part in a measurement: stages, peers and the matmul ceiling, a process each."""

import dataclasses
import itertools
import json
import os
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.step_time import results
from benchmarks.step_time.pipes import Child
from benchmarks.step_time.turns import FROM_MEMORY, MATMUL, STEP, Participant
from mslt_tf.config import PretrainingConfig
from mslt_tf.errors import UserError
from mslt_tf.stage_plan import Stage

PEER_MODULES = {
    "keras_nlp": "benchmarks.step_time.peers.keras_nlp_bert",
    "transformers": "benchmarks.step_time.peers.transformers_bert",
}
# Processes share a GPU, and libraries' remarks would hide the tables.
ENVIRONMENT = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "PYTHONWARNINGS": "ignore"}


@dataclasses.dataclass(frozen=True)
class Options:
    """What is measured besides the steps of stages."""

    vs: Sequence[str]  # peers
    torch_python: str
    torch_compile: bool
    split: bool  # the parts of a step
    ceiling: bool
    profile: bool

    def __post_init__(self) -> None:
        if "transformers" in self.vs and not self.torch_python:
            raise UserError(
                "--vs=transformers needs --torch_python, a Python with PyTorch and transformers. "
                "--help says how to make one."
            )


@dataclasses.dataclass(frozen=True)
class MeasurementPlan:
    """What is needed to start all processes."""

    config: PretrainingConfig
    stages: Sequence[Stage]
    options: Options
    records: dict[int, tuple[str, ...]]  # by sequence length: globs
    folder: Path  # where it may write

    def groups(self, *, one_at_a_time: bool) -> list[list[Participant]]:
        """Returns who is alive together; peers and the ceiling follow the stages' processes."""
        ceiling = [self._ceiling()] if self.options.ceiling else []
        beside = {results.peer_stage(self.config, self.stages).name: self._peers()}
        groups = [[self._stage(s), *beside.get(s.name, []), *ceiling] for s in self.stages]
        if one_at_a_time:
            return groups
        together = {participant.name: participant for group in groups for participant in group}
        return [list(together.values())]

    def _stage(self, stage: Stage) -> Participant:
        parts = ("forward", "gradient", FROM_MEMORY) if self.options.split else ()
        is_compared = stage == results.peer_stage(self.config, self.stages)
        compared = (FROM_MEMORY,) if self.options.vs and is_compared and not parts else ()

        def start() -> Child:
            return start_stage(self.config, stage, self.records, self.folder / stage.name)

        return Participant(stage.name, start, (STEP, *parts, *compared), self.options.profile)

    def _peers(self) -> list[Participant]:
        stage = results.peer_stage(self.config, self.stages)
        shapes = json.dumps(peer_shapes(self.config, stage, self.options))

        def participant(peer: str) -> Participant:
            python = self.options.torch_python if peer == "transformers" else sys.executable
            module = PEER_MODULES[peer]
            return Participant(
                peer, lambda: start_process(peer, module, shapes, python=python), (STEP,)
            )

        return [participant(peer) for peer in self.options.vs]

    def _ceiling(self) -> Participant:
        def start() -> Child:
            module = "benchmarks.step_time.matmul_process"
            return start_process(results.CEILING, module, self.config.precision)

        return Participant(results.CEILING, start, (MATMUL,))


def stages_to_measure(
    config: PretrainingConfig, names: Sequence[str], peers: Sequence[str]
) -> list[Stage]:
    """Returns the stages of these names, all of them if there are none, and what they need.

    That is what the original method does in their place, where the plan is measured as a whole,
    and what peers are compared with.
    """
    known = {stage.name: stage for stage in config.plan.stages}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(f"--stages has {', '.join(unknown)}. Use some of {', '.join(known)}.")
    if peers:
        _check_comparable(config)
    stages = [stage for stage in config.plan.stages if not names or stage.name in names]
    needed = [] if names else [_original(config, stage, stages) for stage in stages]
    if peers:
        needed.append(_original(config, config.plan.stages[0], config.plan.stages))
    return list({stage.name: stage for stage in (*stages, *needed)}.values())


_original = results.find_original


def _check_comparable(config: PretrainingConfig) -> None:
    if config.model.projects_embeddings or config.model.num_hidden_groups:
        raise UserError("--vs has no ALBERT to compare with. Leave it out, or take a BERT.")
    if config.precision == "float16":
        raise UserError("--vs has no float16. Use --precision=float32 or bfloat16.")


def peer_shapes(config: PretrainingConfig, stage: Stage, options: Options) -> dict[str, Any]:
    """Returns what a peer must be told to do the same work."""
    return {
        "model": config.model.to_bert_config(),
        "batch_size": stage.batch_size,
        "seq_length": stage.seq_length,
        "max_predictions_per_seq": stage.max_predictions_per_seq,
        "precision": config.precision,
        "torch_compile": options.torch_compile,
    }


def start_stage(
    config: PretrainingConfig,
    stage: Stage,
    records: dict[int, tuple[str, ...]],
    folder: Path,
    environment: dict[str, str] | None = None,
) -> Child:
    """Starts the process of a stage.

    Args:
        config: the run's settings, of which those that name files are replaced.
        stage: what to run.
        records: by sequence length: globs.
        folder: a new one, for what the process writes.
        environment: more of it, or other values.
    """
    short = records[config.short_seq_length]
    config = dataclasses.replace(
        config,
        output_dir=str(folder),
        train_records=short,
        long_train_records=tuple(itertools.chain(*(p for p in records.values() if p != short))),
        eval_records=(),
        long_eval_records=(),
        init_checkpoint="",
    )
    path = folder / "stage.pickle"
    folder.mkdir()
    path.write_bytes(pickle.dumps((config, stage)))
    module = "benchmarks.step_time.stage_process"
    return start_process(stage.name, module, str(path), environment=environment)


def start_process(
    name: str,
    module: str,
    argument: str,
    *,
    python: str = sys.executable,
    environment: dict[str, str] | None = None,
) -> Child:
    """Starts a module that serves tasks, and takes one argument."""
    # Whoever set one of ENVIRONMENT knows better.
    merged = {**ENVIRONMENT, **os.environ, **(environment or {})}
    return Child(name, [python, "-m", module, argument], merged)
