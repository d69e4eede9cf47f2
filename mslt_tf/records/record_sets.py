"""The record files of a run: to train and to evaluate on, for each length that its plan needs."""

import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from mslt_tf import dataset_info
from mslt_tf.config import PretrainingConfig
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from mslt_tf.records import record_files
from mslt_tf.records.dynamic_masking import Masking, make_masking
from mslt_tf.records.record_facts import BLOCK_BYTES
from mslt_tf.records.record_files import Records, Report
from mslt_tf.stage_plan import Stage
from mslt_tf.vocabulary import parse_vocabulary

MAX_READINGS = 8  # of a compressed file in an epoch; more are noted


@dataclasses.dataclass(frozen=True)
class RecordSets:
    """Records by the sequence length of the stages that use them."""

    train: Mapping[int, Records]
    held_out: Mapping[int, Records]  # lacks the lengths that are not evaluated
    masking: Masking | None  # of the records to train on; None: as stored
    vocabulary_sha256: str  # of --vocab_file; "" without

    def identity(self) -> dict[str, Any]:
        """Returns what must be equal for a run to go on: the objective and the training data."""
        objectives = {records.sentence_objective for records in self.train.values()} - {""}
        return {
            "objective": f"mlm+{'+'.join(sorted(objectives)) or 'unknown'}",
            "data": {
                str(length): dataclasses.asdict(records.identity)
                for length, records in self.train.items()
            },
        }

    def settings(self) -> dict[str, str]:
        """Returns what each length is evaluated on, by a name for people; a run may change it."""
        return {
            f"evaluation records at {length} tokens": self.held_out[length].identity.in_words()
            if length in self.held_out
            else "none"
            for length in self.train
        }

    def facts(self) -> dict[str, Any]:
        """Returns what must be equal on all workers, by name: all files, in the same order."""
        facts: dict[str, Any] = {"vocabulary": self.vocabulary_sha256}
        for length, train in self.train.items():
            facts[f"records of {length} tokens to train on"] = _facts_of(train)
            facts[f"records to evaluate on at {length} tokens"] = _facts_of(
                self.held_out.get(length)
            )
        return facts


def _facts_of(records: Records | None) -> Any:
    """Returns what tells records apart, and their order, but not which folder they lie in."""
    if records is None:
        return None
    blocks = [(os.path.basename(b.path), b.byte_offset, b.num_records) for b in records.blocks]
    return dataclasses.asdict(records.identity), blocks


def open_record_sets(
    config: PretrainingConfig, *, report: Report, keeps_facts: bool = True
) -> RecordSets:
    """Finds the records of all lengths and checks them against the plan and each other.

    Args:
        config: names them.
        report: takes lines of progress.
        keeps_facts: whether what is learnt of foreign files is kept in the run's folder.

    Raises:
        UserError: files are missing or damaged, or do not fit the plan, the vocabulary or each
            other.
    """
    _check_all_named(config)
    vocabulary = _read_vocabulary(config)
    opened: dict[str, Records] = {}
    for flag, stage in _needed(config):
        opened[flag] = _open(config, flag, report, keeps_facts)
        _check_length(opened[flag], stage, flag=flag)
        _check_vocabulary(opened[flag], config, vocabulary, flag=flag)
        _check_segments(opened[flag], config, flag=flag)
        _check_masked(opened[flag], config, flag=flag)
        if "train" in flag:
            _note_many_readings(opened[flag], report, flag=flag)
    _check_held_out_apart(opened)
    _check_one_objective(opened)
    train, held_out = {}, {}
    for stage in _stages_by_length(config):
        prefix = _prefix(config, stage)
        train[stage.seq_length] = opened[f"{prefix}train_records"]
        evaluated = opened.get(f"{prefix}eval_records") or opened.get("eval_records")
        if evaluated:
            held_out[stage.seq_length] = evaluated
    return RecordSets(
        train,
        held_out,
        masking=make_masking(config.dynamic_masking, vocabulary),
        vocabulary_sha256=dataset_info.hash_vocabulary(vocabulary) if vocabulary else "",
    )


def _stages_by_length(config: PretrainingConfig) -> Iterable[Stage]:
    """Returns the first stage of each length."""
    stages: dict[int, Stage] = {}
    for stage in config.plan.stages:
        stages.setdefault(stage.seq_length, stage)
    return stages.values()


def _prefix(config: PretrainingConfig, stage: Stage) -> str:
    """Returns what the flags for the records of this stage begin with."""
    return "" if stage.seq_length == config.short_seq_length else "long_"


def _needed(config: PretrainingConfig) -> Iterator[tuple[str, Stage]]:
    """Yields the flags whose files are to be opened, with a stage that uses them."""
    for stage in _stages_by_length(config):
        for part in ("train_records", "eval_records"):
            flag = _prefix(config, stage) + part
            if getattr(config, flag):
                yield flag, stage


def _check_all_named(config: PretrainingConfig) -> None:
    prefixes = set()
    for stage in _stages_by_length(config):
        prefix = _prefix(config, stage)
        prefixes.add(prefix)
        if not getattr(config, f"{prefix}train_records"):
            raise UserError(
                f"--{prefix}train_records is not set; stage {stage.name} needs records of "
                f"{stage.seq_length} tokens. Name TFRecord files, e.g. data/train-*."
            )
    if "long_" not in prefixes and (config.long_train_records or config.long_eval_records):
        raise UserError(
            "long records are given, but no stage is long. Set --long_seq_length, or leave "
            "--long_train_records and --long_eval_records out."
        )


def _open(config: PretrainingConfig, flag: str, report: Report, keeps_facts: bool) -> Records:
    with file_errors.naming(f"--{flag} cannot be read", ""):
        return record_files.open_records(
            getattr(config, flag),
            cache_path=os.path.join(config.output_dir, f"{flag}_facts.json"),
            report=report,
            keeps_facts=keeps_facts,
        )


def _check_length(records: Records, stage: Stage, *, flag: str) -> None:
    layout = records.layout
    wanted = (stage.seq_length, stage.max_predictions_per_seq)
    if wanted != (layout.max_seq_length, layout.max_predictions_per_seq):
        length_flag = "--long_seq_length" if flag.startswith("long_") else "--max_seq_length"
        predictions_flag = "long_" * flag.startswith("long_") + "max_predictions_per_seq"
        raise UserError(
            f"--{flag} has records of {layout.max_seq_length} tokens and "
            f"{layout.max_predictions_per_seq} predictions, stage {stage.name} needs "
            f"{wanted[0]} and {wanted[1]}. Set {length_flag} and --{predictions_flag} to the "
            "records' values, or create other records."
        )


def _read_vocabulary(config: PretrainingConfig) -> list[str]:
    """Returns the tokens of `--vocab_file`; none if it is not given."""
    if not config.vocab_file:
        return []
    path = config.vocab_file
    with file_errors.naming(f"--vocab_file {path} cannot be read", ""):
        if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
            raise UserError(f"--vocab_file {path} is no file. Give the vocabulary's path.")
        with tf.io.gfile.GFile(path, "rb") as file:
            tokens = parse_vocabulary(file.read(), path=path)
    if len(tokens) != config.model.vocab_size:
        raise UserError(
            f"{config.vocab_file} has {len(tokens)} tokens, the model has vocab_size "
            f"{config.model.vocab_size}. Set --vocab_size={len(tokens)} or give the right file."
        )
    return tokens


def _check_vocabulary(
    records: Records, config: PretrainingConfig, tokens: list[str], *, flag: str
) -> None:
    exact = bool(records.vocab_sha256)
    if records.vocab_size > config.model.vocab_size or (
        exact and records.vocab_size != config.model.vocab_size
    ):
        have = "a vocabulary" if exact else "token ids that need a vocabulary"
        raise UserError(
            f"--{flag} was made with {have} of {records.vocab_size}, the model has vocab_size "
            f"{config.model.vocab_size}. Set --vocab_size={records.vocab_size}, or use the records "
            "that belong to this model."
        )
    if tokens and exact and dataset_info.hash_vocabulary(tokens) != records.vocab_sha256:
        raise UserError(
            f"{config.vocab_file} is not the vocabulary that --{flag} was made with (its hash "
            "differs). Give the file that create_data.py was given."
        )


def _check_segments(records: Records, config: PretrainingConfig, *, flag: str) -> None:
    num_types = config.model.type_vocab_size
    if records.largest_segment >= num_types:
        raise UserError(
            f"--{flag} has segment ids up to {records.largest_segment}, the model has "
            f"type_vocab_size {num_types}. Set --type_vocab_size={records.largest_segment + 1}, or "
            "use records of single segments."
        )


def _check_masked(records: Records, config: PretrainingConfig, *, flag: str) -> None:
    draws_masks = "train" in flag and config.dynamic_masking != "off"
    if records.num_masked == 0 and not draws_masks:
        first, *others = records.paths
        files = f"{first} and {len(others):,} more" if others else first
        raise UserError(
            f"--{flag}: none of the {records.num_records:,} records of {files} has a masked token "
            "(all masked_lm_weights are 0), so there is no loss to compute. Use records with masks"
            + (", or --dynamic_masking." if "train" in flag else ".")
        )


def _note_many_readings(records: Records, report: Report, *, flag: str) -> None:
    """Says so if a compressed file is so large that reading it in parts may hold up a run."""
    largest = max(records.blocks, key=lambda block: block.num_records)
    times = -(-largest.num_records // records.layout.rows_held)
    if records.layout.compression and times > MAX_READINGS:
        report(
            f"note: --{flag}: {largest.path} is unpacked about {times:,} times an epoch, as only "
            f"{BLOCK_BYTES >> 20} MB of its records are held at a time. Unpack such files for "
            "faster reading, or make smaller ones."
        )


def _check_held_out_apart(opened: Mapping[str, Records]) -> None:
    paths = {flag: {block.path for block in records.blocks} for flag, records in opened.items()}
    for train_flag, eval_flag in itertools.product(
        (flag for flag in paths if "train" in flag), (flag for flag in paths if "eval" in flag)
    ):
        shared = sorted(paths[train_flag] & paths[eval_flag])
        if shared:
            raise UserError(
                f"{shared[0]} is in --{train_flag} and in --{eval_flag}. What is evaluated on must "
                "not be trained on; narrow one of the globs."
            )


def _check_one_objective(opened: Mapping[str, Records]) -> None:
    objectives = {flag: records.sentence_objective for flag, records in opened.items()}
    known = {flag: objective for flag, objective in objectives.items() if objective}
    if len(set(known.values())) > 1:
        listed = ", ".join(f"--{flag}: {objective}" for flag, objective in known.items())
        raise UserError(
            f"the records differ in what their sentence labels mean ({listed}). Use records of "
            "one --sentence_objective."
        )
