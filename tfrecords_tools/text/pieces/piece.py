"""A part of the input, small enough for one process, and known by where it lies."""

import dataclasses

from tfrecords_tools.text.files import zip_members
from tfrecords_tools.text.files.text_encodings import UTF_8


@dataclasses.dataclass(frozen=True)
class Piece:
    """A part of the input, read by `text_pieces.read_piece`.

    Picklable; `Piece(**dataclasses.asdict(piece))` == piece.

    A document belongs to the piece in which it begins; in plain text it begins with the blank line
    before it. Only where documents are counted (`documents_of`) the end of a piece ends one too.
    """

    text_format: str  # one of `text_input.FILE_FORMATS`, "embedded" or "tfds"
    path: str  # of the file; the name of the tfds data set; "" for the embedded corpus
    begin: int  # bytes of the file, row groups of a Parquet file, or examples of the data set
    end: int  # before this one
    size: int  # of the whole file, in bytes or row groups, or data set, in examples
    num_bytes: int  # about what reading it reads; exact in the sum over the pieces of a file
    compression: str = ""  # "gz", "bz2", "xz" or "zst"
    encoding: str = UTF_8  # or one that `text_encodings.to_utf8` takes
    has_cr_ends: bool = False  # lines end with carriage returns alone
    member: int = -1  # of a zip archive, its number there
    member_name: str = ""  # of a zip archive; for messages
    text_field: str = ""  # of "jsonl", "json", "parquet" and "tfds"
    documents_of: int = 1  # rows, objects, lines or examples that make a document
    data_dir: str = ""  # of "tfds"

    @property
    def name(self) -> str:
        """What to call its file in messages."""
        return (
            zip_members.member_path(self.path, self.member_name) if self.member >= 0 else self.path
        )
