"""Divides documents into train and held-out ones, and makes the shuffled pairs of each split."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from mslt_tf.errors import UserError
from tfrecords_tools import recipe
from tfrecords_tools.console import Progress
from tfrecords_tools.settings import DatasetSettings

TRAIN, HELDOUT = "train", "heldout"


@dataclasses.dataclass(frozen=True)
class Split:
    """The records of one split, not yet masked."""

    name: str
    documents: npt.NDArray[np.int64]  # [split documents] indices into the corpus, ascending
    pairs: npt.NDArray[Any]  # recipe.PAIR_DTYPE [records], shuffled; at least one
    num_left_out: int  # single tokens that made no pair, over all passes; sop only
    num_shards: int


def make_splits(tokenized: recipe.Corpus, settings: DatasetSettings) -> list[Split]:
    """Returns the train split and, if asked for, the held-out one; all records in memory.

    Raises:
        UserError: there are too few documents, or too few records for the shards.
    """
    train, heldout = recipe.split_documents(
        tokenized.num_documents,
        heldout_fraction=settings.heldout_fraction,
        seed=settings.recipe.random_seed,
        sentence_objective=settings.recipe.sentence_objective,
    )
    pairs, num_left_out = _shuffled_pairs(
        TRAIN, tokenized, train, settings, settings.recipe.dupe_factor
    )
    if len(pairs) < settings.num_shards:
        raise UserError(
            f"--num_shards is {settings.num_shards}, but there are only {len(pairs)} train "
            f"records; no shard may be empty. Set --num_shards={len(pairs)} or less, or give "
            "more text."
        )
    splits = [Split(TRAIN, train, pairs, num_left_out, settings.num_shards)]
    if len(heldout):
        # One pass: more would only measure the same sentences again.
        pairs, num_left_out = _shuffled_pairs(HELDOUT, tokenized, heldout, settings, 1)
        splits.append(Split(HELDOUT, heldout, pairs, num_left_out, 1))
    return splits


def _shuffled_pairs(
    name: str,
    tokenized: recipe.Corpus,
    documents: npt.NDArray[np.int64],
    settings: DatasetSettings,
    num_passes: int,
) -> tuple[npt.NDArray[Any], int]:
    """Returns a split's pairs, PAIR_DTYPE [records], shuffled over all passes and documents.

    Also returns how many single tokens were left out.
    """
    progress = Progress(
        f"pair {name} sentences", unit="documents", total=len(documents) * num_passes
    )
    made, num_left_out = [], 0
    for of_document in recipe.make_pairs(
        tokenized, documents, recipe=settings.recipe, num_passes=num_passes
    ):
        made.append(of_document.pairs)
        num_left_out += of_document.num_left_out
        progress.advance()
    progress.finish()
    pairs = np.concatenate(made)
    if not len(pairs):
        raise UserError(
            f"The {name} split has no sentence pair: each of its {len(documents)} document(s) is a "
            "single token, and a pair takes two. Give longer documents, or choose others for the "
            "split by another --heldout_fraction or --random_seed."
        )
    return recipe.shuffle(pairs, split=name, seed=settings.recipe.random_seed), num_left_out
