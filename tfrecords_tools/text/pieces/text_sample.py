"""A sample of the text: the first documents of some pieces, and how much of the input they are."""

import dataclasses
import time

from tfrecords_tools.text.formats.text_formats import Document
from tfrecords_tools.text.pieces import text_pieces
from tfrecords_tools.text.pieces.piece import Piece
from tfrecords_tools.text.text_input import EMBEDDED

_CHARACTERS = 500_000
_PIECES = 8
_EMBEDDED_SAMPLES = 6
_COUNTED_BYTES = 1 << 20  # of a piece, at least: a block of bzip2 takes a quarter of it


@dataclasses.dataclass(frozen=True)
class TextSample:
    """Some documents.

    Attributes:
        documents: they, in order.
        num_bytes: bytes of the input that they take, as `Piece.num_bytes` counts them: of
            compressed text the compressed ones, of escaped JSON the escapes.
        seconds: time to read them.
    """

    documents: list[Document]
    num_bytes: float
    seconds: float


def take(pieces: tuple[Piece, ...]) -> TextSample:
    """Returns the first documents of some pieces, half a million characters in all.

    Args:
        pieces: those of `text_pieces.list_pieces`; what cannot be read in them is left out.
    """
    chosen = pieces[:: max(1, len(pieces) // _PIECES)][:_PIECES]
    # The embedded corpus begins with other text than it goes on with.
    samples = _EMBEDDED_SAMPLES if pieces[0].text_format == EMBEDDED else 1
    parts = [_take_from(piece, _CHARACTERS // len(chosen) * samples) for piece in chosen]
    return TextSample(
        [document for part in parts for document in part.documents],
        sum(part.num_bytes for part in parts),
        sum(part.seconds for part in parts),
    )


def _take_from(piece: Piece, num_characters: int) -> TextSample:
    """Returns the first documents of a piece, until they have more than so many characters.

    Reading runs ahead of the documents by a block of the file. So the documents are counted on to
    the end of a block, where it is known which bytes they came from, and the sample gets its share.
    """
    begin = time.monotonic()
    read = counted = 0  # bytes, characters
    block_end = (0, 0)  # both, when the latest block was used up

    def advance(num_bytes: int) -> None:
        nonlocal read, block_end
        block_end = (read, counted)
        read += num_bytes

    documents: list[Document] = []
    characters = 0
    for document in text_pieces.read_piece(piece, on_error="skip", advance=advance):
        size = sum(map(len, document))
        if characters <= num_characters:
            documents.append(document)
            characters += size
        counted += size
        if characters > num_characters and block_end[0] >= _COUNTED_BYTES and block_end[1]:
            break
    else:
        block_end = (read, counted)
    num_bytes, of_characters = block_end
    share = characters / of_characters if of_characters else 1.0
    return TextSample(documents, num_bytes * share, (time.monotonic() - begin) * min(share, 1.0))
