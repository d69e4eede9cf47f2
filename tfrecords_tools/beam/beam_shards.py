"""Shards of a data set that Beam makes: what each group gives to each, and how they are written.

A record travels with the text it shows and without masks, which is a third of its final bytes. Its
place is a 64-bit key as in shuffled_pairs.py: shards are ranges of keys, and sorted by key.
"""

import dataclasses
import itertools
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from mslt_tf.dataset_info import Shard
from mslt_tf.files import file_errors
from tfrecords_tools import tokenization
from tfrecords_tools.dataset import records
from tfrecords_tools.dataset.record_statistics import RecordCounter, RecordCounts
from tfrecords_tools.dataset.shuffled_pairs import shuffle_keys
from tfrecords_tools.dataset.token_store import token_dtype
from tfrecords_tools.recipe import masking, whole_words
from tfrecords_tools.recipe.pairs import PAIR_DTYPE
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings

# (pass, group, records, their tokens): what one group gives to one shard; the first two name the
# group, the others are the bytes of arrays.
Portion = tuple[int, int, bytes, bytes]


def shards_of(keys: npt.NDArray[np.uint64], num_shards: int) -> npt.NDArray[np.int64]:
    """Returns [records] the shards: equal ranges of keys, so shard after shard is sorted by key."""
    upper = keys >> np.uint64(32)  # enough for 99,999 shards, and the product fits
    return ((upper * np.uint64(num_shards)) >> np.uint64(32)).astype(np.int64)


def divide(
    tokens: npt.NDArray[Any], pairs: npt.NDArray[Any], *, num_shards: int, source: tuple[int, int]
) -> Iterator[tuple[int, Portion]]:
    """Yields (shard, what it gets) for each shard that gets any of these records.

    Args:
        tokens: [tokens] of a group.
        pairs: PAIR_DTYPE [records], which point into `tokens`.
        num_shards: of the split.
        source: pass and group.
    """
    shards = shards_of(shuffle_keys(pairs), num_shards)
    order = np.argsort(shards, kind="stable")
    found, begins = np.unique(shards[order], return_index=True)
    edges = [*begins.tolist(), len(order)]
    for shard, (begin, end) in zip(found.tolist(), itertools.pairwise(edges), strict=True):
        text, moved = pack(tokens, pairs[order[begin:end]])
        yield shard, (*source, moved.tobytes(), text.tobytes())


def pack(
    tokens: npt.NDArray[Any], pairs: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Returns (tokens, pairs): the text of these records only, and records that point into it.

    Args:
        tokens: [tokens] of some documents.
        pairs: PAIR_DTYPE [records], which point into `tokens`.
    """
    starts = np.stack([pairs["first_start"], pairs["second_start"]], axis=1).ravel()
    lengths = np.stack([pairs["first_length"], pairs["second_length"]], axis=1).ravel()
    ends = np.cumsum(lengths, dtype=np.int64)
    moved_starts = ends - lengths  # [2 x records]
    moved = pairs.copy()
    moved["first_start"], moved["second_start"] = moved_starts[0::2], moved_starts[1::2]
    total = int(ends[-1]) if len(ends) else 0
    return tokens[np.repeat(starts - moved_starts, lengths) + np.arange(total)], moved


def write_shard(
    portions: Iterable[Portion],
    *,
    name: str,
    recipe: Recipe,
    settings: DatasetSettings,
    vocabulary: Sequence[str],
) -> tuple[Shard, RecordCounts]:
    """Masks the records of a shard, and writes it under its temporary name, whole or not at all.

    Args:
        portions: of all groups, in any order.
        name: the file's final name.
        recipe: one of `settings.recipes`.
        settings: where the records go, and how they are stored.
        vocabulary: the tokens.

    Raises:
        UserError: the file cannot be written.
    """
    folder = settings.folder_of(recipe)
    counter = RecordCounter(mask_id=vocabulary.index("[MASK]"))
    # Some runners give slow work to a second worker too: each writes a file of its own.
    temporary = f"{name}.{uuid.uuid4().hex}"
    shard = records.write_partial_shard(
        folder,
        temporary,
        batches=counter.count(_batches(portions, recipe, vocabulary)),
        feature_names=settings.feature_names,
        compression=settings.compression,
    )
    begin, end = (os.path.join(folder, n) + records.PARTIAL_SUFFIX for n in (temporary, name))
    with file_errors.writing(end):
        tf.io.gfile.rename(begin, end, overwrite=True)
    return dataclasses.replace(shard, name=name), counter.counts


def _batches(
    portions: Iterable[Portion], recipe: Recipe, vocabulary: Sequence[str]
) -> Iterator[masking.Features]:
    """Yields the features of a shard's records, sorted by key."""
    tokens, pairs = join_portions(portions, vocab_size=len(vocabulary))
    special = tokenization.special_tokens(list(vocabulary))
    continues_word = None
    if recipe.whole_word_masking:
        continues_word = whole_words.continuation_pieces(vocabulary)
    in_order = pairs[np.argsort(shuffle_keys(pairs), kind="stable")]
    yield from masking.make_batches(
        tokens, in_order, recipe=recipe, special=special, continues_word=continues_word
    )


def join_portions(
    portions: Iterable[Portion], *, vocab_size: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Returns ([tokens], PAIR_DTYPE [records]) of all portions, whatever order they come in."""
    in_order = sorted(portions)  # by pass and group, which no two share
    tokens = [np.frombuffer(portion[3], token_dtype(vocab_size)) for portion in in_order]
    pairs = [np.frombuffer(portion[2], PAIR_DTYPE).copy() for portion in in_order]
    begin = 0
    for of_portion, text in zip(pairs, tokens, strict=True):
        of_portion["first_start"] += begin
        of_portion["second_start"] += begin
        begin += len(text)
    return np.concatenate(tokens), np.concatenate(pairs)
