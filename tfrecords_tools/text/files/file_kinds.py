"""Files that hold no text that could be read, told by their first bytes: what they are, what to do.

Names lie, and what is taken for text by mistake becomes documents without sense.
"""

import re
import shlex
from typing import NamedTuple

from tfrecords_tools.text.files import text_encodings


class Kind(NamedTuple):
    """A kind of files."""

    name: str  # with its article
    advice: str  # sentences
    instead_of: str = "text"  # what it would have to be


_EXTRACT = "Extract the text first, and give that."
_UNPACK = "Unpack it, and give the folder as --input."
_REMOVE = "Give the files with text only."
_DUMP = Kind(
    "a raw MediaWiki dump",
    "Its text is in wiki markup. Give the Parquet files of wikimedia/wikipedia from the Hugging "
    "Face hub, or what WikiExtractor makes of the dump (as released, it needs Python 3.10 or "
    "older).",
)
_HTML = Kind("an HTML page", "Extract the text first, e.g. by trafilatura, and give that.")
_BINARY = Kind(
    "a binary file (it has zero bytes)",
    "Give the files with text only; zero bytes in a text are removed by: tr -d '\\000'.",
)

_TAR_PLACE = 257

# At the begin of a file. Short marks that might begin a text ask for a zero byte, too.
_MARKS: tuple[tuple[bytes, Kind], ...] = (
    (
        rb"\s*%PDF-\d",
        Kind("a PDF file", "Extract the text first, e.g. by pdftotext, and give that."),
    ),
    (rb"\x89PNG\r\n", Kind("an image (PNG)", _REMOVE)),
    (rb"\xff\xd8\xff", Kind("an image (JPEG)", _REMOVE)),
    (rb"GIF8[79]a.*\0", Kind("an image (GIF)", _REMOVE)),
    (rb"RIFF....WEBP", Kind("an image (WebP)", _REMOVE)),
    (rb"(?:II\*\0|MM\0\*)", Kind("an image (TIFF)", _REMOVE)),
    (rb"BM.{4}\0\0\0\0", Kind("an image (BMP)", _REMOVE)),
    (rb"RIFF....(?:WAVE|AVI )|OggS\0|fLaC\0|ID3[\x02-\x04]\0", Kind("a sound or a film", _REMOVE)),
    (rb"\0\0..ftyp", Kind("a film or an image (MP4, HEIF)", _REMOVE)),
    (rb"\x7fELF", Kind("a program (ELF)", _REMOVE)),
    (rb"MZ.*\0", Kind("a program (Windows)", _REMOVE)),
    (rb"[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe", Kind("a program (macOS, Java)", _REMOVE)),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind("an old office document", _EXTRACT)),
    (rb"\{\\rtf\d", Kind("a document in rich text (RTF)", _EXTRACT)),
    (rb"%!PS", Kind("a PostScript file", _EXTRACT)),
    (rb"7z\xbc\xaf'\x1c", Kind("a 7z archive", _UNPACK)),
    (rb"Rar!\x1a\x07", Kind("a RAR archive", _UNPACK)),
    (
        rb"\x04\"M\x18|\x1f\x9d|LZIP\x01",
        Kind("a file packed by lz4, compress or lzip", "Unpack it."),
    ),
    (
        rb"ARROW1\0\0",
        Kind("an Arrow file", "Write it as Parquet, e.g. by datasets' Dataset.to_parquet."),
    ),
    # What is read by itself is not, once more packed or in an archive.
    (rb"PK\x03\x04|PK\x05\x06", Kind("a zip archive within another file", "Unpack the outer one.")),
    (rb"PAR1", Kind("a Parquet file within another file", "Unpack the outer one.")),
    (
        rb"\x1f\x8b\x08|BZh[1-9]1AY|\xfd7zXZ\0|\x28\xb5\x2f\xfd",
        Kind("packed twice", "Unpack it once."),
    ),
    (rb"SQLite format 3\0", Kind("a database (SQLite)", "Write its texts as JSON lines.")),
    (
        rb".{3}\0{5}.{4}\n",  # length and checksum, then the begin of a tf.train.Example
        Kind("a TFRecord file", "Give the text that its records were made of."),
    ),
    (rb"\x89HDF\r\n", Kind("an HDF5 file", "Write its texts as JSON lines or Parquet.")),
)
_KINDS_BY_MARK = tuple((re.compile(mark, re.DOTALL), kind) for mark, kind in _MARKS)
_TAR = Kind("a tar archive", _UNPACK)

# Blanks, declarations and comments may stand before the first element.
_BEFORE_ELEMENT = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s+|<\?[^>]{0,999}\?>|<!--.{0,9999}?-->)*", re.S
)
_ELEMENTS = (
    (re.compile(rb"<mediawiki[\s>]"), _DUMP),
    (re.compile(rb"<!doctype\s+html|<(html|head|body)[\s>]", re.IGNORECASE), _HTML),
)
_XML = Kind("an XML file", _EXTRACT)


def find_kind(head: bytes, *, path: str) -> Kind | None:
    """Returns the kind of a file that is no text to read, None for one that may be.

    Args:
        head: the first bytes of the text, unpacked if the file is packed; in UTF-8 if it had the
            byte order mark of another encoding.
        path: the file, for the advice.
    """
    if head[_TAR_PLACE:].startswith(b"ustar"):
        return _TAR
    for mark, kind in _KINDS_BY_MARK:
        if mark.match(head):
            return kind
    if b"\0" not in head:
        return _find_markup(head)
    encoding = text_encodings.find_unmarked_encoding(head)
    return _unmarked(encoding, path) if encoding else _BINARY


def describe(path: str, kind: Kind) -> str:
    """Returns what to say of a file of that kind."""
    return f"{path} is {kind.name}, not {kind.instead_of}. {kind.advice}"


def _find_markup(head: bytes) -> Kind | None:
    begin = _BEFORE_ELEMENT.match(head)
    place = begin.end() if begin else 0
    for element, kind in _ELEMENTS:
        if element.match(head, place):
            return kind
    return _XML if head[:place].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<?xml") else None


def _unmarked(encoding: str, path: str) -> Kind:
    name = encoding.upper().replace("-LE", "LE").replace("-BE", "BE")
    return Kind(
        f"{name} text without a byte order mark",
        f"Convert it: iconv -f {name} -t UTF-8 {shlex.quote(path)}.",
        "UTF-8",
    )
