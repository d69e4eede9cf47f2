"""The record files of a run: to train and to evaluate on, for each length that its plan needs."""

import dataclasses
import itertools
import os
from collections.abc import Iterator, Mapping
from typing import Any

from mslt_tf import dataset_info
from mslt_tf.config import PretrainingConfig
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, vocabulary_file
from mslt_tf.records import record_files
from mslt_tf.records.dynamic_masking import Masking, make_masking
from mslt_tf.records.record_facts import BLOCK_BYTES
from mslt_tf.records.record_files import Records, Report
from mslt_tf.stage_plan import Stage

VOCABULARY = "vocabulary"  # the name of its hash in `RecordSets.settings`
MAX_READINGS = 8  # of a compressed file in an epoch; more are noted


@dataclasses.dataclass(frozen=True)
class _LengthFlags:
    """The names of the flags for the records of one length."""

    train: str
    held_out: str
    seq_length: str
    max_predictions: str


_SHORT = _LengthFlags("train_records", "eval_records", "max_seq_length", "max_predictions_per_seq")
_LONG = _LengthFlags(
    "long_train_records", "long_eval_records", "long_seq_length", "long_max_predictions_per_seq"
)


@dataclasses.dataclass(frozen=True)
class _Source:
    """What one flag names, and what it is for."""

    flag: str
    patterns: tuple[str, ...]  # paths and globs
    flags: _LengthFlags  # all of its length
    stage: Stage  # the first that uses it
    is_for_training: bool


@dataclasses.dataclass(frozen=True)
class RecordSets:
    """Records by the sequence length of the stages that use them."""

    train: Mapping[int, Records]
    held_out: Mapping[int, Records]  # lacks the lengths that are not evaluated
    masking: Masking | None  # of the records to train on; None: as stored
    vocabulary: tuple[str, ...]  # of --vocab_file; empty without
    vocabulary_sha256: str  # "" without

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
        """Describes vocabulary and evaluation records; a run may go on with others."""
        of_records = (records.vocab_sha256 for records in self.train.values())
        vocabulary = self.vocabulary_sha256 or next(filter(None, of_records), "")
        return {VOCABULARY: vocabulary} | {
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
        UserError: files are missing or damaged, or do not fit plan, vocabulary or each other.
    """
    _check_all_named(config)
    vocabulary: list[str] = []
    if config.vocab_file:
        vocabulary = vocabulary_file.read(config.vocab_file, vocab_size=config.model.vocab_size)
    opened: dict[_Source, Records] = {}
    for source in _sources(config):
        opened[source] = _open(config, source, report, keeps_facts)
        _check_length(opened[source], source)
        _check_vocabulary(opened[source], config, vocabulary, flag=source.flag)
        _check_text_case(opened[source], config, flag=source.flag)
        _check_segments(opened[source], config, flag=source.flag)
        _check_masked(opened[source], config, source)
        if source.is_for_training:
            _note_many_readings(opened[source], report, flag=source.flag)
    _check_held_out_apart(opened)
    _check_one_objective(opened)
    by_flag = {source.flag: records for source, records in opened.items()}
    train, held_out = {}, {}
    for flags, stage in _lengths(config):
        train[stage.seq_length] = by_flag[flags.train]
        evaluated = by_flag.get(flags.held_out) or by_flag.get(_SHORT.held_out)
        if evaluated:
            held_out[stage.seq_length] = evaluated
    return RecordSets(
        train,
        held_out,
        masking=make_masking(config.dynamic_masking, vocabulary),
        vocabulary=tuple(vocabulary),
        vocabulary_sha256=dataset_info.hash_vocabulary(vocabulary) if vocabulary else "",
    )


def _lengths(config: PretrainingConfig) -> list[tuple[_LengthFlags, Stage]]:
    """Returns the first stage of each length, and the flags that its records have."""
    stages: dict[int, Stage] = {}
    for stage in config.plan.stages:
        stages.setdefault(stage.seq_length, stage)
    short = config.short_seq_length
    return [(_SHORT if length == short else _LONG, stage) for length, stage in stages.items()]


def _sources(config: PretrainingConfig) -> Iterator[_Source]:
    """Yields what is to be opened."""
    for flags, stage in _lengths(config):
        for flag, is_for_training in ((flags.train, True), (flags.held_out, False)):
            if patterns := getattr(config, flag):
                yield _Source(flag, patterns, flags, stage, is_for_training)


def _check_all_named(config: PretrainingConfig) -> None:
    lengths = _lengths(config)
    for flags, stage in lengths:
        if not getattr(config, flags.train):
            raise UserError(
                f"--{flags.train} is not set; stage {stage.name} needs records of "
                f"{stage.seq_length} tokens. Name TFRecord files, e.g. data/train-*."
            )
    has_long = any(flags == _LONG for flags, _ in lengths)
    if not has_long and (config.long_train_records or config.long_eval_records):
        raise UserError(
            "long records are given, but no stage is long. Set --long_seq_length, or leave "
            "--long_train_records and --long_eval_records out."
        )


def _open(config: PretrainingConfig, source: _Source, report: Report, keeps_facts: bool) -> Records:
    with file_errors.naming(f"--{source.flag} cannot be read", ""):
        return record_files.open_records(
            source.patterns,
            cache_path=os.path.join(config.output_dir, f"{source.flag}_facts.json"),
            report=report,
            keeps_facts=keeps_facts,
        )


def _check_length(records: Records, source: _Source) -> None:
    layout, stage, flags = records.layout, source.stage, source.flags
    wanted = (stage.seq_length, stage.max_predictions_per_seq)
    if wanted != (layout.max_seq_length, layout.max_predictions_per_seq):
        raise UserError(
            f"--{source.flag} has records of {layout.max_seq_length} tokens and "
            f"{layout.max_predictions_per_seq} predictions, stage {stage.name} needs "
            f"{wanted[0]} and {wanted[1]}. Set --{flags.seq_length} and --{flags.max_predictions} "
            "to the records' values, or create other records."
        )


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


def _check_text_case(records: Records, config: PretrainingConfig, *, flag: str) -> None:
    if records.text_case not in ("", str(config.text_case)):
        raise UserError(
            f"--{flag} was made with {records.text_case}, but this run is told "
            f"{config.text_case}, which its export would say too. Give {records.text_case}."
        )


def _check_segments(records: Records, config: PretrainingConfig, *, flag: str) -> None:
    num_types = config.model.type_vocab_size
    if records.largest_segment >= num_types:
        raise UserError(
            f"--{flag} has segment ids up to {records.largest_segment}, the model has "
            f"type_vocab_size {num_types}. Set --type_vocab_size={records.largest_segment + 1}, or "
            "use records of single segments."
        )


def _check_masked(records: Records, config: PretrainingConfig, source: _Source) -> None:
    draws_masks = source.is_for_training and config.dynamic_masking != "off"
    if records.num_masked == 0 and not draws_masks:
        first, *others = records.paths
        files = f"{first} and {len(others):,} more" if others else first
        raise UserError(
            f"--{source.flag}: none of the {records.num_records:,} records of {files} has a masked "
            "token (all masked_lm_weights are 0), so there is no loss to compute. Use records with "
            "masks" + (", or --dynamic_masking." if source.is_for_training else ".")
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


def _check_held_out_apart(opened: Mapping[_Source, Records]) -> None:
    for train, held_out in itertools.permutations(opened, 2):
        if train.is_for_training and not held_out.is_for_training:
            _check_no_file_in_both(train, held_out, opened)


def _check_no_file_in_both(
    train: _Source, held_out: _Source, opened: Mapping[_Source, Records]
) -> None:
    ours, theirs = opened[train], opened[held_out]
    paths = {block.path for block in ours.blocks} & {block.path for block in theirs.blocks}
    if paths:
        raise UserError(
            f"{min(paths)} is in --{train.flag} and in --{held_out.flag}. What is evaluated on "
            "must not be trained on; narrow one of the globs."
        )
    # A link, a copy, or one path in two spellings.
    if same := ours.identity.file_in_both(theirs.identity):
        trained, evaluated = same
        raise UserError(
            f"{evaluated} of --{held_out.flag} has the same records as {trained} of "
            f"--{train.flag}. What is evaluated on must not be trained on; name other records."
        )


def _check_one_objective(opened: Mapping[_Source, Records]) -> None:
    objectives = {source.flag: records.sentence_objective for source, records in opened.items()}
    known = {flag: objective for flag, objective in objectives.items() if objective}
    if len(set(known.values())) > 1:
        listed = ", ".join(f"--{flag}: {objective}" for flag, objective in known.items())
        raise UserError(
            f"the records differ in what their sentence labels mean ({listed}). Use records of "
            "one --sentence_objective."
        )
