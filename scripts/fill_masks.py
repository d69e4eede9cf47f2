"""Lets an exported model guess masked words in sentences of held-out records.

  python -m scripts.fill_masks --records=demo/records --export=demo/run/export

One whole word is masked in each sentence; of those that the records mask, the first one.
"""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from absl import flags

from mslt_tf import path_flags, startup
from mslt_tf.bounds import Bounds, check_number
from mslt_tf.errors import UserError
from mslt_tf.vocabulary import CONTINUATION, SPECIAL_TOKENS

if TYPE_CHECKING:
    from tfrecords_tools.recipe.masking import Features

MASK = "[MASK]"
NUM_TOKENS = range(20, 45)  # long enough to give context
NUM_LETTERS = 3  # at the least, of a word that is asked for
NUM_GUESSES = 3


class Cloze(NamedTuple):
    """A sentence with one [MASK], and the word that stands there."""

    text: str
    word: str


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of this script."""
    path_flags.define_path(
        "records", "demo/records", "Folder of create_data.", flag_values=flag_values
    )
    path_flags.define_path(
        "vocab_file", "demo/vocab.txt", "The vocabulary of the records.", flag_values=flag_values
    )
    path_flags.define_path(
        "export", "demo/run/export", "Export of a run, or of run_export.", flag_values=flag_values
    )
    flags.DEFINE_integer("num_sentences", 3, "How many to fill.", flag_values=flag_values)


def main() -> None:
    """Prints sentences, the words that were masked, and what the model would put there."""
    check_number("--num_sentences", flags.FLAGS.num_sentences, Bounds(at_least=1))
    folder = Path(flags.FLAGS.export) / "bert" / "1"
    if not (folder / "saved_model.pb").exists():
        raise UserError(f"--export {flags.FLAGS.export} holds no bert/1. Give an export of a run.")
    clozes = _held_out(flags.FLAGS.records, flags.FLAGS.vocab_file)
    found = list(itertools.islice(clozes, flags.FLAGS.num_sentences))
    for cloze, guesses in zip(found, _fill(folder, [cloze.text for cloze in found]), strict=True):
        best = "   ".join(f"{token} {probability:.2f}" for token, probability in guesses)
        sys.stdout.write(f"  {cloze.text}\n    was: {cloze.word}   guessed: {best}\n")


def _held_out(folder: str, vocab_file: str) -> Iterator[Cloze]:
    """Yields sentences of the held-out records in which a whole word is masked.

    Raises:
        UserError: the folder is none of create_data, or there is no such vocabulary.
    """
    # It loads TensorFlow, which takes seconds.
    from tfrecords_tools import tokenization
    from tfrecords_tools.dataset import inspection

    info = inspection.read_info(folder)
    vocabulary = tokenization.read_vocabulary(vocab_file)
    paths = inspection.shard_paths(info, "heldout", input_dir=folder)
    for batch in inspection.read_batches(paths, info, num_records=sys.maxsize):
        for row in range(len(batch.input_ids)):
            tokens, masked = _first_segment(batch, row, vocabulary)
            cloze = make_cloze(tokens, masked) if len(tokens) in NUM_TOKENS else None
            if cloze is not None:
                yield cloze


def _first_segment(
    batch: "Features", row: int, vocabulary: list[str]
) -> tuple[list[str], list[int]]:
    """Returns the tokens of a record's first segment as they were, and which are masked there."""
    is_prediction = batch.masked_lm_weights[row] > 0
    positions = batch.masked_lm_positions[row][is_prediction]
    ids = batch.input_ids[row].copy()
    ids[positions] = batch.masked_lm_ids[row][is_prediction]
    in_first = (batch.input_mask[row] > 0) & (batch.segment_ids[row] == 0)
    end = int(in_first.sum()) - 1  # without its [SEP]
    tokens = [vocabulary[number] for number in ids[1:end]]  # without [CLS]
    return tokens, [int(position) - 1 for position in positions if position < end]


def make_cloze(tokens: list[str], masked: list[int]) -> Cloze | None:
    """Returns a sentence with its first masked whole word left out; None if it has none.

    >>> make_cloze(["the", "cat", "##s", "sat", "on", "the", "mat", "."], [1, 3])
    Cloze(text='the cats [MASK] on the mat .', word='sat')
    """
    if set(tokens) & set(SPECIAL_TOKENS):
        return None
    for position in masked:
        word, after = tokens[position], tokens[position + 1 :][:1]
        is_whole = word.isalpha() and not any(token.startswith(CONTINUATION) for token in after)
        if is_whole and len(word) >= NUM_LETTERS:
            text = " ".join([*tokens[:position], MASK, *tokens[position + 1 :]])
            return Cloze(text.replace(f" {CONTINUATION}", ""), word)
    return None


def _fill(folder: Path, texts: list[str]) -> Iterator[list[tuple[str, float]]]:
    """Yields for each text the likeliest tokens for its [MASK], and their probabilities."""
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  it has operations of the model

    if not texts:
        return
    model = tf.saved_model.load(str(folder))
    answer = model.signatures["fill_mask"](text=tf.constant(texts))
    for tokens, probabilities in zip(
        answer["tokens"].numpy(), answer["probabilities"].numpy(), strict=True
    ):
        likeliest = [token.decode() for token in tokens[0][:NUM_GUESSES]]
        yield list(zip(likeliest, probabilities[0][:NUM_GUESSES].tolist(), strict=True))


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
