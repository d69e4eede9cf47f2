"""Learns a WordPiece vocabulary: counts words as BERT's tokenizer has them, picks pieces."""

import collections
import time
from collections.abc import Callable, Iterable, Iterator

import tensorflow as tf
import tensorflow_text as tf_text

# The learner behind keras_nlp's compute_word_piece_vocabulary. That function takes no counts, and
# would split words in a slower and slightly different way than FastBertTokenizer.
from tensorflow_text.tools.wordpiece_vocab import wordpiece_tokenizer_learner_lib as learner

from mslt_tf.errors import UserError
from mslt_tf.vocabulary import SPECIAL_TOKENS
from tfrecords_tools import corpus, records
from tfrecords_tools.build_vocab import VocabularySettings
from tfrecords_tools.console import Progress, say

# The learner's time grows with the words. Rarer ones than these hardly move a piece's count.
_WORDS_PER_TOKEN = 8
_MAX_CHARACTERS = 1_000  # the learner's default: rarer characters become [UNK]
_BATCH_LINES = 1_024


def build(settings: VocabularySettings) -> list[str]:
    """Writes the vocabulary file and returns its tokens.

    Raises:
        UserError: the file exists, or the input has no words.
    """
    begin = time.monotonic()
    if tf.io.gfile.exists(settings.vocab_file):
        raise UserError(
            f"--vocab_file {settings.vocab_file} exists already. Records made with it would become "
            "unreadable by another one: give another name, or remove it."
        )
    progress = Progress("count words", unit="bytes", total=corpus.count_bytes(settings.input))
    documents = corpus.read_documents(settings.input, advance=progress.advance)
    lines = (line for document in documents for line in document)
    counts = count_words(lines, do_lower_case=settings.do_lower_case)
    progress.finish()
    if not counts:
        raise UserError(
            f"--input {settings.input} holds no words. Give text files with some text in them."
        )
    say(f"{len(counts):,} different words, {counts.total():,} in all; choosing word pieces ...")
    vocabulary = learn(counts, vocab_size=settings.vocab_size)
    folder = settings.vocab_file.rpartition("/")[0]
    if folder:
        tf.io.gfile.makedirs(folder)
    records.write_text(settings.vocab_file, "".join(f"{token}\n" for token in vocabulary))
    say(f"{settings.vocab_file}: {len(vocabulary):,} tokens, in {time.monotonic() - begin:,.1f} s")
    if len(vocabulary) < settings.vocab_size:
        say(
            f"note: that is fewer than --vocab_size={settings.vocab_size}: the text has no more "
            "pieces that are frequent enough, or the search came within 5 % and stopped."
        )
    return vocabulary


def count_words(lines: Iterable[str], *, do_lower_case: bool) -> collections.Counter[str]:
    """Returns how often each word occurs, normalised and split as FastBertTokenizer does it."""
    normalize = _normalizer(do_lower_case)
    # These two are the halves of FastBertTokenizer. With a vocabulary of one character that no
    # text has, every word is one unknown token, whose offsets tell where the word stands.
    splitter = tf_text.FastWordpieceTokenizer(
        ["[UNK]", "\U0010ffff"], token_out_type=tf.int32, no_pretokenization=False
    )
    counts: collections.Counter[bytes] = collections.Counter()
    for batch in _batches(lines):
        texts = normalize(tf.constant(batch))  # [lines]
        _, starts, ends = splitter.tokenize_with_offsets(texts)  # each [lines, (words)]
        for text, begins, stops in zip(
            texts.numpy(), starts.to_list(), ends.to_list(), strict=True
        ):
            counts.update([text[begin:stop] for begin, stop in zip(begins, stops, strict=True)])
    return collections.Counter({word.decode("utf-8"): count for word, count in counts.items()})


def learn(counts: collections.Counter[str], *, vocab_size: int) -> list[str]:
    """Returns at most `vocab_size` tokens: special ones, characters, pieces by frequency."""
    # By frequency, then alphabetically: the result does not depend on the order of reading.
    words = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    words = words[: _WORDS_PER_TOKEN * vocab_size]
    never_inside = _never_inside(words)
    # All but a few pieces are whole words, so the threshold lies between the counts of these two.
    lower = words[min(vocab_size, len(words)) - 1][1]
    upper = words[min(vocab_size // _WORDS_PER_TOKEN, len(words)) - 1][1]
    vocabulary = learner.learn(
        words,
        vocab_size + len(never_inside),
        list(SPECIAL_TOKENS),
        lower_thresh=max(2, lower),
        upper_thresh=max(2, upper),
        # A character takes two tokens, to begin and to continue a word; a third is left to pieces.
        max_unique_chars=min(_MAX_CHARACTERS, vocab_size // 3),
    )
    return _cut([token for token in vocabulary if token not in never_inside], vocab_size)


def _cut(vocabulary: list[str], vocab_size: int) -> list[str]:
    """Returns `vocabulary` without its rarest pieces, which stand last, if it is too long.

    Single characters stay, however rare: without them whole words would become unknown.
    """
    excess = len(vocabulary) - vocab_size
    if excess <= 0:
        return vocabulary
    pieces = [
        token for token in vocabulary[len(SPECIAL_TOKENS) :] if len(token.removeprefix("##")) > 1
    ]
    dropped = set(pieces[-excess:])
    return [token for token in vocabulary if token not in dropped]


def _never_inside(words: list[tuple[str, int]]) -> set[str]:
    """Returns the pieces "##c" that no text can need, as c never stands inside a word.

    The learner makes them of punctuation marks and Chinese characters, which are words themselves.
    """
    characters = {character for word, _ in words for character in word}
    inside = {character for word, _ in words for character in word[1:]}
    return {f"##{character}" for character in characters - inside}


def _normalizer(do_lower_case: bool) -> Callable[[tf.Tensor], tf.Tensor]:
    normalizer = tf_text.FastBertNormalizer(lower_case_nfd_strip_accents=do_lower_case)
    normalize: Callable[[tf.Tensor], tf.Tensor] = normalizer.normalize
    return normalize


def _batches(lines: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for line in lines:
        batch.append(line)
        if len(batch) == _BATCH_LINES:
            yield batch
            batch = []
    if batch:
        yield batch
