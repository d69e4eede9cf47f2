"""Which TFRecord files there are, and what is in them.

Facts come from `dataset_info.json` beside the shards. Records that others made have none: then
the files are read once, with progress, and what was found is kept in the run's folder.
"""

import collections
import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from mslt_tf import dataset_info
from mslt_tf.dataset_info import DatasetInfo
from mslt_tf.errors import UserError
from mslt_tf.pretraining import record_scan
from mslt_tf.pretraining.record_scan import Block, FileFacts

Report = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Records:
    """Files of equal layout, as blocks that can be read on their own."""

    blocks: tuple[Block, ...]
    layout: record_scan.Layout
    vocab_size: int  # of the vocabulary, or the largest token id + 1 if that is all we know
    vocab_sha256: str  # "" if unknown
    sentence_objective: str  # "nsp", "sop" or "" if unknown
    fingerprint: str

    @property
    def num_records(self) -> int:
        """How many records all blocks hold."""
        return sum(block.num_records for block in self.blocks)


def open_records(
    patterns: Sequence[str], *, cache_path: str, report: Report, keeps_facts: bool = True
) -> Records:
    """Finds and describes the record files that match any of `patterns`.

    Args:
        patterns: paths or globs.
        cache_path: file that keeps what was read off files without `dataset_info.json`.
        report: takes lines of progress.
        keeps_facts: whether that file is written, and not only read.

    Raises:
        UserError: nothing matches, a file is damaged, or the files differ in layout.
    """
    paths = _match(patterns)
    infos = {folder: _read_info(folder) for folder in sorted({os.path.dirname(p) for p in paths})}
    facts, foreign = {}, []
    for path in paths:
        described = _facts_from_info(path, infos[os.path.dirname(path)])
        if described is None:
            foreign.append(path)
        else:
            facts[path] = described
    scan = functools.partial(
        record_scan.scan_files, cache_path=cache_path, report=report, keeps_facts=keeps_facts
    )
    facts |= scan(foreign)
    facts |= _cut_large(facts, scan)
    layouts = {path: facts[path].layout for path in paths}
    first = paths[0]
    for path in paths:
        if layouts[path] != layouts[first]:
            raise UserError(
                f"{path} has {layouts[path]}, but {first} has {layouts[first]}. All files of one "
                "set must have the same layout; select fewer."
            )
    written = [info for info in infos.values() if info is not None]
    known = [] if foreign else written
    return Records(
        blocks=tuple(block for path in paths for block in facts[path].blocks),
        layout=layouts[first],
        vocab_size=max(facts[path].vocab_size for path in paths),
        vocab_sha256=_common("vocab_sha256", known, patterns),
        sentence_objective=_common("sentence_objective", written, patterns),
        fingerprint=_fingerprint(paths, facts, known),
    )


def _common(name: str, infos: Sequence[DatasetInfo], patterns: Sequence[str]) -> str:
    """Returns what all folders that know it say of `name`; "" if none does."""
    values = sorted({getattr(info, name) for info in infos} - {""})
    if len(values) > 1:
        raise UserError(
            f"{', '.join(patterns)} holds records of different {name}: {', '.join(values)}. Select "
            "files that were made alike."
        )
    return values[0] if values else ""


def _match(patterns: Sequence[str]) -> list[str]:
    paths: set[str] = set()
    for pattern in patterns:
        if tf.io.gfile.isdir(pattern):
            raise UserError(
                f"{pattern} is a folder. Name the files in it, e.g. "
                f"{os.path.join(pattern, 'train-*.tfrecord')}."
            )
        matches = [path for path in tf.io.gfile.glob(pattern) if not tf.io.gfile.isdir(path)]
        if not matches:
            folder = os.path.dirname(pattern) or "."
            there = "holds no such file" if tf.io.gfile.isdir(folder) else "does not exist"
            raise UserError(
                f"no record file matches {pattern}: folder {folder} {there}. Create records with "
                "tfrecords_tools/create_data.py, or correct the path."
            )
        paths.update(matches)
    return sorted(paths)


def _read_info(folder: str) -> DatasetInfo | None:
    path = os.path.join(folder, dataset_info.FILE_NAME)
    if not tf.io.gfile.exists(path):
        return None
    with tf.io.gfile.GFile(path) as file:
        return DatasetInfo.from_json(file.read(), path=path)


def _facts_from_info(path: str, info: DatasetInfo | None) -> FileFacts | None:
    shards = {} if info is None else {s.name: s for part in info.splits.values() for s in part}
    shard = shards.get(os.path.basename(path))
    if info is None or shard is None:
        return None
    num_bytes = tf.io.gfile.stat(path).length
    if num_bytes != shard.num_bytes:
        raise UserError(
            f"{path} has {num_bytes} bytes, {dataset_info.FILE_NAME} says {shard.num_bytes}: it is "
            "truncated or was replaced. Copy it again or create the records anew."
        )
    layout = record_scan.Layout(
        max_seq_length=info.max_seq_length,
        max_predictions_per_seq=info.max_predictions_per_seq,
        feature_names=info.feature_names,
        compression=info.compression,
    )
    blocks = (Block(path=path, byte_offset=0, num_records=shard.num_records),)
    return FileFacts(layout=layout, vocab_size=info.vocab_size, blocks=blocks)


def _cut_large(
    facts: Mapping[str, FileFacts], scan: Callable[[Sequence[str]], dict[str, FileFacts]]
) -> dict[str, FileFacts]:
    """Cuts described files that are too large to be held as one block, by reading them once."""
    large = [
        path
        for path, found in facts.items()
        if len(found.blocks) == 1
        and not found.layout.compression
        and tf.io.gfile.stat(path).length > 2 * record_scan.BLOCK_BYTES
    ]
    return {
        path: dataclasses.replace(facts[path], blocks=found.blocks)
        for path, found in scan(large).items()
    }


def _fingerprint(
    paths: Sequence[str], facts: dict[str, FileFacts], known: Sequence[DatasetInfo]
) -> str:
    """Identifies the data by content where known, else by file names and record counts."""
    counts: collections.Counter[str] = collections.Counter()
    for path in paths:
        name = os.path.basename(path)
        counts[name] += sum(block.num_records for block in facts[path].blocks)
    content = [sorted(info.source_sha256 for info in known), sorted(counts.items())]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
