"""What is said about a data set: statistics for its info file, a summary, and notes on oddities."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mslt_tf.dataset_info import DatasetInfo, Shard
from tfrecords_tools.console import say
from tfrecords_tools.dataset import record_statistics
from tfrecords_tools.dataset.record_statistics import RecordCounts
from tfrecords_tools.dataset.splits import HELDOUT, TRAIN, Split
from tfrecords_tools.dataset.token_store import StoreFacts
from tfrecords_tools.recipe.corpus import Corpus
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings
from tfrecords_tools.text.read_report import ReadReport

_FEW_HELDOUT_RECORDS = 100
_MUCH_RANDOM_NEXT = 0.65  # BERT: about half
_MANY_UNKNOWN = 0.05  # share of [UNK] above which vocabulary and text hardly belong together


@dataclasses.dataclass(frozen=True)
class WrittenSplit:
    """The shards of a split, still under their temporary names, and what is in them."""

    shards: tuple[Shard, ...]
    counts: RecordCounts
    num_documents: int
    num_left_out: int  # single tokens that made no pair, over all passes; sop only


def note_few_predictions(recipe: Recipe) -> None:
    """Points out a number of predictions that does not fit the length."""
    wanted = round(recipe.max_seq_length * recipe.masked_lm_prob)
    # BERT's own 20 at length 128 is close enough; a copied 20 at length 512 is not.
    if recipe.max_predictions_per_seq < 0.9 * wanted:
        say(
            f"note: --max_predictions_per_seq={recipe.max_predictions_per_seq} caps the "
            f"predictions of a full record, which would have {wanted} by --masked_lm_prob="
            f"{recipe.masked_lm_prob}."
        )


def make_info(
    settings: DatasetSettings,
    recipe: Recipe,
    *,
    vocab_size: int,
    vocab_sha256: str,
    recorded: dict[str, Any],
    facts: StoreFacts,
    report: ReadReport,
    written: Mapping[str, WrittenSplit],
) -> DatasetInfo:
    """Returns the content of one recipe's `dataset_info.json`.

    Args:
        settings: of all recipes.
        recipe: this one.
        vocab_size: of the vocabulary.
        vocab_sha256: its hash.
        recorded: the settings as they are to be found again.
        facts: of the text.
        report: of what reading the text left out.
        written: the shards of each split.
    """
    return DatasetInfo(
        max_seq_length=recipe.max_seq_length,
        max_predictions_per_seq=recipe.max_predictions_per_seq,
        vocab_size=vocab_size,
        vocab_sha256=vocab_sha256,
        source_sha256=_source_sha256(settings, recipe, facts, vocab_sha256=vocab_sha256),
        splits={name: split.shards for name, split in written.items()},
        feature_names=settings.feature_names,
        compression=settings.compression,
        sentence_objective=recipe.sentence_objective,
        settings=recorded,
        statistics=_statistics(facts, report, written, recipe),
    )


def _source_sha256(
    settings: DatasetSettings, recipe: Recipe, facts: StoreFacts, *, vocab_sha256: str
) -> str:
    """Returns a fingerprint of all that decides the records, so equal ones mean equal files."""
    known = settings.to_record(recipe) | {"documents": facts.sha256, "vocabulary": vocab_sha256}
    for name in dataclasses.asdict(settings.text):  # where documents were found changes nothing
        del known[name]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def _statistics(
    facts: StoreFacts, report: ReadReport, written: Mapping[str, WrittenSplit], recipe: Recipe
) -> dict[str, Any]:
    """Returns the statistics of the corpus, and of each split."""
    of_corpus = {
        "documents": facts.num_documents,
        "sentences": facts.num_sentences,
        "tokens": facts.num_tokens,
        "unknown_token_rate": round(facts.num_unknown_tokens / facts.num_tokens, 5),
        "empty_documents_dropped": facts.num_empty_documents,
        "empty_sentences_dropped": facts.num_empty_sentences,
        "reading": report.to_json(),
    }
    of_splits = {}
    for name, split in written.items():
        found: dict[str, Any] = {"documents": split.num_documents}
        if recipe.sentence_objective == "sop":
            found["single_tokens_left_out"] = split.num_left_out
        of_splits[name] = found | record_statistics.rates(split.counts, recipe.sentence_objective)
    return of_corpus | of_splits


def say_summary(folder: str, info: DatasetInfo) -> None:
    """Says what the data set in `folder` holds and what was left out of it."""
    facts = info.statistics
    say(
        f"{folder}: {facts['documents']:,} documents, {facts['sentences']:,} sentences, "
        f"{facts['tokens']:,} tokens; {facts['unknown_token_rate']:.2%} of them [UNK]"
    )
    say(
        f"dropped: {facts['empty_documents_dropped']:,} documents and "
        f"{facts['empty_sentences_dropped']:,} sentences without any token"
    )
    for line in ReadReport(**facts["reading"]).describe():
        say(f"  {line}")
    if facts["unknown_token_rate"] > _MANY_UNKNOWN:
        say("note: many unknown tokens. Do --do_lower_case and the vocabulary suit the text?")
    for name, shards in info.splits.items():
        of_split, num_bytes = facts[name], sum(shard.num_bytes for shard in shards)
        say(
            f"{name}: {of_split['documents']:,} documents; {len(shards)} file(s), "
            f"{num_bytes / 1e6:,.1f} MB"
        )
        for line in record_statistics.describe(of_split, info.sentence_objective):
            say(f"  {line}")
        if "single_tokens_left_out" in of_split:
            say(
                f"  left out         {of_split['single_tokens_left_out']:,} single tokens at the "
                "end of a document, which make no pair"
            )


def note_odd_splits(
    info: DatasetInfo, splits: list[Split], corpus: Corpus, *, settings: DatasetSettings
) -> None:
    """Points out a held-out part that measures badly, and documents without next sentences."""
    random_next = info.statistics[TRAIN].get("random_next_rate", 0.0)  # "sop" has none
    if random_next > _MUCH_RANDOM_NEXT:
        say(
            f"note: {random_next:.0%} of the train records have a random next sentence; about 50 % "
            "is usual. Many documents are very short: does a blank line stand between paragraphs? "
            "It must end a document only; for books there is --text_format=book."
        )
    for split in splits:
        if split.name == HELDOUT:
            _note_odd_heldout(info.statistics[HELDOUT]["records"], split, corpus, settings)


def _note_odd_heldout(
    num_records: int, split: Split, corpus: Corpus, settings: DatasetSettings
) -> None:
    if num_records < _FEW_HELDOUT_RECORDS:
        say(
            f"note: heldout has {num_records} records; fewer than {_FEW_HELDOUT_RECORDS} "
            "measure little. Raise --heldout_fraction or give more text."
        )
    share = corpus.count_tokens(split.documents) / len(corpus.tokens)
    if not 0.5 <= share / settings.heldout_fraction <= 2:
        say(
            f"note: heldout has {share:.2%} of the tokens; --heldout_fraction="
            f"{settings.heldout_fraction} asks for {settings.heldout_fraction:.2%} of the "
            "documents. Documents are few or differ much in length: give more of them, or try "
            "another --random_seed."
        )
