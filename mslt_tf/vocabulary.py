"""The WordPiece vocabulary file: one token a line, its id is the line's number from 0."""

import itertools
from collections.abc import Container

from mslt_tf.errors import UserError

CONTINUATION = "##"  # begins a token that goes on with the word before it
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MAX_TOKEN_BYTES = 256  # in UTF-8, without "##"; tensorflow-text's tokenizer takes no longer ones


def parse_vocabulary(content: bytes, *, name: str) -> list[str]:
    """Returns the tokens of a vocabulary file in order of their ids; blank last lines are none.

    Args:
        content: of the file.
        name: what messages call the file, e.g. "--vocab_file words.txt".

    Raises:
        UserError: it is not UTF-8, has a blank line between tokens, a token twice or one that is
            too long, or lacks a special token or has no others.
    """
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name} is not UTF-8 text: byte {error.start:,} is "
            f"0x{content[error.start]:02x}. Give a WordPiece vocabulary, one token a line."
        ) from error
    # Not splitlines(): rare line separators are tokens of some vocabularies.
    tokens = [line.removesuffix("\r") for line in text.split("\n")]
    while tokens and _is_blank(tokens[-1]):
        tokens.pop()
    _check_vocabulary(tokens, name=name)
    return tokens


def _check_vocabulary(tokens: list[str], *, name: str) -> None:
    line_of: dict[str, int] = {}
    for line, token in enumerate(tokens, start=1):
        if _is_blank(token):
            raise UserError(
                f"{name}: line {line} is blank; every line must hold one token. Write "
                f"{_free_name(tokens)} there, which keeps the ids of all tokens; without the line "
                "they would shift."
            )
        if token in line_of:
            raise UserError(
                f"{name}: {token!r} stands on line {line_of[token]} and again on line "
                f"{line}; a token must have one id. Replace one of the two, e.g. by "
                f"{_free_name(tokens)}."
            )
        _check_length(token, tokens, line=line, name=name)
        line_of[token] = line
    missing = [token for token in SPECIAL_TOKENS if token not in line_of]
    if missing:
        raise UserError(
            f"{name} lacks {', '.join(missing)}; a vocabulary must hold "
            f"{' '.join(SPECIAL_TOKENS)}. Make one by tfrecords_tools.build_vocab, or add them."
        )
    if all(map(is_bracketed, tokens)):
        raise UserError(
            f"{name} holds {len(tokens)} tokens in brackets, such as "
            f"{SPECIAL_TOKENS[0]}, and none that text could have. Make a vocabulary by "
            "tfrecords_tools.build_vocab, or give another."
        )


def is_bracketed(token: str) -> bool:
    """Returns whether a token stands in brackets, such as [CLS] and [unused7]; no text is one."""
    return token.startswith("[") and token.endswith("]") and len(token) > 2


def _is_blank(line: str) -> bool:
    return not line.strip(" \t\r")  # not any white space: rare kinds of it are tokens


def _free_name(tokens: Container[str]) -> str:
    """Returns a name for a token that no text has, and no other token."""
    return next(name for number in itertools.count() if (name := f"[unused{number}]") not in tokens)


def _check_length(token: str, tokens: Container[str], *, line: int, name: str) -> None:
    num_bytes = len(token.removeprefix("##").encode("utf-8"))
    if num_bytes > MAX_TOKEN_BYTES:
        raise UserError(
            f"{name}: line {line} has {num_bytes:,} bytes; a token must have at most "
            f"{MAX_TOKEN_BYTES}. Give a WordPiece vocabulary, one token a line, or replace the "
            f"token, e.g. by {_free_name(tokens)}."
        )
