"""A text in which every word tells its document and its place there."""

import random

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
NUM_DOCUMENTS = 24
WORDS_PER_DOCUMENT = 300


def word(document: int, place: int) -> str:
    return f"d{document}w{place}"


def place_of(token: str) -> tuple[int, int]:
    """The inverse of `word`."""
    document, place = token.removeprefix("d").split("w")
    return int(document), int(place)


def document_text(document: int) -> str:
    """Returns the document's words in order, in lines (sentences) of 1 to 12 words."""
    rng = random.Random(document)
    lines, place = [], 0
    while place < WORDS_PER_DOCUMENT:
        end = min(place + rng.randint(1, 12), WORDS_PER_DOCUMENT)
        lines.append(" ".join(word(document, number) for number in range(place, end)))
        place = end
    return "\n".join(lines)
