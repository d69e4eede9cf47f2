"""The three kinds of work of which a data set is made; each task can be done in any process.

A task writes its result last, as JSON. Where that stands the task is done, and is not done again.
"""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mslt_tf.dataset_info import Shard
from mslt_tf.files.file_errors import FileError
from mslt_tf.terminal import say
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer, WordSplitter
from tfrecords_tools import tokenization
from tfrecords_tools.dataset import records, shuffled_pairs, splits, token_store, work_files
from tfrecords_tools.dataset.input_state import state_of_piece
from tfrecords_tools.dataset.record_statistics import RecordCounter, RecordCounts
from tfrecords_tools.dataset.shuffled_pairs import ShuffledPairs
from tfrecords_tools.dataset.splits import Split
from tfrecords_tools.dataset.token_store import StoreFacts, TokenStore
from tfrecords_tools.recipe import masking, whole_words
from tfrecords_tools.recipe.pairs import pairs_of_document
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings
from tfrecords_tools.text.pieces import text_pieces
from tfrecords_tools.text.pieces.piece import Piece
from tfrecords_tools.text.read_report import ReadReport
from tfrecords_tools.unknown_words import UnknownCounter

_CHUNK_RECORDS = 16_384  # read from the shuffled pairs at once
_CUT = "its files are not all there, or cut off"

Advance = Callable[[int], None]
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class PieceTask:
    """Tokenise one piece of the text; counts bytes."""

    settings: DatasetSettings
    piece: Piece
    folder: str  # of the tokens; the result is beside it
    is_joined: bool = False  # into the store: its result is all that is left of it


@dataclasses.dataclass(frozen=True)
class PieceResult:
    """What is to be known of the tokens of a piece."""

    facts: StoreFacts
    report: ReadReport
    bytes: int  # that were read
    source: str = ""  # see `state_of_piece`; versions before did not write it


@dataclasses.dataclass(frozen=True)
class PairTask:
    """Make the pairs of some documents of a split; counts documents, once for each pass."""

    settings: DatasetSettings
    recipe: Recipe
    split: str
    begin: int  # first of the split's documents
    end: int
    path: str  # of the portion; the result is beside it


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """Mask and write the records of one shard; counts records."""

    settings: DatasetSettings
    recipe: Recipe
    portions: tuple[str, ...]
    begin: int  # first of the split's records, in their random order
    end: int
    name: str
    result: str


@dataclasses.dataclass(frozen=True)
class ShardResult:
    """What is to be known of a shard."""

    shard: Shard
    counts: RecordCounts


def tokenize_piece(task: PieceTask, advance: Advance) -> PieceResult:
    """Writes a piece of the token store.

    Raises:
        FileError: the text is not what it was, and its tokens have been joined with all others.
    """
    result_path, source = f"{task.folder}.json", state_of_piece(task.piece)
    known = work_files.read_result(result_path, PieceResult)
    if known and known.source not in ("", source):
        _check_not_joined(task)
        known = None
    if known and (task.is_joined or token_store.is_whole(task.folder, known.facts)):
        advance(known.bytes)
        return known
    if known and os.path.isdir(task.folder):  # else it went into a store that was damaged
        work_files.say_damaged(task.folder, _CUT)
    result = dataclasses.replace(_tokenize(task, advance), source=source)
    work_files.write_json(result_path, dataclasses.asdict(result))
    return result


def _check_not_joined(task: PieceTask) -> None:
    """Says that a piece's text has changed, if it can be done again."""
    if task.is_joined:
        raise FileError(
            f"{task.piece.name} is not what it was, by its name, size or time, when the unfinished "
            f"work in {task.settings.work_folder} tokenised it. Put the text back as it was, or "
            f"remove {task.settings.work_folder} to begin anew."
        )
    say(f"{task.piece.name} is another text than {task.folder} was made of: it is done again.")


def make_portion(task: PairTask, advance: Advance) -> int:
    """Writes a portion of a split's pairs; returns how many single tokens made none."""
    result_path = f"{task.path}.json"
    split = _split(task.settings, task.split)
    known = work_files.read_result(result_path, int)
    if known is not None and shuffled_pairs.is_complete(task.path):
        advance((task.end - task.begin) * split.num_passes)
        return known
    if known is not None:
        work_files.say_damaged(task.path, _CUT)
    num_left_out = _make_portion(task, split, advance)
    work_files.write_json(result_path, num_left_out)
    return num_left_out


def write_shard(task: ShardTask, advance: Advance) -> ShardResult:
    """Writes a shard under its temporary name."""
    folder = task.settings.folder_of(task.recipe)
    known = work_files.read_result(task.result, ShardResult)
    if known and records.partial_size(folder, task.name) == known.shard.num_bytes:
        advance(known.shard.num_records)
        return known
    counter = RecordCounter(mask_id=_special_tokens(task.settings).mask_id)
    shard = records.write_partial_shard(
        folder,
        task.name,
        batches=counter.count(_batches(task), advance=advance),
        feature_names=task.settings.feature_names,
        compression=task.settings.compression,
    )
    result = ShardResult(shard, counter.counts)
    work_files.write_json(task.result, dataclasses.asdict(result))
    return result


def store_folder(settings: DatasetSettings) -> str:
    """Returns where the joined tokens are."""
    return os.path.join(settings.work_folder, "tokens")


def _tokenize(task: PieceTask, advance: Advance) -> PieceResult:
    vocabulary = _vocabulary(task.settings)
    report, digest, num_bytes = ReadReport(), hashlib.sha256(), 0

    def advance_and_count(count: int) -> None:
        nonlocal num_bytes
        num_bytes += count
        advance(count)

    documents = text_pieces.read_piece(
        task.piece, on_error=task.settings.on_error, report=report, advance=advance_and_count
    )
    tokenizer = UnknownCounter(
        _tokenizer(task.settings),
        vocabulary,
        split_words=_word_splitter(task.settings).words,
    )
    facts = token_store.write_piece(
        task.folder,
        tokenization.tokenize_documents(
            documents,
            tokenizer,
            sentence_splitting=task.settings.sentence_splitting,
            report=report,
            hash_text=digest.update,
        ),
        vocab_size=len(vocabulary),
        unk_id=vocabulary.index("[UNK]"),
    )
    facts = dataclasses.replace(facts, sha256=digest.hexdigest(), unknown=tokenizer.counts)
    return PieceResult(facts, report, num_bytes)


def _make_portion(task: PairTask, split: Split, advance: Advance) -> int:
    store = _store(task.settings)
    made, num_left_out = [], 0
    for pass_index in range(split.num_passes):
        for rank in range(task.begin, task.end):
            of_document = pairs_of_document(
                store.corpus,
                split.documents,
                rank,
                recipe=task.recipe,
                pass_index=pass_index,
            )
            made.append(of_document.pairs)
            num_left_out += of_document.num_left_out
            advance(1)
    store.release()
    shuffled_pairs.write_portion(task.path, np.concatenate(made))
    return num_left_out


def _batches(task: ShardTask) -> Iterator[masking.Features]:
    store = _store(task.settings)
    pairs = ShuffledPairs(task.portions)
    for begin in range(task.begin, task.end, _CHUNK_RECORDS):
        chunk = pairs.read(begin, min(begin + _CHUNK_RECORDS, task.end))
        for batch in masking.make_batches(
            store.corpus.tokens,
            chunk,
            recipe=task.recipe,
            special=_special_tokens(task.settings),
            continues_word=_continues_word(task.settings, task.recipe),
        ):
            yield batch
            store.release()


# What a process needs for many tasks, made at the first.


def forget() -> None:
    """Drops what was made for earlier tasks: the text behind equal settings may be another one."""
    for made in (
        _vocabulary,
        _tokenizer,
        _word_splitter,
        _special_tokens,
        _continues_word,
        _store,
        _split,
    ):
        made.cache_clear()


@functools.lru_cache(maxsize=1)
def _vocabulary(settings: DatasetSettings) -> list[str]:
    return tokenization.read_vocabulary(settings.vocab_file)


@functools.lru_cache(maxsize=1)
def _tokenizer(settings: DatasetSettings) -> WordpieceTokenizer:
    return WordpieceTokenizer(_vocabulary(settings), settings.text_case)


@functools.lru_cache(maxsize=1)
def _word_splitter(settings: DatasetSettings) -> WordSplitter:
    return WordSplitter(settings.text_case)


@functools.lru_cache(maxsize=1)
def _special_tokens(settings: DatasetSettings) -> masking.SpecialTokens:
    return tokenization.special_tokens(_vocabulary(settings))


@functools.lru_cache(maxsize=1)
def _continues_word(settings: DatasetSettings, recipe: Recipe) -> npt.NDArray[np.bool_] | None:
    if not recipe.whole_word_masking:
        return None
    return whole_words.continuation_pieces(_vocabulary(settings))


@functools.lru_cache(maxsize=1)
def _store(settings: DatasetSettings) -> TokenStore:
    return TokenStore(store_folder(settings), vocab_size=len(_vocabulary(settings)))


@functools.lru_cache(maxsize=2)
def _split(settings: DatasetSettings, name: str) -> Split:
    store = _store(settings)
    made = splits.make_splits(store.corpus, settings, repeats=store.repeats)
    return next(split for split in made if split.name == name)
