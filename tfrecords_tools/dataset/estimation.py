"""Says before the work what will come of it: records, bytes, time; from a sample of the text."""

import dataclasses
import os
import shutil
import time
import zlib

import numpy as np

from mslt_tf.errors import UserError
from mslt_tf.terminal import say
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer
from tfrecords_tools import tokenization
from tfrecords_tools.dataset import example_bytes
from tfrecords_tools.recipe import masking
from tfrecords_tools.recipe.corpus import Corpus
from tfrecords_tools.recipe.pairs import PAIR_DTYPE, pairs_of_document
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings
from tfrecords_tools.text.pieces import text_sample
from tfrecords_tools.text.pieces.piece import Piece

_SAMPLE_RECORDS = 2_048  # or fewer, of
_SAMPLE_TOKENS = _SAMPLE_RECORDS * 512
_FRAMING_BYTES = 16  # of a record in its file
_WORK_BYTES_PER_RECORD = PAIR_DTYPE.itemsize + 8  # and its key
_WORK_BYTES_PER_TOKEN = 2.5  # two, and its part of a sentence's start


@dataclasses.dataclass(frozen=True)
class Sample:
    """Some documents of the text, tokenised."""

    corpus: Corpus
    num_bytes: float  # of the input
    seconds: float


@dataclasses.dataclass(frozen=True)
class RecipeEstimate:
    """What one recipe makes of the whole text."""

    max_seq_length: int
    num_records: int
    num_bytes: int
    seconds: float  # of one process


def say_estimate(
    settings: DatasetSettings, vocabulary: list[str], pieces: tuple[Piece, ...]
) -> None:
    """Says how many records, bytes and seconds to expect, and refuses a disk that is too small.

    A sample of some pieces stands for all.

    Raises:
        UserError: the work and the records will not fit on a local disk.
    """
    sample = _take_sample(pieces, settings, vocabulary)
    if sample is None:
        return
    factor = sum(piece.num_bytes for piece in pieces) / sample.num_bytes
    estimates = [
        _estimate(recipe, sample, factor, settings, vocabulary) for recipe in settings.recipes
    ]
    seconds = sample.seconds * factor + sum(estimate.seconds for estimate in estimates)
    for estimate in estimates:
        say(
            f"estimate: {_rounded(estimate.num_records):,} records of {estimate.max_seq_length} "
            f"tokens, {estimate.num_bytes / 1e6:,.0f} MB"
        )
    work_bytes = int(factor * len(sample.corpus.tokens) * _WORK_BYTES_PER_TOKEN) + sum(
        estimate.num_records * _WORK_BYTES_PER_RECORD for estimate in estimates
    )
    say(
        f"estimate: {seconds / settings.num_processes:,.0f} s with {settings.num_processes} "
        f"process(es); {work_bytes / 1e6:,.0f} MB of work files for that time"
    )
    _check_room(settings, work_bytes, sum(estimate.num_bytes for estimate in estimates))


def _check_room(settings: DatasetSettings, work_bytes: int, record_bytes: int) -> None:
    needed = {settings.work_folder: work_bytes}
    if "://" not in settings.output_dir:
        place = settings.output_dir if settings.work_dir else settings.work_folder
        needed[place] = needed.get(place, 0) + record_bytes
        if settings.work_dir and _device(settings.work_dir) == _device(settings.output_dir):
            needed[place] += work_bytes
    for folder, num_bytes in needed.items():
        free = shutil.disk_usage(_existing(folder)).free
        if num_bytes > free:
            raise UserError(
                f"the disk of {folder} has {free / 1e6:,.0f} MB free, and about "
                f"{num_bytes / 1e6:,.0f} MB will be needed. Make room, give another --output_dir "
                "or --work_dir, or lower --dupe_factor."
            )


def _device(folder: str) -> int:
    return os.stat(_existing(folder)).st_dev


def _existing(folder: str) -> str:
    """Returns the folder, or the nearest above it that is there."""
    while not os.path.exists(folder):
        folder = os.path.dirname(os.path.abspath(folder))
    return folder


def _take_sample(
    pieces: tuple[Piece, ...], settings: DatasetSettings, vocabulary: list[str]
) -> Sample | None:
    """Returns documents of some pieces, None if there is no text in them."""
    text = text_sample.take(pieces)
    begin = time.monotonic()
    tokenizer = WordpieceTokenizer(vocabulary, settings.text_case)
    batches = list(
        tokenization.tokenize_documents(
            text.documents, tokenizer, sentence_splitting=settings.sentence_splitting
        )
    )
    sizes = np.concatenate([np.zeros(1, np.int64), *(b.document_sizes for b in batches)])
    if len(sizes) < 2:
        return None
    lengths = np.concatenate([np.zeros(1, np.int64), *(b.sentence_lengths for b in batches)])
    corpus = Corpus(
        tokens=np.concatenate([batch.tokens for batch in batches]),
        sentence_starts=np.cumsum(lengths),
        document_starts=np.cumsum(sizes),
    )
    return Sample(corpus, max(1.0, text.num_bytes), text.seconds + time.monotonic() - begin)


def _estimate(
    recipe: Recipe,
    sample: Sample,
    factor: float,
    settings: DatasetSettings,
    vocabulary: list[str],
) -> RecipeEstimate:
    if sample.corpus.num_documents == 1:  # "nsp" would need another one
        recipe = dataclasses.replace(recipe, sentence_objective="sop")
    documents = np.arange(sample.corpus.num_documents)
    begin = time.monotonic()
    pairs = np.concatenate(
        [
            pairs_of_document(sample.corpus, documents, rank, recipe=recipe, pass_index=0).pairs
            for rank in documents
        ]
    )
    pair_seconds = time.monotonic() - begin
    begin = time.monotonic()
    features = masking.make_features(
        sample.corpus.tokens,
        pairs[: min(_SAMPLE_RECORDS, _SAMPLE_TOKENS // recipe.max_seq_length)],
        recipe=recipe,
        special=tokenization.special_tokens(vocabulary),
    )
    encoded = example_bytes.encode_examples(features, feature_names=settings.feature_names)
    seconds_per_record = (time.monotonic() - begin) / max(len(encoded), 1)
    content = b"".join(encoded)
    num_bytes = len(zlib.compress(content)) if settings.compression else len(content)
    bytes_per_record = num_bytes / max(len(encoded), 1) + _FRAMING_BYTES
    heldout = settings.heldout_fraction
    num_passes = (1 - heldout) * recipe.dupe_factor + heldout
    num_records = int(len(pairs) * factor * num_passes)
    return RecipeEstimate(
        max_seq_length=recipe.max_seq_length,
        num_records=num_records,
        num_bytes=int(num_records * bytes_per_record),
        seconds=num_records * seconds_per_record + pair_seconds * factor * num_passes,
    )


def _rounded(number: int) -> int:
    """Returns the number with two digits that are not zero, as an estimate should look."""
    step = 10 ** max(0, len(str(number)) - 2)
    return round(number / step) * step
