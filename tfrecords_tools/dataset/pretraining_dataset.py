"""Creates folders of pretraining records: tokenise, pair, shuffle, mask and write, in processes.

Everything between the text and the records lies on the local disk, so memory is bounded whatever
the text; see `token_store` and `shuffled_pairs`. Finished tasks are kept, so that a run that was
stopped goes on. A folder's `dataset_info.json` gets its name last; where it stands, the data set is
complete.
"""

import contextlib
import dataclasses
import functools
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from mslt_tf import dataset_info
from mslt_tf.dataset_info import DatasetInfo
from mslt_tf.errors import UserError
from mslt_tf.files import folder_lock
from mslt_tf.files.file_errors import FileError
from mslt_tf.terminal import say
from tfrecords_tools import tokenization
from tfrecords_tools.dataset import (
    dataset_summary,
    dataset_tasks,
    estimation,
    output_folder,
    places,
    recipe_notes,
    records,
    splits,
    token_store,
    work_folder,
)
from tfrecords_tools.dataset.dataset_summary import WrittenSplit
from tfrecords_tools.dataset.dataset_tasks import PairTask, PieceTask, ShardTask
from tfrecords_tools.dataset.input_state import state_of_input
from tfrecords_tools.dataset.record_statistics import RecordCounts
from tfrecords_tools.dataset.shuffled_pairs import ShuffledPairs
from tfrecords_tools.dataset.splits import Split
from tfrecords_tools.dataset.token_store import StoreFacts, TokenStore
from tfrecords_tools.dataset.work_folder import Work
from tfrecords_tools.processes import WorkerKilledError, Workers
from tfrecords_tools.progress import Progress
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings
from tfrecords_tools.text.files.found_files import FoundFiles
from tfrecords_tools.text.pieces import text_pieces
from tfrecords_tools.text.pieces.piece import Piece
from tfrecords_tools.text.read_report import ReadReport


@dataclasses.dataclass(frozen=True)
class Text:
    """The tokenised text, and what was left out of it."""

    store: TokenStore
    facts: StoreFacts
    report: ReadReport


@dataclasses.dataclass(frozen=True)
class Run:
    """What the steps of one run share; its folders are this process's alone.

    Attributes:
        recorded: the settings of each recipe's records, by name.
        check_locks: raises a UserError if another process took a folder over.
    """

    settings: DatasetSettings
    files: FoundFiles
    recorded: dict[Recipe, dict[str, Any]]
    vocabulary: list[str]
    vocab_sha256: str
    work: Work
    check_locks: Callable[[], None]


def create(settings: DatasetSettings) -> list[DatasetInfo]:
    """Creates the data set of each recipe unless it is there already, and returns what they hold.

    Raises:
        UserError: input, vocabulary or settings do not do, a folder holds other records or
            something else, another run works there, or the disk is full.
    """
    begin = time.monotonic()
    vocabulary = tokenization.read_vocabulary(settings.vocab_file)
    vocab_sha256 = dataset_info.hash_vocabulary(vocabulary)
    places.check_apart(settings)
    files = text_pieces.find_input(
        settings.text, own=places.own_places(settings), on_error=settings.on_error
    )
    for line in files.describe():
        say(line)
    described = text_pieces.describe_input(settings.text, files=files)
    recorded = {recipe: settings.to_record(recipe) | described for recipe in settings.recipes}
    finished = [
        output_folder.find_finished(settings.folder_of(recipe), known, vocab_sha256=vocab_sha256)
        for recipe, known in recorded.items()
    ]
    if all(finished) and not work_folder.is_begun(settings.work_folder):
        folder_lock.remove_dead(settings.work_folder)  # of one that was killed at its very end
        for recipe in recorded:
            say(f"{settings.folder_of(recipe)} holds these records already; nothing to do.")
        return [info for info in finished if info]
    work_folder.check(settings.work_folder)  # before anything is written
    folders = map(settings.folder_of, settings.recipes)
    missing = [folder for folder, info in zip(folders, finished, strict=True) if not info]
    dataset_tasks.forget()
    with (
        output_folder.locked(missing) as check_locks,
        work_folder.opened(
            settings.work_folder,
            _work_settings(recorded, vocab_sha256),
            input_state=functools.partial(state_of_input, files),
        ) as work,
        _leaving_nothing_for_nothing(work),
    ):
        infos = _go_on(Run(settings, files, recorded, vocabulary, vocab_sha256, work, check_locks))
        dataset_tasks.forget()  # its maps would keep removed files on the disk
        work.clear()
    say(f"done in {time.monotonic() - begin:,.1f} s")
    return infos


@contextlib.contextmanager
def _leaving_nothing_for_nothing(work: Work) -> Iterator[None]:
    """Clears the work after a mistake if nothing was finished, so that it refuses no later run."""
    try:
        yield
    except UserError:
        if not work.has_results:
            work.clear()
        raise


@contextlib.contextmanager
def _refusing_mistakes(run: Run) -> Iterator[None]:
    """Notes a mistake in text or settings, so that the work of before goes when it is mended.

    It stays for the same text by --on_error=skip. After an error of the machine it stays for the
    same command.
    """
    try:
        yield
    except UserError as error:
        if run.work.has_results and not isinstance(error, FileError | WorkerKilledError):
            run.work.refuse(state_of_input(run.files))
        raise


def _go_on(run: Run) -> list[DatasetInfo]:
    """Creates what is not there yet."""
    settings = run.settings
    infos = {
        recipe: output_folder.find_or_prepare(
            settings.folder_of(recipe),
            known,
            vocab_sha256=run.vocab_sha256,
            keeps_partial=not run.work.is_new,
        )
        for recipe, known in run.recorded.items()
    }
    if all(infos.values()):
        return [info for info in infos.values() if info]
    for recipe in settings.recipes:
        dataset_summary.note_few_predictions(recipe)
    dataset_summary.note_vocabulary(run.vocabulary, settings)
    if not run.work.is_new:
        say(f"going on with the unfinished work in {settings.work_folder}")
    with _refusing_mistakes(run), Workers(settings.num_processes) as workers:
        report = ReadReport()
        pieces = text_pieces.list_pieces(
            settings.text, files=run.files, on_error=settings.on_error, report=report
        )
        if run.work.is_new:
            estimation.say_estimate(settings, run.vocabulary, pieces)
        text = _tokenize(run, pieces, report, workers)
        made = splits.make_splits(text.store.corpus, settings, repeats=text.store.repeats)
        if any(recipe.whole_word_masking for recipe in settings.recipes):
            recipe_notes.note_whole_words(text.store.corpus, run.vocabulary)
        return [
            infos[recipe] or _create_one(run, recipe, text, made, workers)
            for recipe in settings.recipes
        ]


def _create_one(
    run: Run, recipe: Recipe, text: Text, made: list[Split], workers: Workers
) -> DatasetInfo:
    """Creates the records of one recipe."""
    folder = run.settings.folder_of(recipe)
    info = dataset_summary.make_info(
        run.settings,
        recipe,
        vocab_size=len(run.vocabulary),
        vocab_sha256=run.vocab_sha256,
        recorded=run.recorded[recipe],
        facts=text.facts,
        report=text.report,
        written={split.name: _write_split(run, recipe, split, text, workers) for split in made},
    )
    run.check_locks()
    output_folder.publish(folder, info)
    dataset_summary.say_summary(folder, info)
    dataset_summary.note_odd_splits(info, made, text.store.corpus, settings=run.settings)
    return info


def _work_settings(recorded: dict[Recipe, dict[str, Any]], vocab_sha256: str) -> dict[str, Any]:
    """Returns by name what all data sets have in common, or a list where they differ."""
    settings: dict[str, Any] = {"vocab_sha256": vocab_sha256}
    each = list(recorded.values())
    for name in each[0]:
        values = [of_one[name] for of_one in each]
        same = all(value == values[0] for value in values)
        settings[name] = values[0] if same else values
    return settings


def _tokenize(run: Run, pieces: tuple[Piece, ...], report: ReadReport, workers: Workers) -> Text:
    """Tokenises all pieces of the text, and joins them; the report gets what each left out."""
    settings = run.settings
    formats = text_pieces.count_formats(pieces)
    say(f"input: {', '.join(f'{count:,} {name}' for name, count in sorted(formats.items()))}")
    total = sum(piece.num_bytes for piece in pieces)
    folder = dataset_tasks.store_folder(settings)
    joined = token_store.find_joined(folder)
    path = functools.partial(os.path.join, settings.work_folder)
    tasks = [
        PieceTask(settings, piece, path(f"piece-{index:06d}"), is_joined=joined is not None)
        for index, piece in enumerate(pieces)
    ]
    results = workers.run(
        dataset_tasks.tokenize_piece,
        tasks,
        progress=Progress("tokenise", unit="bytes", total=total),
    )
    for result in results:
        report.add(result.report)
    of_pieces = [result.facts for result in results]
    if not any(facts.num_documents for facts in of_pieces):
        num_empty = sum(facts.num_empty_documents for facts in of_pieces)
        raise UserError(
            f"the input holds no text: {num_empty} document(s), none with a word in it. Give "
            f"text files with some text in them. {' '.join(report.describe())}".rstrip()
        )
    facts = token_store.join([task.folder for task in tasks], of_pieces, folder, joined=joined)
    return Text(TokenStore(folder, vocab_size=len(run.vocabulary)), facts, report)


def _write_split(
    run: Run, recipe: Recipe, split: Split, text: Text, workers: Workers
) -> WrittenSplit:
    """Pairs, shuffles and masks a split, and writes its shards under their temporary names."""
    settings = run.settings
    label = f"{split.name} at {recipe.max_seq_length}"
    path = functools.partial(
        os.path.join, settings.work_folder, f"{split.name}-{recipe.max_seq_length}"
    )
    os.makedirs(path(), exist_ok=True)
    pair_tasks = [
        PairTask(settings, recipe, split.name, begin, end, path(f"pairs-{begin:09d}"))
        for begin, end in splits.portions(text.store.corpus, split, recipe)
    ]
    text.store.release()
    num_documents = len(split.documents) * split.num_passes
    left_out = workers.run(
        dataset_tasks.make_portion,
        pair_tasks,
        progress=Progress(f"pair {label}", unit="documents", total=num_documents),
    )
    portions = tuple(task.path for task in pair_tasks)
    num_records = len(ShuffledPairs(portions))
    num_shards = splits.num_shards(settings, split, num_records)
    edges = [num_records * index // num_shards for index in range(num_shards + 1)]
    shard_tasks = []
    for index in range(num_shards):
        name = records.shard_name(split.name, index, num_shards)
        shard_tasks.append(
            ShardTask(
                settings, recipe, portions, *edges[index : index + 2], name, path(f"{name}.json")
            )
        )
    results = workers.run(
        dataset_tasks.write_shard,
        shard_tasks,
        progress=Progress(f"write {label}", unit="records", total=num_records),
    )
    return WrittenSplit(
        shards=tuple(result.shard for result in results),
        counts=sum((result.counts for result in results), RecordCounts()),
        num_documents=len(split.documents),
        num_left_out=sum(left_out),
    )
