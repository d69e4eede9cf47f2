"""What of the recipe does not suit the text, and the cause of it that was measured."""

from collections.abc import Sequence

import numpy as np

from mslt_tf.dataset_info import DatasetInfo
from mslt_tf.terminal import say
from tfrecords_tools.dataset.splits import TRAIN
from tfrecords_tools.recipe import whole_words
from tfrecords_tools.recipe.corpus import Corpus
from tfrecords_tools.text.sentences.sentence_ends import SentenceSplitting

_MUCH_RANDOM_NEXT = 0.65  # BERT: about half
_FEW_SENTENCES = 4  # in 1,000 characters that are no blanks; English has about 9
_FEW_SENTENCES_PER_DOCUMENT = 3
_SENTENCES_PER_RECORD = 3  # at least, for a choice of where the second segment begins
_FEW_CONTINUATIONS = 0.02  # share of the tokens; 0.09 in English, 0.01 in Chinese
_SAMPLES, _SAMPLE_TOKENS = 64, 16_384


def note_random_next(info: DatasetInfo, sentence_splitting: SentenceSplitting) -> None:
    """Points out that many second segments are random, and why."""
    random_next = info.statistics[TRAIN].get("random_next_rate", 0.0)  # "sop" has none
    if random_next > _MUCH_RANDOM_NEXT:
        say(
            f"note: {random_next:.0%} of the train records have a random next sentence; about 50 % "
            f"is usual. {_why_random_next(info, sentence_splitting)}"
        )


def _why_random_next(info: DatasetInfo, sentence_splitting: SentenceSplitting) -> str:
    facts = info.statistics
    per_text = 1_000 * facts["sentences"] / facts["characters"]
    per_document = facts["sentences"] / facts["documents"]
    tokens_per_sentence = facts["tokens"] / facts["sentences"]
    if per_text < _FEW_SENTENCES:
        return (
            f"Few sentence ends were found: {per_text:.1f} in 1,000 characters; English text has "
            f"about 9. {_advice_on_ends(sentence_splitting)}"
        )
    is_long = tokens_per_sentence * _SENTENCES_PER_RECORD > info.max_seq_length
    if is_long and per_document >= _FEW_SENTENCES_PER_DOCUMENT:
        return (
            f"Records are short for this text: a sentence has {tokens_per_sentence:.0f} tokens on "
            f"average, and a record takes {info.max_seq_length}. Raise --max_seq_length."
        )
    return (
        f"Many documents are very short, with {per_document:.1f} sentences on average. If they are "
        "parts of longer ones, give these: in plain text a blank line must end a document, not a "
        "paragraph; for books there is --text_format=book, for a sentence a row --documents_of."
    )


def _advice_on_ends(sentence_splitting: SentenceSplitting) -> str:
    if sentence_splitting == "line":
        return "Its lines are longer than sentences: leave out --sentence_splitting=line."
    return (
        "Give text with its full stops, or split it beforehand, a sentence a line, and set "
        "--sentence_splitting=line."
    )


def note_whole_words(corpus: Corpus, vocabulary: Sequence[str]) -> None:
    """Points out that whole words cannot be masked where the tokens are words already."""
    continues = whole_words.continuation_pieces(vocabulary)
    begins = np.linspace(0, len(corpus.tokens), _SAMPLES, endpoint=False, dtype=np.int64)
    numbers = [continues[corpus.tokens[begin : begin + _SAMPLE_TOKENS]] for begin in begins]
    share = float(np.concatenate(numbers).mean())
    if share < _FEW_CONTINUATIONS:
        say(
            f"note: --whole_word_masking does here what token masking does: only {share:.1%} of "
            "the tokens continue a word (##...). It is for vocabularies that take words apart; "
            "those of Chinese have a token for each character, and where words end is not known."
        )
