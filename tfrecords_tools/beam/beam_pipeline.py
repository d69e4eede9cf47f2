"""Creates folders of pretraining records by an Apache Beam pipeline, for text beyond one machine.

  pieces of text -> documents -> groups (of each pass, random) -> portions -> shards
                        `-> facts about the text -> plan          `-> facts ->  `-> dataset_info

The steps are those of the local way, in beam_steps.py; here they are put together and run. What
Beam shuffles are documents, once for each pass, and records without masks. All files are written
under temporary names. When the pipeline is through, they get their names as after a stopped run.

Needs the extra [beam]; nothing else of the project imports it.
"""

import dataclasses
import functools
import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsList, AsSingleton, TaggedOutput
from apache_beam.typehints import with_output_types

from mslt_tf import dataset_info
from mslt_tf.dataset_info import DatasetInfo
from mslt_tf.errors import UserError
from mslt_tf.terminal import say
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer
from tfrecords_tools import tokenization
from tfrecords_tools.beam import beam_plan, beam_runner, beam_steps
from tfrecords_tools.beam.beam_plan import Job, PieceFacts, Plan
from tfrecords_tools.beam.beam_steps import Document, GroupKey, LeftOut, ShardKey, WrittenShard
from tfrecords_tools.dataset import dataset_summary, output_folder, places
from tfrecords_tools.settings import DatasetSettings
from tfrecords_tools.text.files.found_files import FoundFiles
from tfrecords_tools.text.pieces import text_pieces
from tfrecords_tools.text.pieces.piece import Piece
from tfrecords_tools.text.read_report import ReadReport

_FACTS, _LEFT_OUT = "facts", "left_out"


def create(
    settings: DatasetSettings, *, tokens_per_group: int = beam_plan.TOKENS_PER_GROUP
) -> list[DatasetInfo]:
    """Creates the data set of each recipe unless it is there already, and returns what they hold.

    Args:
        settings: what to create; the number of processes is Beam's affair.
        tokens_per_group: how much text shares its random next sentences, in memory.

    Raises:
        UserError: input, vocabulary, settings or Beam's options do not do, a folder holds other
            records, or another run works there.
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
    recorded = [settings.to_record(recipe) | described for recipe in settings.recipes]
    folders = [settings.folder_of(recipe) for recipe in settings.recipes]

    def find(look: Callable[..., DatasetInfo | None]) -> list[DatasetInfo | None]:
        both = zip(folders, recorded, strict=True)
        return [look(folder, known, vocab_sha256=vocab_sha256) for folder, known in both]

    found = zip(folders, find(output_folder.find_finished), strict=True)
    with output_folder.locked(folder for folder, info in found if not info) as check_locks:
        finished = find(output_folder.find_or_prepare)
        missing = [index for index, info in enumerate(finished) if info is None]
        if missing:
            job = Job(
                settings=settings,
                recipes=tuple(settings.recipes[index] for index in missing),
                recorded=tuple(recorded[index] for index in missing),
                vocabulary=tuple(vocabulary),
                vocab_sha256=vocab_sha256,
                tokens_per_group=tokens_per_group,
            )
            _run(job, files)
            check_locks()
            for index, info in zip(missing, _publish(job), strict=True):
                finished[index] = info
            say(f"done in {time.monotonic() - begin:,.1f} s")
    return [info for info in finished if info is not None]


def _run(job: Job, files: FoundFiles) -> None:
    """Runs the pipeline to its end."""
    for recipe in job.recipes:
        dataset_summary.note_few_predictions(recipe)
    dataset_summary.note_vocabulary(job.vocabulary, job.settings)
    listed = ReadReport()
    pieces = text_pieces.list_pieces(
        job.settings.text, files=files, on_error=job.settings.on_error, report=listed
    )
    job = dataclasses.replace(job, listed=listed)
    num_bytes = text_pieces.count_bytes(pieces)
    say(f"Beam reads {num_bytes / 1e6:,.1f} MB in {len(pieces):,} piece(s)")
    build = functools.partial(_build, pieces=pieces, job=job)
    beam_runner.run(job.settings.beam_options, build)


def _build(pipeline: beam.Pipeline, pieces: Iterable[Piece], job: Job) -> None:
    """Puts the steps together."""
    numbered = [(n, json.dumps(dataclasses.asdict(piece))) for n, piece in enumerate(pieces)]
    tokenized = (
        pipeline
        | "Pieces" >> beam.Create(numbered)
        | "Spread" >> beam.Reshuffle()
        | "Tokenise" >> beam.ParDo(_Tokenize(job)).with_outputs(_FACTS, main="documents")
    )
    plan = (
        pipeline
        | "Once" >> beam.Create([None])
        | "Plan" >> beam.Map(_plan, AsList(tokenized[_FACTS]), job=job)
    )
    paired = (
        tokenized["documents"]
        | "Choose groups" >> beam.ParDo(_ChooseGroups(job), AsSingleton(plan))
        | "Gather groups" >> beam.GroupByKey()
        | "Pair"
        >> beam.ParDo(_Pair(job), AsSingleton(plan)).with_outputs(_LEFT_OUT, main="portions")
    )
    written = (
        paired["portions"]
        | "Gather shards" >> beam.GroupByKey()
        | "Write shards" >> beam.ParDo(_WriteShard(job), AsSingleton(plan))
    )
    facts = [AsList(facts) for facts in (tokenized[_FACTS], paired[_LEFT_OUT], written)]
    (
        pipeline
        | "Recipes" >> beam.Create(range(len(job.recipes)))
        | "Write info" >> beam.Map(_write_info, *facts, AsSingleton(plan), job=job)
    )


@with_output_types(tuple[str, tuple[int, int, bytes, bytes]])
class _Tokenize(beam.DoFn):
    """From a piece of the text to its documents, and facts."""

    def __init__(self, job: Job):
        self._job = job

    def setup(self) -> None:
        self._tokenizer = WordpieceTokenizer(
            list(self._job.vocabulary), self._job.settings.text_case
        )

    def process(self, element: tuple[int, str]) -> Iterator[Any]:
        index, piece = element[0], Piece(**json.loads(element[1]))
        facts = yield from beam_steps.tokenize_piece(
            index, piece, job=self._job, tokenizer=self._tokenizer
        )
        yield TaggedOutput(_FACTS, facts)


@with_output_types(tuple[tuple[str, int, int], tuple[int, int, bytes, bytes]])
class _ChooseGroups(beam.DoFn):
    """From a document to the same one for each pass, by group."""

    def __init__(self, job: Job):
        self._job = job

    def process(
        self, element: tuple[str, Document], plan: Plan
    ) -> Iterator[tuple[GroupKey, Document]]:
        yield from beam_steps.assign_groups(*element, job=self._job, plan=plan)


@with_output_types(tuple[tuple[int, str, int], tuple[int, int, bytes, bytes]])
class _Pair(beam.DoFn):
    """From a group of documents to what shards get of it."""

    def __init__(self, job: Job):
        self._job = job

    def process(self, element: tuple[GroupKey, Iterable[Document]], plan: Plan) -> Iterator[Any]:
        left_out = yield from beam_steps.pair_group(*element, job=self._job, plan=plan)
        for of_recipe in left_out:
            yield TaggedOutput(_LEFT_OUT, of_recipe)


class _WriteShard(beam.DoFn):
    """From what all groups give to a shard to its file."""

    def __init__(self, job: Job):
        self._job = job

    def process(
        self, element: tuple[ShardKey, Iterable[Any]], plan: Plan
    ) -> Iterator[WrittenShard]:
        yield beam_steps.write_shard(*element, job=self._job, plan=plan)


def _plan(_: None, found: list[PieceFacts], *, job: Job) -> Plan:
    return beam_plan.make_plan(found, job=job)


def _write_info(
    index: int,
    found: list[PieceFacts],
    left_out: list[LeftOut],
    written: list[WrittenShard],
    plan: Plan,
    *,
    job: Job,
) -> None:
    beam_steps.write_info(index, found, left_out, written, job=job, plan=plan)


def _publish(job: Job) -> Iterator[DatasetInfo]:
    """Gives the files their names, and says what is in them."""
    for recipe, recorded in zip(job.recipes, job.recorded, strict=True):
        folder = job.settings.folder_of(recipe)
        info = output_folder.finish_interrupted(folder, recorded, vocab_sha256=job.vocab_sha256)
        if info is None:
            raise UserError(
                f"--output_dir {folder} does not have the files that Beam's workers wrote there. "
                "It must be one folder for all machines, e.g. gs://..., or on a shared disk."
            )
        output_folder.remove_partial_shards(folder)  # of workers that were stopped, or came second
        dataset_summary.say_summary(folder, info)
        yield info
