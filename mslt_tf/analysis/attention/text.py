"""The text whose attention is shown: read from a user's file, and as a model's tokens."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from mslt_tf.modeling.trained_model import TrainedModel
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer

MAX_BYTES = 10_000  # maps of more would be neither looked at nor held in memory
_ADVICE = "Give a UTF-8 file of one sentence or a few lines by --attention_text."


@dataclasses.dataclass(frozen=True)
class Sentence:
    """A line of the text as a model reads it, without padding."""

    tokens: tuple[str, ...]  # with [CLS] and [SEP]
    input_ids: tuple[int, ...]
    segment_ids: tuple[int, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The tokens as they are shown: what no page could hold is written in ASCII."""
        return tuple(t if t.isprintable() else ascii(t)[1:-1] for t in self.tokens)

    @property
    def is_sep(self) -> np.ndarray:
        """Where [SEP] stands: bool [tokens]."""
        return np.array([token == "[SEP]" for token in self.tokens])


def read(path: str) -> tuple[str, ...]:
    """Returns the lines of a file that are not blank; a tab parts the two segments of a line.

    Raises:
        UserError: it is no file, cannot be read, is too large, not UTF-8 or empty, or a line has
            more than two segments or a blank one.
    """
    with file_errors.naming(f"--attention_text {path} cannot be read", _ADVICE):
        if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
            raise UserError(f"--attention_text {path} is no file. {_ADVICE}")
        with tf.io.gfile.GFile(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UserError(f"--attention_text {path} has more than {MAX_BYTES:,} bytes. {_ADVICE}")
    try:
        decoded = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise UserError(
            f"--attention_text {path} is not UTF-8 text: byte {error.start:,} is "
            f"0x{content[error.start]:02x}. {_ADVICE}"
        ) from error
    lines = {number: line for number, line in enumerate(decoded.split("\n"), 1) if line.strip()}
    if not lines:
        raise UserError(f"--attention_text {path} is empty. {_ADVICE}")
    for number, line in lines.items():
        segments = line.split("\t")
        if len(segments) > 2 or not all(map(str.strip, segments)):
            raise UserError(
                f"--attention_text {path}: line {number} has {len(segments)} segments with tabs "
                "between them. Write one, or two of which none is blank."
            )
    return tuple(lines.values())


def tokenize(lines: Sequence[str], model: TrainedModel, *, run: str) -> tuple[Sentence, ...]:
    """Returns the lines as a run's model reads them: [CLS] first [SEP], or with second [SEP].

    Args:
        lines: of `read`.
        model: of the run.
        run: its folder, for messages.

    Raises:
        UserError: the model's vocabulary is not at hand, it can take no two segments, or a line
            has no token or more than the model has positions.
    """
    if model.vocabulary is None:
        raise UserError(
            f"the run {run} was trained without --vocab_file, so it cannot read "
            "--attention_text. Give its vocabulary by --vocab_file."
        )
    tokenizer = WordpieceTokenizer(list(model.vocabulary), model.text_case)
    return tuple(_sentence(line, tokenizer, model, run) for line in lines)


def _sentence(line: str, tokenizer: WordpieceTokenizer, model: TrainedModel, run: str) -> Sentence:
    vocabulary = model.vocabulary or ()
    cls, sep = (vocabulary.index(token) for token in ("[CLS]", "[SEP]"))
    ids, segment_ids = [cls], [0]
    segments = tokenizer.tokenize(line.split("\t")).to_list()
    for index, pieces in enumerate(segments):
        ids += [*pieces, sep]
        segment_ids += [index] * (len(pieces) + 1)
    _check(line, segments, len(ids), model, run)
    return Sentence(tuple(vocabulary[i] for i in ids), tuple(ids), tuple(segment_ids))


def _check(
    line: str, segments: Sequence[Sequence[int]], num_tokens: int, model: TrainedModel, run: str
) -> None:
    what = f"the line {line[:30]!r} of --attention_text"
    if not all(segments):
        raise UserError(f"{what} has a segment without a token. Write words into it.")
    if len(segments) > model.config.type_vocab_size:
        raise UserError(
            f"{what} has {len(segments)} segments, the model of {run} takes "
            f"{model.config.type_vocab_size}. Write it without a tab."
        )
    if num_tokens > model.config.max_position_embeddings:
        raise UserError(
            f"{what} has {num_tokens:,} tokens with [CLS] and [SEP], the model of {run} has "
            f"{model.config.max_position_embeddings:,} positions. Write a shorter one."
        )
