"""What is odd about a vocabulary, said before hours of work are done with it."""

from collections.abc import Iterator, Sequence

from mslt_tf.text_case import TextCase
from mslt_tf.tokenization.normalization import normalize
from mslt_tf.vocabulary import CONTINUATION, is_bracketed

_MANY_LOST = 0.01  # share of the tokens; some stray ones are in every vocabulary
_MANY_BEGINNINGS = 0.1
_FEW_LETTERS = 26
_FEW_CAPITALS = 0.001  # share of the tokens; symbols such as those of physics are capitals too
_SENTENCEPIECE_BEGINNING = "\u2581"


def describe_oddities(vocabulary: Sequence[str], case: TextCase) -> Iterator[str]:
    """Yields a sentence for each kind of token that no text will give.

    Args:
        vocabulary: its tokens.
        case: what is done to the letters of the text.
    """
    tokens = [token for token in vocabulary if not is_bracketed(token)]
    yield from _describe_blanks(tokens)
    yield from _describe_lost(tokens, case)
    yield from _describe_missing_capitals(tokens, case)
    num_begun = sum(token.startswith(_SENTENCEPIECE_BEGINNING) for token in tokens)
    if num_begun > _MANY_BEGINNINGS * len(tokens):
        yield (
            f"{num_begun:,} of {len(tokens):,} tokens of the vocabulary begin with "
            f"{_SENTENCEPIECE_BEGINNING}, as SentencePiece marks the begin of words. Here "
            f"{CONTINUATION} marks what continues one. Take a WordPiece vocabulary, or make one by "
            "build_vocab."
        )


def _describe_blanks(tokens: Sequence[str]) -> Iterator[str]:
    # A token may be white space alone; BERT's for Chinese have line separators.
    with_blanks = [token for token in tokens if token.strip() not in ("", CONTINUATION, token)]
    if with_blanks:
        yield (
            f"{len(with_blanks):,} token(s) of the vocabulary begin or end with white space, e.g. "
            f"{with_blanks[0]!r}: no word is like that, so they never occur. Take the blanks away; "
            "ids stay as they are."
        )


def _describe_lost(tokens: Sequence[str], case: TextCase) -> Iterator[str]:
    stripped = [token.removeprefix(CONTINUATION).strip() for token in tokens]
    changed = [
        token
        for token, before, after in zip(tokens, stripped, normalize(stripped, case), strict=True)
        if before != after.strip()
    ]
    if len(changed) > _MANY_LOST * len(tokens):
        yield (
            f"{len(changed):,} of {len(tokens):,} tokens of the vocabulary can never occur, e.g. "
            f"{changed[0]!r}: the text becomes another one by {case}. Give the flags that the "
            "vocabulary was made with; for one with capitals, --nodo_lower_case."
        )


def _describe_missing_capitals(tokens: Sequence[str], case: TextCase) -> Iterator[str]:
    letters = {character for token in tokens for character in token if character.islower()}
    if case.do_lower_case or len(letters) < _FEW_LETTERS:
        return
    num_with_capital = sum(token != token.lower() for token in tokens)
    if num_with_capital < _FEW_CAPITALS * len(tokens):
        yield (
            "the vocabulary has no capitals, so that words with one become [UNK] by "
            "--nodo_lower_case. Give --do_lower_case, or a vocabulary with capitals."
        )
