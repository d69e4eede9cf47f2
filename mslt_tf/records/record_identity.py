"""Which data a run reads, by content: what a checkpoint keeps of it, and how two of them differ.

A file is known by its number of records and their checksum, so a renamed or a compressed copy is
the same data. Only in folders that were made before there were checksums is it known by its name
and by what `dataset_info.json` says of its source.
"""

import collections
import dataclasses
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from mslt_tf import json_values
from mslt_tf.dataset_info import FILE_NAME
from mslt_tf.records.record_facts import FileFacts

MAX_NAMED = 5  # files in a message
_CHECKSUM, _SOURCE = "crc32:", "source:"  # what a file's content is known by


@dataclasses.dataclass(frozen=True)
class FileIdentity:
    """A file of records."""

    name: str  # without folder
    num_records: int
    content: str  # equal for equal records

    @classmethod
    def of(cls, path: str, facts: FileFacts, *, source: str) -> Self:
        """Returns what is known of a file; `source` is source_sha256 of its folder, if known."""
        name = os.path.basename(path)
        if facts.checksum:
            return cls(name, facts.num_records, _CHECKSUM + facts.checksum)
        return cls(name, facts.num_records, _SOURCE + _sha256(f"{source} {name}")[:16])

    def in_words(self) -> str:
        """Returns name and number of records."""
        return f"{self.name} ({self.num_records:,} records)"


@dataclasses.dataclass(frozen=True)
class Identity:
    """The files of a set, as their paths sort."""

    files: tuple[FileIdentity, ...]
    order: str  # fingerprint of what decides, beside the seed, in which order records come
    legacy_fingerprint: str = ""  # the only thing that checkpoints from before this class hold

    @classmethod
    def of(
        cls,
        facts: Mapping[str, FileFacts],
        *,
        sources: Mapping[str, str],
        legacy_sources: Sequence[str],
    ) -> Self:
        """Returns the identity of files.

        Args:
            facts: of each file by path, as they sort.
            sources: source_sha256 of the described files by path.
            legacy_sources: that of their folders; none if any file is not described.
        """
        files = tuple(
            FileIdentity.of(path, found, source=sources.get(path, ""))
            for path, found in facts.items()
        )
        sizes = [[block.num_records for block in found.blocks] for found in facts.values()]
        order = [[file.content, *of_file] for file, of_file in zip(files, sizes, strict=True)]
        fingerprint = _legacy_fingerprint(files, legacy_sources)
        return cls(files, _sha256(json.dumps(order))[:16], fingerprint)

    def in_words(self) -> str:
        """Returns what tells these files from others in a few words, whatever their order."""
        data = sorted((file.num_records, file.content) for file in self.files)
        num_records = sum(file.num_records for file in self.files)
        digest = zlib.crc32(json.dumps(data).encode())
        files = "1 file" if len(data) == 1 else f"{len(data):,} files"
        return f"{num_records:,} records in {files} ({digest:08x})"

    def file_in_both(self, other: "Identity") -> tuple[str, str] | None:
        """Returns the names, here and there, of the first file that another set has, too.

        A file that is known by its source alone equals no other.
        """
        names = {(file.content, file.num_records): file.name for file in self.files}
        for file in other.files:
            name = names.get((file.content, file.num_records))
            if name and file.content.startswith(_CHECKSUM):
                return name, file.name
        return None

    def differences(self, new: "Identity") -> list[str]:
        """Returns in words what another set has in place of the files of this one."""
        added = collections.defaultdict(list)
        for file in _missing(new.files, self.files):
            added[file.name].append(file)
        words = []
        for file in _missing(self.files, new.files):
            same_name = added[file.name]
            words.append(
                _change(file, same_name.pop())
                if same_name
                else f"{file.in_words()} is not there any more"
            )
        return words + [f"{file.in_words()} is new" for files in added.values() for file in files]


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Compares the training data of two runs.

    Args:
        old: of the checkpoint, as JSON by length: an `Identity`, or its legacy fingerprint.
        new: of the run, `Identity` as JSON by length.

    Returns:
        (differences, notes): why it is not the same data; what is to be said if it is.
    """
    differences, notes = [], []
    for length in sorted(old.keys() | new.keys(), key=int):
        subject = f"records of {length} tokens"
        if length not in old or length not in new:
            there, here = ("some" if length in side else "none" for side in (old, new))
            differences.append(f"{subject}: {there} there, {here} now")
            continue
        now = json_values.parse(Identity, new[length])
        words = _difference(old[length], now)
        if words:
            differences.append(f"{subject}: {words}")
        elif _is_reordered(old[length], now):
            notes.append(
                f"note: the {subject} are the same, but their files have other names or are "
                "packed otherwise, so they come in another order from here on; some of the "
                "present epoch may come twice or not at all"
            )
    return differences, notes


def _difference(old: Any, new: Identity) -> str:
    """Returns in words how data differ from those of a checkpoint; "" if they do not."""
    if isinstance(old, str):
        is_same = old == new.legacy_fingerprint
        return "" if is_same else "other files, or other numbers of records in them"
    try:
        words = json_values.parse(Identity, old).differences(new)
    except json_values.JsonValueError:
        return "described in a way that this program does not know"
    more = [f"and {len(words) - MAX_NAMED:,} more"] if len(words) > MAX_NAMED else []
    return ", ".join(words[:MAX_NAMED] + more)


def _is_reordered(old: Any, new: Identity) -> bool:
    return not isinstance(old, str) and json_values.parse(Identity, old).order != new.order


def _missing(
    files: Sequence[FileIdentity], others: Sequence[FileIdentity]
) -> Iterator[FileIdentity]:
    """Yields those of `files` whose content is not, or not as often, among `others`."""
    left = collections.Counter((file.num_records, file.content) for file in others)
    named_alike = set(others)  # so that, of equal files, the right one is named
    for file in sorted(files, key=lambda file: file not in named_alike):
        if left[file.num_records, file.content]:
            left[file.num_records, file.content] -= 1
        else:
            yield file


def _change(old: FileIdentity, new: FileIdentity) -> str:
    if old.num_records != new.num_records:
        return f"{old.name} has {new.num_records:,} records instead of {old.num_records:,}"
    if old.content.partition(":")[0] != new.content.partition(":")[0]:
        return f"{old.in_words()} cannot be compared without the {FILE_NAME} that it had"
    return f"{old.name} has other content ({old.num_records:,} records)"


def _legacy_fingerprint(files: Sequence[FileIdentity], sources: Sequence[str]) -> str:
    counts: collections.Counter[str] = collections.Counter()
    for file in files:
        counts[file.name] += file.num_records
    return _sha256(json.dumps([sorted(sources), sorted(counts.items())]))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
