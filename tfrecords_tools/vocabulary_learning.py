"""Learns a WordPiece vocabulary: counts words as BERT's tokenizer has them, picks pieces."""

import collections
import time
from collections.abc import Iterable, Iterator

import tensorflow as tf

# The learner behind keras_nlp's compute_word_piece_vocabulary. That function takes no counts, and
# would split words in a slower and slightly different way than BERT.
from tensorflow_text.tools.wordpiece_vocab import wordpiece_tokenizer_learner_lib as learner

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, new_file
from mslt_tf.terminal import say
from mslt_tf.text_case import TextCase
from mslt_tf.tokenization.normalization import MAX_WORD_CHARACTERS
from mslt_tf.tokenization.wordpiece import WordSplitter
from mslt_tf.vocabulary import SPECIAL_TOKENS
from tfrecords_tools.progress import Progress
from tfrecords_tools.settings import VocabularySettings
from tfrecords_tools.text.pieces import text_pieces
from tfrecords_tools.text.read_report import ReadReport

# The learner's time grows with the words. Rarer ones than these hardly move a piece's count.
_WORDS_PER_TOKEN = 8
# Share of the tokens that single characters may take; the rest is left to longer pieces.
_CHARACTER_SHARE = 2 / 3
_BATCH_LINES = 1_024
_BATCH_CHARACTERS = 1 << 22  # a line may have a million


def build(settings: VocabularySettings) -> list[str]:
    """Writes the vocabulary file and returns its tokens.

    Raises:
        UserError: the file exists or cannot be written, the input has no words, or its alphabet is
            too large for `vocab_size`.
    """
    begin = time.monotonic()
    _prepare(settings.vocab_file)
    report = ReadReport()
    counts = count_words(_read_lines(settings, report), settings.text_case)
    for line in report.describe():
        say(line)
    if not counts:
        text = settings.text.input or settings.text.tfds
        raise UserError(f"{text} holds no words. Give --input with some text in it.")
    say(f"{len(counts):,} different words, {counts.total():,} in all; choosing word pieces ...")
    vocabulary = learn(counts, vocab_size=settings.vocab_size)
    with file_errors.writing(f"--vocab_file {settings.vocab_file}"):
        text = "".join(f"{token}\n" for token in vocabulary)
        _check_own(settings.vocab_file, new_file.write(settings.vocab_file, text))
    say(f"{settings.vocab_file}: {len(vocabulary):,} tokens, in {time.monotonic() - begin:,.1f} s")
    for note in _notes(vocabulary, counts, vocab_size=settings.vocab_size):
        say(f"note: {note}")
    return vocabulary


def _read_lines(settings: VocabularySettings, report: ReadReport) -> Iterator[str]:
    """Yields the lines of all documents; shows the progress and fills the report."""
    files = text_pieces.find_input(
        settings.text, own=[settings.vocab_file], on_error=settings.on_error
    )
    for line in files.describe():
        say(line)
    pieces = text_pieces.list_pieces(
        settings.text, files=files, on_error=settings.on_error, report=report
    )
    total = text_pieces.count_bytes(pieces)
    progress = Progress("count words", unit="bytes", total=total)
    for piece in pieces:
        documents = text_pieces.read_piece(
            piece, on_error=settings.on_error, advance=progress.advance, report=report
        )
        for document in documents:
            yield from document
    progress.finish()


def _prepare(vocab_file: str) -> None:
    """Makes sure, before the work, that `vocab_file` does not exist and can be written."""
    with file_errors.writing(f"--vocab_file {vocab_file}"):
        exists = tf.io.gfile.exists(vocab_file)
        if not exists:
            folder = vocab_file.rpartition("/")[0]
            if folder:
                tf.io.gfile.makedirs(folder)
            new_file.check_writable(vocab_file)
    if exists:
        raise UserError(
            f"--vocab_file {vocab_file} exists already. Records made with it would become "
            "unreadable by another one: give another name, or remove it."
        )


def _check_own(vocab_file: str, written: str) -> None:
    """Checks that the vocabulary got its name."""
    if written != vocab_file:
        raise UserError(
            f"--vocab_file {vocab_file} was made by another program while this one worked, and was "
            f"left as it is. The vocabulary that was learned here is {written}. Remove one of the "
            "two, or give it another name."
        )


def _notes(
    vocabulary: list[str], counts: collections.Counter[str], *, vocab_size: int
) -> Iterator[str]:
    """Yields what a person should know about a vocabulary that is not quite as asked for."""
    if len(vocabulary) < vocab_size:
        yield (
            f"that is fewer than --vocab_size={vocab_size}: pieces are taken down to some "
            "frequency, 2 at the least, and the search for it stops within 5 % of the size. Give "
            f"run_pretraining --vocab_size={len(vocabulary)}."
        )
    characters = {character for word in counts for character in word}
    missing = characters.difference(vocabulary)
    if missing:
        lost = sum(count for word, count in counts.items() if not missing.isdisjoint(word))
        yield (
            f"{len(missing):,} of {len(characters):,} different characters, the rarest, got no "
            f"token. Words with one of them, {lost / counts.total():.2%} of the text's, become "
            "[UNK]. A larger --vocab_size keeps more."
        )


def count_words(lines: Iterable[str], case: TextCase) -> collections.Counter[str]:
    """Returns how often each word occurs, but for those that are [UNK] for their length."""
    splitter = WordSplitter(case)
    counts: collections.Counter[str] = collections.Counter()
    for batch in _batches(lines):
        for words in splitter.words(batch):
            counts.update(word for word in words if len(word) <= MAX_WORD_CHARACTERS)
    return counts


def learn(counts: collections.Counter[str], *, vocab_size: int) -> list[str]:
    """Returns at most `vocab_size` tokens: special ones, characters, pieces by frequency.

    Raises:
        UserError: no word can be written in the characters that `vocab_size` has room for.
    """
    # By frequency, then alphabetically: the result does not depend on the order of reading.
    words = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    words = words[: _WORDS_PER_TOKEN * vocab_size]
    alphabet = _alphabet(words, max_tokens=int(_CHARACTER_SHARE * vocab_size))
    # The learner would drop the others itself, but after the two thresholds below were chosen.
    words = [(word, count) for word, count in words if alphabet.issuperset(word)]
    if not words:
        raise UserError(
            f"--vocab_size={vocab_size} has room for {len(alphabet)} different characters, and "
            "every word of the text needs one more. Set it larger, to three times the characters."
        )
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
        max_unique_chars=len(alphabet),  # all that are left
    )
    return _cut([token for token in vocabulary if token not in never_inside], vocab_size)


def _alphabet(words: list[tuple[str, int]], *, max_tokens: int) -> set[str]:
    """Returns the most frequent characters that fit into `max_tokens`.

    A character takes two tokens, "c" and "##c", or one if no word has it but at the beginning.
    """
    frequency: collections.Counter[str] = collections.Counter()
    for word, count in words:
        for character in word:
            frequency[character] += count
    inside = {character for word, _ in words for character in word[1:]}
    alphabet: set[str] = set()
    for character, _ in sorted(frequency.items(), key=lambda item: (-item[1], item[0])):
        max_tokens -= 2 if character in inside else 1
        if max_tokens < 0:
            break
        alphabet.add(character)
    return alphabet


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


def _batches(lines: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if len(batch) == _BATCH_LINES or size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
