"""How the work of a Beam pipeline is divided; from facts about the whole text, which come first."""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

from mslt_tf import json_values
from mslt_tf.errors import UserError
from tfrecords_tools.dataset import token_store
from tfrecords_tools.dataset.splits import HELDOUT, LEAST_SHARDS, RECORDS_PER_SHARD, TRAIN
from tfrecords_tools.dataset.token_store import StoreFacts
from tfrecords_tools.recipe.document_split import least_documents
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import MAX_SHARDS, DatasetSettings
from tfrecords_tools.text.read_report import ReadReport

TOKENS_PER_GROUP = 1 << 22  # about 16 MB of text, of which a worker makes pairs in its memory
DOCUMENTS_PER_GROUP = 64  # at least: partners to choose from; and no group of 1 in 10^25
_RECORDS_PER_SMALL_SHARD = 64  # at least, where the number is not given: none gets empty

PieceFacts = tuple[int, dict[str, Any]]  # piece, what there is to know of it


@dataclasses.dataclass(frozen=True)
class Job:
    """What every worker knows. The vocabulary goes along: only one machine may have its file."""

    settings: DatasetSettings
    recipes: tuple[Recipe, ...]  # of `settings`, those whose records are not there yet
    recorded: tuple[dict[str, Any], ...]  # settings of each recipe, for its `dataset_info.json`
    vocabulary: tuple[str, ...]
    vocab_sha256: str
    listed: ReadReport = dataclasses.field(default_factory=ReadReport)  # what was left out of them
    tokens_per_group: int = TOKENS_PER_GROUP

    @property
    def seed(self) -> int:
        """The seed, one for all recipes."""
        return self.recipes[0].random_seed

    @property
    def passes(self) -> dict[str, int]:
        """How often to go over the documents of each split, as `splits.make_splits`."""
        train = {TRAIN: self.recipes[0].dupe_factor}
        return train | ({HELDOUT: 1} if self.settings.heldout_fraction else {})


@dataclasses.dataclass(frozen=True)
class Plan:
    """How the work is divided; it follows from the whole text, and from nothing else."""

    num_groups: dict[str, int]  # by split
    num_shards: dict[tuple[int, str], int]  # by (recipe, split)


def hash_of(*names: object) -> int:
    """Returns 64 bits that look random, the same on every machine."""
    digest = hashlib.blake2b("/".join(map(str, names)).encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "big")


def make_plan(found: Sequence[PieceFacts], *, job: Job) -> Plan:
    """Divides the documents into groups, and the records into shards.

    Raises:
        UserError: there are too few documents.
    """
    total = sum_facts(found)
    if not total.num_documents:
        raise UserError(
            f"the input holds no text: {total.num_empty_documents} document(s), none with a word "
            "in it. Give text files with some text in them."
        )
    num_groups, num_shards = {}, {}
    for split, num_passes in job.passes.items():
        documents = sum(facts["documents"][split] for _, facts in found)
        tokens = sum(facts["tokens"][split] for _, facts in found)
        _check_documents(split, documents, total.num_documents, job)
        groups = min(tokens // job.tokens_per_group, documents // DOCUMENTS_PER_GROUP)
        num_groups[split] = max(1, groups)
        for index, recipe in enumerate(job.recipes):
            num_records = tokens * num_passes // recipe.max_seq_length  # about
            num_shards[index, split] = _num_shards(split, num_records, job.settings)
    return Plan(num_groups, num_shards)


def _check_documents(split: str, documents: int, total: int, job: Job) -> None:
    least, reason = least_documents(job.recipes[0].sentence_objective)
    if documents < least:
        raise UserError(
            f"{documents} of the input's {total} document(s) with text fell to the {split} split; "
            f"it takes at least {least}, because {reason}. Give more documents, or another "
            "--heldout_fraction (0: no held-out ones) or --random_seed."
        )


def _num_shards(split: str, num_records: int, settings: DatasetSettings) -> int:
    if split == TRAIN and settings.num_shards:
        return settings.num_shards
    wanted = max(LEAST_SHARDS if split == TRAIN else 1, -(-num_records // RECORDS_PER_SHARD))
    return max(1, min(wanted, num_records // _RECORDS_PER_SMALL_SHARD, MAX_SHARDS))


def sum_facts(found: Sequence[PieceFacts]) -> StoreFacts:
    """Returns the facts of all pieces, which come in any order."""
    in_order = sorted(found, key=_piece_of)
    parts = [json_values.parse(StoreFacts, of_piece["facts"]) for _, of_piece in in_order]
    return token_store.sum_facts(parts)


def sum_reports(found: Sequence[PieceFacts]) -> ReadReport:
    """Returns what was left out of all pieces, which come in any order."""
    total = ReadReport()
    for _, of_piece in sorted(found, key=_piece_of):
        total.add(ReadReport(**of_piece["report"]))
    return total


def _piece_of(found: PieceFacts) -> int:
    return found[0]
