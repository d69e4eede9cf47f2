"""What `dataset_info.json` says about a folder of pretraining records.

The record creator writes it last, beside the shards, so its presence also means "complete".
For records that others made, the reader fills the same value by reading the files once.
"""

import dataclasses
import hashlib
import itertools
import json
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from mslt_tf import json_values
from mslt_tf.errors import UserError
from mslt_tf.pretraining_example import FeatureNames, SentenceObjective
from mslt_tf.text_case import TextCase

FILE_NAME = "dataset_info.json"
FORMAT_VERSION = 1
LENGTH_HISTOGRAM = "length_histogram"  # in the statistics of a split
HISTOGRAM_STEP = 32  # tokens

Compression = Literal["", "GZIP"]

# "" = unknown: records of other programs, or from before there was a choice.
StoredObjective = SentenceObjective | Literal[""]

_pack_length = struct.Struct("<Q").pack


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file."""

    name: str  # file name inside the data set's folder
    num_records: int
    num_bytes: int  # size on disk; tells a truncated file before it is read
    checksum: str = ""  # of the records, see `extend_checksum`; "" in folders made before it


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """The facts a reader needs, and the statistics a person wants."""

    max_seq_length: int
    max_predictions_per_seq: int
    vocab_size: int
    vocab_sha256: str  # of the vocabulary's tokens, see `hash_vocabulary`; "" if unknown
    source_sha256: str  # fingerprint of documents, recipe and seed; "" if unknown
    splits: Mapping[str, tuple[Shard, ...]]  # "train", "heldout"
    feature_names: FeatureNames = "v1"
    compression: Compression = ""
    sentence_objective: StoredObjective = ""
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    statistics: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def text_case(self) -> str:
        """The flags that say what was done to letters; "" if unknown."""
        do_lower_case, strip_accents = map(self.settings.get, ("do_lower_case", "strip_accents"))
        if not isinstance(do_lower_case, bool) or not isinstance(strip_accents, bool | None):
            return ""
        return str(TextCase.of(do_lower_case, strip_accents))

    def length_histogram(self, split: str) -> tuple[int, ...]:
        """Returns how many records have 1 to 32 tokens, 33 to 64 and so on; () if unknown."""
        try:
            of_split = json_values.parse(dict[str, Any], self.statistics.get(split, {}))
            found = json_values.parse(tuple[int, ...], of_split.get(LENGTH_HISTOGRAM, []))
        except json_values.JsonValueError:  # statistics are for people, and may be anything
            return ()
        num_records = sum(shard.num_records for shard in self.splits[split])
        is_whole = len(found) == -(-self.max_seq_length // HISTOGRAM_STEP)
        return found if is_whole and min(found) >= 0 and sum(found) == num_records else ()

    def to_json(self) -> str:
        """Returns the text of `dataset_info.json`."""
        content = {"format_version": FORMAT_VERSION, **dataclasses.asdict(self)}
        return json.dumps(content, indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, *, path: str) -> "DatasetInfo":
        """Parses `dataset_info.json`; `path` is only for messages.

        Raises:
            UserError: the text is no JSON, of another format version, lacks or adds a field, has a
                value of another type, or names an objective that there is not.
        """
        try:
            content = json_values.parse(dict[str, Any], json_values.loads(text))
            version = json_values.parse(
                int, content.pop("format_version", None), name="format_version"
            )
            if version == FORMAT_VERSION:
                _check_objective(content, path)
                return json_values.parse(cls, content)
        except json_values.JsonValueError as error:
            raise UserError(
                f"{path} is not a valid {FILE_NAME}: {error}. Create the records anew, or remove "
                "the file to have its facts read off the shards."
            ) from error
        raise UserError(
            f"{path} has format_version {version}, this program reads {FORMAT_VERSION}. Create "
            "the records anew, or remove the file to have them read off the shards."
        )


def _check_objective(content: Mapping[str, Any], path: str) -> None:
    objective, objectives = content.get("sentence_objective", ""), get_args(SentenceObjective)
    if objective not in ("", *objectives):
        raise UserError(
            f"{path} has sentence_objective {objective!r}; it must be {' or '.join(objectives)}, "
            "or empty if unknown. Create the records anew, or correct the file."
        )


def extend_checksum(checksum: str, records: Sequence[bytes]) -> str:
    """Returns the checksum of a file's records when `records` follow those that `checksum` is of.

    It is the CRC-32, as eight hexadecimal digits, of each record's length in eight bytes, the
    lowest first, and the record. So it is the same for a renamed or a compressed copy of a file.

    Args:
        checksum: of the records before; "" at the beginning.
        records: at least one.

    >>> extend_checksum(extend_checksum("", [b"one"]), [b"two"])
    '7895dffc'
    """
    lengths = map(_pack_length, map(len, records))
    content = b"".join(itertools.chain.from_iterable(zip(lengths, records, strict=True)))
    return f"{zlib.crc32(content, int(checksum or '0', 16)):08x}"


def hash_vocabulary(tokens: Iterable[str]) -> str:
    """Returns the SHA-256 of the tokens in order, one a line, whatever the file's line ends.

    >>> hash_vocabulary(["[PAD]", "a"])[:8]
    '51dc5fe5'
    """
    digest = hashlib.sha256()
    for token in tokens:
        digest.update(token.encode("utf-8") + b"\n")
    return digest.hexdigest()
