"""The WordPiece vocabulary file: one token a line, its id is the line's number from 0."""

from mslt_tf.errors import UserError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def parse_vocabulary(content: bytes, *, path: str) -> list[str]:
    """Returns the tokens of a vocabulary file in order of their ids.

    Args:
        content: of the file.
        path: for messages.

    Raises:
        UserError: it is not UTF-8, has an empty line or one token twice, or lacks a special token.
    """
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise UserError(
            f"--vocab_file {path} is not UTF-8 text: byte {error.start:,} is "
            f"0x{content[error.start]:02x}. Give a WordPiece vocabulary, one token a line."
        ) from error
    # Not splitlines(): rare line separators are tokens of some vocabularies.
    tokens = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    _check_vocabulary(tokens, path=path)
    return tokens


def _check_vocabulary(tokens: list[str], *, path: str) -> None:
    line_of: dict[str, int] = {}
    for line, token in enumerate(tokens, start=1):
        if not token:
            raise UserError(
                f"--vocab_file {path}: line {line} is empty; every line must hold one token. "
                "Remove the line only if nothing was trained with the vocabulary: ids would shift."
            )
        if token in line_of:
            raise UserError(
                f"--vocab_file {path}: {token!r} stands on line {line_of[token]} and again on line "
                f"{line}; a token must have one id. Replace one of the two, e.g. by [unused{line}]."
            )
        line_of[token] = line
    missing = [token for token in SPECIAL_TOKENS if token not in line_of]
    if missing:
        raise UserError(
            f"--vocab_file {path} lacks {', '.join(missing)}; a vocabulary must hold "
            f"{' '.join(SPECIAL_TOKENS)}. Make one by tfrecords_tools.build_vocab, or add them."
        )
