"""BERT's tokenizer as its source describes it, a character at a time: slow, and plain to see."""

import unicodedata

CHINESE_BLOCKS = (
    "3400-4DBF 4E00-9FFF F900-FAFF 20000-2A6DF 2A700-2B73F 2B740-2B81F 2B820-2CEAF 2F800-2FA1F"
)
BLOCKS = [tuple(int(end, 16) for end in block.split("-")) for block in CHINESE_BLOCKS.split()]
ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def words(text, *, do_lower_case, strip_accents=None):
    """Returns the words of a text; accents are stripped by default with lower-casing only."""
    strip_accents = do_lower_case if strip_accents is None else strip_accents
    found = []
    for chunk in spaced(text).split():
        word = chunk.lower() if do_lower_case else chunk
        if strip_accents:
            decomposed = unicodedata.normalize("NFD", word)
            word = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
        spread = "".join(f" {c} " if is_punctuation(c) else c for c in word)
        found.extend(spread.split())
    return found


def spaced(text):
    """Returns the text without control characters, a blank on both sides of Chinese ones."""
    parts = []
    for character in text:
        category = unicodedata.category(character)
        if character in "\t\n\r" or category == "Zs":
            parts.append(" ")
        elif category in ("Cc", "Cf") or character == "\ufffd":
            continue
        elif any(first <= ord(character) <= last for first, last in BLOCKS):
            parts.append(f" {character} ")
        else:
            parts.append(character)
    return "".join(parts)


def is_punctuation(character):
    return character in ASCII_PUNCTUATION or unicodedata.category(character)[0] == "P"


def pieces(word, vocabulary):
    """Returns a word's longest pieces from the left, or [UNK] where the rest of it has none."""
    if len(word) > 200:
        return ["[UNK]"]
    found, begin = [], 0
    while begin < len(word):
        for end in range(len(word), begin, -1):
            piece = ("##" if begin else "") + word[begin:end]
            if piece in vocabulary:
                found.append(piece)
                begin = end
                break
        else:
            return ["[UNK]"]
    return found


def tokens(text, vocabulary, **options):
    """Returns the tokens of a text; `vocabulary` is a set, the options are those of `words`."""
    return [piece for word in words(text, **options) for piece in pieces(word, vocabulary)]
