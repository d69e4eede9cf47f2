"""What is said about a data set: statistics for its info file, a summary, and notes on oddities."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from mslt_tf.dataset_info import DatasetInfo, Shard
from mslt_tf.terminal import say
from tfrecords_tools import unknown_words, vocabulary_notes
from tfrecords_tools.dataset import recipe_notes, record_statistics
from tfrecords_tools.dataset.record_statistics import RecordCounts
from tfrecords_tools.dataset.splits import HELDOUT, Split
from tfrecords_tools.dataset.token_store import StoreFacts
from tfrecords_tools.recipe.corpus import Corpus
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings
from tfrecords_tools.text.read_report import ReadReport

_FEW_HELDOUT_RECORDS = 100
_MANY_UNKNOWN = 0.05  # share of [UNK] above which vocabulary and text hardly belong together
_MANY_UNKNOWN_CHARACTERS = 0.02  # a long word is one [UNK]
_MANY_REPEATED = 0.01  # share of the documents


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


def note_vocabulary(vocabulary: Sequence[str], settings: DatasetSettings) -> None:
    """Points out tokens that no text will give."""
    for note in vocabulary_notes.describe_oddities(vocabulary, settings.text_case):
        say(f"note: {note}")


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
        "characters": facts.unknown.characters,
        **unknown_words.rates(facts.unknown),
        "empty_documents_dropped": facts.num_empty_documents,
        "empty_sentences_dropped": facts.num_empty_sentences,
        "reading": report.to_json(),
    }
    if facts.num_repeated_documents is not None:
        of_corpus["repeated_documents"] = facts.num_repeated_documents
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
        f"{facts['tokens']:,} tokens; {facts['unknown_token_rate']:.2%} of them [UNK], for "
        f"{facts['unknown_character_rate']:.2%} of the characters"
    )
    number = info.settings.get("documents_of", 1)
    if number > 1:
        say(f"documents: {number:,} rows, objects, lines or examples make one, by --documents_of")
    say(
        f"dropped: {facts['empty_documents_dropped']:,} documents and "
        f"{facts['empty_sentences_dropped']:,} sentences without any token"
    )
    for line in ReadReport(**facts["reading"]).describe():
        say(f"  {line}")
    _note_unknown(facts)
    _say_repeated(facts, is_dropped=bool(info.settings.get("drop_duplicates")))
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


def _note_unknown(facts: Mapping[str, Any]) -> None:
    """Points out that vocabulary and text hardly belong together, and likely causes."""
    if (
        facts["unknown_token_rate"] <= _MANY_UNKNOWN
        and facts["unknown_character_rate"] <= _MANY_UNKNOWN_CHARACTERS
    ):
        return
    causes = list(unknown_words.describe_causes(facts))
    advice = " ".join(causes) or "Do --do_lower_case and the vocabulary suit the text?"
    say(
        f"note: many unknown tokens: {facts['unknown_character_rate']:.1%} of the characters "
        f"stand in words that became [UNK]. {advice}"
    )


def _say_repeated(facts: Mapping[str, Any], *, is_dropped: bool) -> None:
    """Says how many documents stand there again, and what became of them."""
    num_repeated = facts.get("repeated_documents")  # Beam's records have none
    if not num_repeated:
        return
    share = num_repeated / facts["documents"]
    if is_dropped:
        say(f"dropped: {num_repeated:,} documents that are an earlier one again ({share:.1%})")
    elif share > _MANY_REPEATED:
        say(
            f"note: {num_repeated:,} of {facts['documents']:,} documents ({share:.1%}) are an "
            "earlier one again, letter for letter. A model learns repeated text by heart; "
            "--drop_duplicates leaves it out."
        )
    else:
        say(f"repeated: {num_repeated:,} documents are an earlier one again")


def note_odd_splits(
    info: DatasetInfo, splits: list[Split], corpus: Corpus, *, settings: DatasetSettings
) -> None:
    """Points out a held-out part that measures badly, and records without next sentences."""
    recipe_notes.note_random_next(info, settings.sentence_splitting)
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
