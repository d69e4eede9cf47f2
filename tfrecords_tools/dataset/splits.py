"""Divides documents into train and held-out ones, and their pairs into portions of work."""

import dataclasses
import itertools

import numpy as np
import numpy.typing as npt

from mslt_tf.errors import UserError
from tfrecords_tools.dataset import repeated_documents
from tfrecords_tools.dataset.repeated_documents import Repeats
from tfrecords_tools.recipe import document_split
from tfrecords_tools.recipe.corpus import Corpus
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings

TRAIN, HELDOUT = "train", "heldout"
PAIRS_PER_PORTION = 200_000  # about; 7 MB in memory, some seconds of work
RECORDS_PER_SHARD = 200_000  # where the number of shards is not given; but
LEAST_SHARDS = 8  # of those, for the sake of several readers
MAX_PORTIONS = 200  # of a split: each is a file that all writers have open


@dataclasses.dataclass(frozen=True)
class Split:
    """The documents of one split."""

    name: str
    documents: npt.NDArray[np.int64]  # [documents] indices into the corpus, ascending
    num_passes: int  # over them


def make_splits(
    corpus: Corpus, settings: DatasetSettings, *, repeats: Repeats | None = None
) -> list[Split]:
    """Returns the train split and, if asked for, the held-out one; alike for all recipes.

    Equal documents are in one split, or the first of them alone if the others are dropped. The
    same ones are held out either way.

    Args:
        corpus: all documents.
        settings: which of them to hold out.
        repeats: which of them repeat an earlier one; None: none does.

    Raises:
        UserError: there are too few documents.
    """
    recipe = settings.recipes[0]
    if repeats is None or not (settings.heldout_fraction or settings.drop_duplicates):
        repeats = repeated_documents.NONE
    different = np.delete(np.arange(corpus.num_documents), repeats[:, 0])
    num_repeats = np.bincount(repeats[:, 1], minlength=corpus.num_documents)[different]
    train, heldout = document_split.split_documents(
        len(different),
        heldout_fraction=settings.heldout_fraction,
        seed=recipe.random_seed,
        sentence_objective=recipe.sentence_objective,
        num_repeats=num_repeats,
    )
    train, heldout = different[train], different[heldout]
    if not settings.drop_duplicates and len(repeats):
        is_heldout = np.isin(repeats[:, 1], heldout)
        train = np.sort(np.concatenate([train, repeats[~is_heldout, 0]]))
        heldout = np.sort(np.concatenate([heldout, repeats[is_heldout, 0]]))
    splits = [Split(TRAIN, train, recipe.dupe_factor)]
    if len(heldout):
        # One pass: more would only measure the same sentences again.
        splits.append(Split(HELDOUT, heldout, 1))
    return splits


def portions(corpus: Corpus, split: Split, recipe: Recipe) -> list[tuple[int, int]]:
    """Returns ranges of the split's documents, (begin, end), that make about equally many pairs.

    They depend on the corpus and the recipe alone, never on who does the work.
    """
    token_starts = corpus.sentence_starts[corpus.document_starts]  # [documents + 1]
    ends = np.cumsum(np.diff(token_starts)[split.documents])  # [split documents], in tokens
    num_pairs = int(ends[-1]) * split.num_passes / recipe.max_seq_length
    num_portions = int(min(max(1, num_pairs // PAIRS_PER_PORTION), MAX_PORTIONS))
    targets = ends[-1] * np.arange(1, num_portions) // num_portions
    cuts = np.unique(np.searchsorted(ends, targets, side="right"))
    edges = [0, *(int(cut) for cut in cuts if 0 < cut < len(ends)), len(ends)]
    return list(itertools.pairwise(edges))


def num_shards(settings: DatasetSettings, split: Split, num_records: int) -> int:
    """Returns how many files the records of a split make.

    Raises:
        UserError: there are no records, or fewer than the shards that are asked for.
    """
    if not num_records:
        raise UserError(
            f"The {split.name} split has no sentence pair: each of its {len(split.documents)} "
            "document(s) is a single token, and a pair takes two. Give longer documents, or choose "
            "others for the split by another --heldout_fraction or --random_seed."
        )
    if split.name != TRAIN:
        return 1
    if settings.num_shards > num_records:
        raise UserError(
            f"--num_shards is {settings.num_shards}, but there are only {num_records} train "
            f"records; no shard may be empty. Set --num_shards={num_records} or less, or give "
            "more text."
        )
    automatic = max(LEAST_SHARDS, -(-num_records // RECORDS_PER_SHARD))
    return settings.num_shards or min(automatic, num_records)
