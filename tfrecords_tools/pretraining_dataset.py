"""Creates a folder of pretraining records: read, tokenise, split, pair, shuffle, mask, write.

The folder's `dataset_info.json` gets its name last; where it stands, the data set is complete.
"""

import dataclasses
import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from mslt_tf import dataset_info
from mslt_tf.errors import UserError
from mslt_tf.pretraining_example import SentenceObjective
from tfrecords_tools import (
    corpus,
    masking,
    output_folder,
    recipe,
    record_statistics,
    records,
    tokenization,
)
from tfrecords_tools.console import Progress, say
from tfrecords_tools.record_statistics import RecordCounts
from tfrecords_tools.settings import DatasetSettings
from tfrecords_tools.splits import HELDOUT, TRAIN, Split, make_splits

_BATCH_RECORDS = 1_024  # masked at once
_FEW_HELDOUT_RECORDS = 100
_MUCH_RANDOM_NEXT = 0.65  # BERT: about half
_MANY_UNKNOWN = 0.05  # share of [UNK] above which vocabulary and text hardly belong together


@dataclasses.dataclass(frozen=True)
class WrittenSplit:
    """The shards of a split, still under their temporary names, and what is in them."""

    shards: tuple[dataset_info.Shard, ...]
    counts: RecordCounts


def create(settings: DatasetSettings) -> dataset_info.DatasetInfo:
    """Creates the data set unless it is there already, and returns what it holds.

    Raises:
        UserError: input, vocabulary or settings do not do, or the folder holds other records.
    """
    begin = time.monotonic()
    vocabulary = tokenization.read_vocabulary(settings.vocab_file)
    recorded = settings.to_record() | corpus.describe_input(settings.input)
    vocab_sha256 = dataset_info.hash_vocabulary(vocabulary)
    finished = output_folder.find_finished(settings.output_dir, recorded, vocab_sha256=vocab_sha256)
    if finished is not None:
        say(f"{settings.output_dir} holds these records already; nothing to do.")
        return finished
    finished = output_folder.finish_interrupted(
        settings.output_dir, recorded, vocab_sha256=vocab_sha256
    )
    if finished is not None:
        say(
            f"{settings.output_dir} holds these records: named the files of a run that was stopped."
        )
        return finished
    output_folder.prepare(settings.output_dir)
    _note_few_predictions(settings.recipe)

    documents = _read_and_tokenize(settings, vocabulary)
    splits = make_splits(documents.corpus, settings)
    special = tokenization.special_tokens(vocabulary)
    written = {
        split.name: _write_split(split, documents.corpus, settings=settings, special=special)
        for split in splits
    }
    info = dataset_info.DatasetInfo(
        max_seq_length=settings.recipe.max_seq_length,
        max_predictions_per_seq=settings.recipe.max_predictions_per_seq,
        vocab_size=len(vocabulary),
        vocab_sha256=vocab_sha256,
        source_sha256=_source_sha256(settings, documents, vocab_sha256=vocab_sha256),
        splits={name: split.shards for name, split in written.items()},
        sentence_objective=settings.recipe.sentence_objective,
        settings=recorded,
        statistics=_statistics(
            documents,
            splits,
            written,
            unk_id=vocabulary.index("[UNK]"),
            sentence_objective=settings.recipe.sentence_objective,
        ),
    )
    output_folder.publish(settings.output_dir, info)
    _say_summary(info, written, seconds=time.monotonic() - begin)
    _note_odd_splits(info, splits, documents.corpus, settings=settings)
    return info


def _note_few_predictions(settings: recipe.Recipe) -> None:
    wanted = round(settings.max_seq_length * settings.masked_lm_prob)
    # BERT's own 20 at length 128 is close enough; a copied 20 at length 512 is not.
    if settings.max_predictions_per_seq < 0.9 * wanted:
        say(
            f"note: --max_predictions_per_seq={settings.max_predictions_per_seq} caps the "
            f"predictions of a full record, which would have {wanted} by --masked_lm_prob="
            f"{settings.masked_lm_prob}."
        )


def _read_and_tokenize(
    settings: DatasetSettings, vocabulary: list[str]
) -> tokenization.TokenizedDocuments:
    tokenizer = tokenization.make_tokenizer(vocabulary, do_lower_case=settings.do_lower_case)
    progress = Progress("read and tokenise", unit="bytes", total=corpus.count_bytes(settings.input))
    documents = tokenization.tokenize_documents(
        corpus.read_documents(settings.input, advance=progress.advance), tokenizer
    )
    progress.finish()
    if not documents.corpus.num_documents:
        raise UserError(
            f"--input {settings.input} holds no text: {documents.num_empty_documents} document(s), "
            "none with a word in it. Give text files with some text in them."
        )
    return documents


def _write_split(
    split: Split,
    tokenized: recipe.Corpus,
    *,
    settings: DatasetSettings,
    special: masking.SpecialTokens,
) -> WrittenSplit:
    """Writes a split's shards under their temporary names."""
    progress = Progress(f"write {split.name}", unit="records", total=len(split.pairs))
    counts = RecordCounts()

    def batches(pairs: npt.NDArray[Any]) -> Iterator[masking.Features]:
        nonlocal counts
        for begin in range(0, len(pairs), _BATCH_RECORDS):
            features = masking.make_features(
                tokenized.tokens,
                pairs[begin : begin + _BATCH_RECORDS],
                recipe=settings.recipe,
                special=special,
            )
            yield features
            counts += record_statistics.count_records(features, mask_id=special.mask_id)
            progress.advance(len(features.input_ids))

    shards = []
    for index, pairs in enumerate(np.array_split(split.pairs, split.num_shards)):
        name = records.shard_name(split.name, index, split.num_shards)
        shards.append(
            records.write_partial_shard(settings.output_dir, name, batches=batches(pairs))
        )
    progress.finish()
    return WrittenSplit(tuple(shards), counts)


def _statistics(
    documents: tokenization.TokenizedDocuments,
    splits: list[Split],
    written: dict[str, WrittenSplit],
    *,
    unk_id: int,
    sentence_objective: SentenceObjective,
) -> dict[str, Any]:
    """Returns the statistics for `dataset_info.json`: of the corpus, and of each split."""
    unknown_rate = float(np.mean(documents.corpus.tokens == unk_id))
    of_corpus = {
        "documents": documents.corpus.num_documents,
        "sentences": documents.corpus.num_sentences,
        "tokens": len(documents.corpus.tokens),
        "unknown_token_rate": round(unknown_rate, 5),
        "empty_documents_dropped": documents.num_empty_documents,
        "empty_sentences_dropped": documents.num_empty_sentences,
    }
    of_splits = {}
    for split in splits:
        facts = {"documents": len(split.documents)}
        if sentence_objective == "sop":
            facts["single_tokens_left_out"] = split.num_left_out
        counts = written[split.name].counts
        of_splits[split.name] = facts | record_statistics.rates(counts, sentence_objective)
    return of_corpus | of_splits


def _source_sha256(
    settings: DatasetSettings, documents: tokenization.TokenizedDocuments, *, vocab_sha256: str
) -> str:
    """Returns a fingerprint of all that decides the records, so equal ones mean equal files."""
    facts = settings.to_record() | {"documents": documents.sha256, "vocabulary": vocab_sha256}
    del facts["input"]  # where the documents were found does not change them
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _say_summary(
    info: dataset_info.DatasetInfo, written: dict[str, WrittenSplit], *, seconds: float
) -> None:
    facts = info.statistics
    say(
        f"{facts['documents']:,} documents, {facts['sentences']:,} sentences, "
        f"{facts['tokens']:,} tokens; {facts['unknown_token_rate']:.2%} of them [UNK]"
    )
    say(
        f"dropped: {facts['empty_documents_dropped']:,} documents and "
        f"{facts['empty_sentences_dropped']:,} sentences without any token"
    )
    if facts["unknown_token_rate"] > _MANY_UNKNOWN:
        say("note: many unknown tokens. Do --do_lower_case and the vocabulary suit the text?")
    for name, split in written.items():
        say(f"{name}: {facts[name]['documents']:,} documents")
        for line in record_statistics.describe(split.counts, info.sentence_objective):
            say(f"  {line}")
        if "single_tokens_left_out" in facts[name]:
            say(
                f"  left out         {facts[name]['single_tokens_left_out']:,} single tokens at "
                "the end of a document, which make no pair"
            )
    say(f"done in {seconds:,.1f} s")


def _note_odd_splits(
    info: dataset_info.DatasetInfo,
    splits: list[Split],
    tokenized: recipe.Corpus,
    *,
    settings: DatasetSettings,
) -> None:
    """Points out a held-out part that measures badly, and documents without next sentences."""
    random_next = info.statistics[TRAIN].get("random_next_rate", 0.0)  # "sop" has none
    if random_next > _MUCH_RANDOM_NEXT:
        say(
            f"note: {random_next:.0%} of the train records have a random next sentence; about 50 % "
            "is usual. Many documents are very short: does a blank line stand between paragraphs? "
            "It must end a document only."
        )
    for split in splits:
        if split.name != HELDOUT:
            continue
        if len(split.pairs) < _FEW_HELDOUT_RECORDS:
            say(
                f"note: heldout has {len(split.pairs)} records; fewer than {_FEW_HELDOUT_RECORDS} "
                "measure little. Raise --heldout_fraction or give more text."
            )
        share = recipe.count_tokens(tokenized, split.documents) / len(tokenized.tokens)
        if not 0.5 <= share / settings.heldout_fraction <= 2:
            say(
                f"note: heldout has {share:.2%} of the tokens; --heldout_fraction="
                f"{settings.heldout_fraction} asks for {settings.heldout_fraction:.2%} of the "
                "documents. Documents are few or differ much in length: give more of them, or try "
                "another --random_seed."
            )
