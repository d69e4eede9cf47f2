"""Which TFRecord files there are, and what is in them.

Facts come from `dataset_info.json` beside the shards. Records that others made have none: then
the files are read once, with progress, and what was found is kept in the run's folder.
"""

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from mslt_tf import dataset_info
from mslt_tf.dataset_info import DatasetInfo, Shard
from mslt_tf.errors import UserError
from mslt_tf.records import parallel_scan, record_facts, record_paths
from mslt_tf.records.record_facts import Block, FileFacts, Layout
from mslt_tf.records.record_identity import Identity

Report = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Records:
    """Files of equal layout, as blocks that can be read on their own."""

    blocks: tuple[Block, ...]
    layout: Layout
    vocab_size: int  # of the vocabulary, or the largest token id + 1 if that is all we know
    vocab_sha256: str  # "" if unknown
    largest_segment: int  # id
    num_masked: int | None  # tokens to predict; None: not counted in all files
    sentence_objective: str  # "nsp", "sop" or "" if unknown
    text_case: str  # flags, see `text_case.TextCase`; "" if unknown
    identity: Identity
    length_histogram: tuple[int, ...] = ()
    """Records of 1 to 32 tokens, 33 to 64 and so on; empty where it is not known of all files."""

    @property
    def num_records(self) -> int:
        """How many records all blocks hold."""
        return sum(block.num_records for block in self.blocks)

    @property
    def paths(self) -> tuple[str, ...]:
        """The files, each once."""
        return tuple(dict.fromkeys(block.path for block in self.blocks))


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
    paths = record_paths.find(patterns)
    infos = {folder: _read_info(folder) for folder in sorted({os.path.dirname(p) for p in paths})}
    described = _describe(paths, infos)
    scan = functools.partial(
        parallel_scan.scan_files, cache_path=cache_path, report=report, keeps_facts=keeps_facts
    )
    facts = described | _scan(paths, described, scan)
    facts = {path: facts[path] for path in paths}
    _check_one_layout(facts)
    written = [info for info in infos.values() if info is not None]
    # Files that are not described may have been made with anything.
    known = written if len(described) == len(paths) else []
    sources = {path: infos[os.path.dirname(path)].source_sha256 for path in described}
    num_masked = [found.num_masked for found in facts.values()]
    return Records(
        blocks=tuple(block for found in facts.values() for block in found.blocks),
        layout=facts[paths[0]].layout,
        vocab_size=max(found.vocab_size for found in facts.values()),
        vocab_sha256=_common("vocab_sha256", known, patterns),
        largest_segment=max(found.largest_segment for found in facts.values()),
        num_masked=None if None in num_masked else sum(num_masked),
        sentence_objective=_common("sentence_objective", written, patterns),
        text_case=_common("text_case", written, patterns),
        identity=Identity.of(
            facts, sources=sources, legacy_sources=[info.source_sha256 for info in known]
        ),
        length_histogram=_length_histogram(paths, infos),
    )


def _length_histogram(
    paths: Sequence[str], infos: Mapping[str, DatasetInfo | None]
) -> tuple[int, ...]:
    """Returns the sum of the histograms of splits that are there whole; () if that is not all."""
    left, histograms = set(paths), []
    for folder, info in infos.items():
        for split, shards in info.splits.items() if info else ():
            of_split = {os.path.join(folder, shard.name) for shard in shards}
            if of_split <= left:
                left -= of_split
                histograms.append(info.length_histogram(split))
    if left or not all(histograms):
        return ()
    return tuple(map(sum, zip(*histograms, strict=True)))


def _check_one_layout(facts: Mapping[str, FileFacts]) -> None:
    first, *others = facts
    expected = facts[first].layout
    for path in others:
        layout = facts[path].layout
        if layout != expected:
            raise UserError(
                f"{path} has {layout.in_words(unlike=expected)}, but {first} has "
                f"{expected.in_words(unlike=layout)}. All files of one set must have the same "
                "layout; select fewer."
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


def _read_info(folder: str) -> DatasetInfo | None:
    path = os.path.join(folder, dataset_info.FILE_NAME)
    if not tf.io.gfile.exists(path):
        return None
    with tf.io.gfile.GFile(path, "rb") as file:
        return DatasetInfo.from_json(file.read(), path=path)


def _describe(
    paths: Sequence[str], infos: Mapping[str, DatasetInfo | None]
) -> dict[str, FileFacts]:
    """Returns the facts of the files that the info of their folder describes."""
    shards = {
        os.path.join(folder, shard.name): (shard, info)
        for folder, info in infos.items()
        if info is not None
        for of_split in info.splits.values()
        for shard in of_split
    }
    return {path: _facts_from_info(path, *shards[path]) for path in paths if path in shards}


def _facts_from_info(path: str, shard: Shard, info: DatasetInfo) -> FileFacts:
    num_bytes = tf.io.gfile.stat(path).length
    if num_bytes != shard.num_bytes:
        raise UserError(
            f"{path} has {num_bytes} bytes, {dataset_info.FILE_NAME} says {shard.num_bytes}: it is "
            "truncated or was replaced. Copy it again or create the records anew."
        )
    return FileFacts(
        layout=Layout(
            info.max_seq_length, info.max_predictions_per_seq, info.feature_names, info.compression
        ),
        blocks=(Block(path=path, byte_offset=0, num_records=shard.num_records),),
        vocab_size=info.vocab_size,
        largest_segment=1,
        num_masked=None,
        checksum=shard.checksum,
    )


def _scan(
    paths: Sequence[str],
    described: Mapping[str, FileFacts],
    scan: Callable[[Sequence[str]], dict[str, FileFacts]],
) -> dict[str, FileFacts]:
    """Reads the files that are not described, and those too large to be held as one block."""
    large = {path for path, facts in described.items() if _is_to_be_cut(path, facts.layout)}
    found = scan([path for path in paths if path not in described or path in large])
    for path in large:
        expected = described[path]
        if (found[path].num_records, expected.checksum and found[path].checksum) != (
            expected.num_records,
            expected.checksum,
        ):
            raise UserError(
                f"{path} holds other records than {dataset_info.FILE_NAME} says: it was replaced. "
                "Copy it again or create the records anew."
            )
        found[path] = dataclasses.replace(
            expected, blocks=found[path].blocks, checksum=found[path].checksum
        )
    return found


def _is_to_be_cut(path: str, layout: Layout) -> bool:
    is_large = tf.io.gfile.stat(path).length > 2 * record_facts.BLOCK_BYTES
    return is_large and not layout.compression
