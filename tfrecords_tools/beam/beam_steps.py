"""The steps of the Beam pipeline, on plain values: no step knows how Beam divides the work.

What a step returns depends on its input as a set: where order matters, it sorts. So the files are
the same with any number of workers, and when work is done twice. Between steps go numbers, strings
and the bytes of arrays, which Beam stores as they are.
"""

import dataclasses
import functools
import hashlib
import operator
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mslt_tf import dataset_info
from mslt_tf.dataset_info import Shard
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from mslt_tf.tokenization.wordpiece import WordSplitter
from tfrecords_tools import tokenization
from tfrecords_tools.beam import beam_plan, beam_shards
from tfrecords_tools.beam.beam_plan import Job, PieceFacts, Plan, hash_of
from tfrecords_tools.beam.beam_shards import Portion
from tfrecords_tools.dataset import dataset_summary, records
from tfrecords_tools.dataset.dataset_summary import WrittenSplit
from tfrecords_tools.dataset.record_statistics import RecordCounts
from tfrecords_tools.dataset.splits import HELDOUT, TRAIN
from tfrecords_tools.dataset.token_store import StoreFacts, token_dtype
from tfrecords_tools.recipe.corpus import Corpus
from tfrecords_tools.recipe.pairs import DocumentPairs, pairs_of_document
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.text.pieces import text_pieces
from tfrecords_tools.text.pieces.piece import Piece
from tfrecords_tools.text.read_report import ReadReport
from tfrecords_tools.tokenization import TokenBatch
from tfrecords_tools.unknown_words import UnknownCounter

_LENGTHS_DTYPE = np.dtype(np.int32)

# (piece, place in it, tokens, lengths of its sentences): the first two name the document, the
# others are the bytes of arrays.
Document = tuple[int, int, bytes, bytes]
GroupKey = tuple[str, int, int]  # split, pass, group
ShardKey = tuple[int, str, int]  # recipe, split, shard
LeftOut = tuple[int, str, int]  # recipe, split, single tokens that made no pair
WrittenShard = tuple[int, str, int, dict[str, Any], dict[str, Any]]  # its key, the shard, counts


def split_of(job: Job, document_hash: int) -> str:
    """Returns the split of a document; by its text alone, so that equal ones are in one split."""
    share = hash_of(job.seed, "split", document_hash) / 2**64
    return HELDOUT if share < job.settings.heldout_fraction else TRAIN


def tokenize_piece(
    index: int, piece: Piece, *, job: Job, tokenizer: Any
) -> Generator[tuple[str, Document], None, PieceFacts]:
    """Yields (split, document) for each document with text; returns the facts of the piece.

    Raises:
        UserError: the text cannot be read, see `text_pieces.read_piece`.
    """
    report, digest, counts = ReadReport(), hashlib.sha256(), np.zeros(6, np.int64)
    documents, tokens = dict.fromkeys(job.passes, 0), dict.fromkeys(job.passes, 0)
    unk_id, dtype = job.vocabulary.index("[UNK]"), token_dtype(len(job.vocabulary))

    def counted(batches: Iterable[TokenBatch]) -> Iterator[TokenBatch]:
        for batch in batches:
            counts[:] += (
                len(batch.document_sizes),
                len(batch.sentence_lengths),
                len(batch.tokens),
                np.count_nonzero(batch.tokens == unk_id),
                batch.num_empty_documents,
                batch.num_empty_sentences,
            )
            yield batch

    texts = text_pieces.read_piece(piece, on_error=job.settings.on_error, report=report)
    counter = UnknownCounter(
        tokenizer, job.vocabulary, split_words=WordSplitter(job.settings.text_case).words
    )
    batches = tokenization.tokenize_documents(
        texts,
        counter,
        sentence_splitting=job.settings.sentence_splitting,
        report=report,
        hash_text=digest.update,
    )
    for place, (text, sizes, text_hash) in enumerate(_documents_of(counted(batches))):
        split = split_of(job, text_hash)
        documents[split] += 1
        tokens[split] += len(text)
        content = text.astype(dtype).tobytes(), sizes.astype(_LENGTHS_DTYPE).tobytes()
        yield split, (index, place, *content)
    facts = StoreFacts(*counts.tolist(), sha256=digest.hexdigest(), unknown=counter.counts)
    return index, {
        "facts": dataclasses.asdict(facts),
        "report": report.to_json(),
        "documents": documents,  # by split
        "tokens": tokens,  # by split
    }


def _documents_of(
    batches: Iterable[TokenBatch],
) -> Iterator[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], int]]:
    """Yields the tokens, the sentences' lengths and the hash of each document.

    Some span batches.
    """
    tokens, lengths = np.zeros(0, np.int32), np.zeros(0, np.int64)
    for batch in batches:
        tokens = np.concatenate([tokens, batch.tokens])
        lengths = np.concatenate([lengths, batch.sentence_lengths])
        sentence_ends = np.cumsum(batch.document_sizes)
        token_ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])[sentence_ends]
        begin, first = 0, 0
        of_documents = (token_ends.tolist(), sentence_ends.tolist(), batch.document_hashes.tolist())
        for end, last, text_hash in zip(*of_documents, strict=True):
            yield tokens[begin:end], lengths[first:last], text_hash
            begin, first = end, last
        tokens, lengths = tokens[begin:], lengths[first:]


def assign_groups(
    split: str, document: Document, *, job: Job, plan: Plan
) -> Iterator[tuple[GroupKey, Document]]:
    """Yields a document once for each pass, with a random group, another one in every pass."""
    for pass_index in range(job.passes[split]):
        lot = hash_of(job.seed, "group", pass_index, *document[:2])
        yield (split, pass_index, lot % plan.num_groups[split]), document


def pair_group(
    key: GroupKey, documents: Iterable[Document], *, job: Job, plan: Plan
) -> Generator[tuple[ShardKey, Portion], None, list[LeftOut]]:
    """Makes the pairs of a group's documents, whose random next sentences are the group's too.

    Yields:
        What each shard gets of them, for each recipe.

    Raises:
        UserError: a random next sentence is needed, and the group has one document only.
    """
    split, pass_index, group = key
    corpus = _corpus_of(sorted(documents), vocab_size=len(job.vocabulary))
    if corpus.num_documents == 1 and job.recipes[0].sentence_objective == "nsp":
        raise UserError(
            "one document found no other for its random next sentences. Give more documents or "
            "another --random_seed, or set --sentence_objective=sop."
        )
    # A seed for each group: a document's random stream goes by its place in the corpus, so the
    # first documents of all groups would share one.
    seed = hash_of(job.seed, "pairs", *key)
    left_out = []
    for index, recipe in enumerate(job.recipes):
        seeded = dataclasses.replace(recipe, random_seed=seed)
        made = _pairs_of(corpus, seeded, pass_index)
        num_shards = plan.num_shards[index, split]
        for shard, portion in beam_shards.divide(
            corpus.tokens, made.pairs, num_shards=num_shards, source=(pass_index, group)
        ):
            yield (index, split, shard), portion
        left_out.append((index, split, made.num_left_out))
    return left_out


def _corpus_of(documents: list[Document], *, vocab_size: int) -> Corpus:
    lengths = [np.frombuffer(document[3], _LENGTHS_DTYPE) for document in documents]
    return Corpus(
        tokens=np.frombuffer(b"".join(d[2] for d in documents), token_dtype(vocab_size)),
        sentence_starts=np.cumsum(np.concatenate([np.zeros(1, np.int64), *lengths])),
        document_starts=np.cumsum([0, *map(len, lengths)]),
    )


def _pairs_of(corpus: Corpus, recipe: Recipe, pass_index: int) -> DocumentPairs:
    """Returns what one pass makes of all documents of a group."""
    everyone = np.arange(corpus.num_documents)
    made = [
        pairs_of_document(corpus, everyone, rank, recipe=recipe, pass_index=pass_index)
        for rank in range(corpus.num_documents)
    ]
    num_left_out = sum(of_document.num_left_out for of_document in made)
    return DocumentPairs(np.concatenate([m.pairs for m in made]), num_left_out)


def write_shard(
    key: ShardKey, portions: Iterable[Portion], *, job: Job, plan: Plan
) -> WrittenShard:
    """Writes a shard under its temporary name; see `beam_shards.write_shard`."""
    index, split, number = key
    shard, counts = beam_shards.write_shard(
        portions,
        name=records.shard_name(split, number, plan.num_shards[index, split]),
        recipe=job.recipes[index],
        settings=job.settings,
        vocabulary=job.vocabulary,
    )
    return (*key, dataclasses.asdict(shard), dataclasses.asdict(counts))


def write_info(
    index: int,
    found: Sequence[PieceFacts],
    left_out: Iterable[LeftOut],
    written: Iterable[WrittenShard],
    *,
    job: Job,
    plan: Plan,
) -> None:
    """Writes the `dataset_info.json` of one recipe under its temporary name.

    Args:
        index: of the recipe.
        found: of all pieces, in any order, as what follows.
        left_out: of all groups.
        written: all shards.
        job: what there is to do.
        plan: how it was divided.

    Raises:
        UserError: a shard is empty, or the file cannot be written.
    """
    recipe, recorded = job.recipes[index], job.recorded[index]
    shards = sorted((s[1:] for s in written if s[0] == index), key=operator.itemgetter(0, 1))
    splits = {}
    for split in job.passes:
        of_split = [shard[1:] for shard in shards if shard[0] == split]
        _check_shards(split, [number for number, _, _ in of_split], plan.num_shards[index, split])
        counts = (RecordCounts(**counts) for _, _, counts in of_split)
        splits[split] = WrittenSplit(
            shards=tuple(Shard(**shard) for _, shard, _ in of_split),
            counts=functools.reduce(operator.add, counts),
            num_documents=sum(facts["documents"][split] for _, facts in found),
            num_left_out=sum(n for i, s, n in left_out if (i, s) == (index, split)),
        )
    facts, report = beam_plan.sum_facts(found), beam_plan.sum_reports(found)
    report.add(job.listed)
    info = dataset_summary.make_info(
        job.settings,
        recipe,
        vocab_size=len(job.vocabulary),
        vocab_sha256=job.vocab_sha256,
        recorded=recorded,
        facts=facts,
        report=report,
        written=splits,
    )
    path = os.path.join(job.settings.folder_of(recipe), dataset_info.FILE_NAME)
    with file_errors.writing(path):
        records.write_partial_text(path, info.to_json())


def _check_shards(split: str, numbers: list[int], num_shards: int) -> None:
    if not numbers:
        raise UserError(
            f"The {split} split has no sentence pair: each of its documents is a single token, and "
            "a pair takes two. Give longer documents."
        )
    if len(numbers) < num_shards:
        raise UserError(
            f"--num_shards: only {len(numbers)} of {num_shards} files of the {split} split got any "
            f"record; none may be empty. Set --num_shards={max(1, len(numbers) // 8)}, or give "
            "more text."
        )
