"""The members of zip archives, read as streams; nothing of an archive is written to a disk."""

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from mslt_tf.files import file_errors
from tfrecords_tools.text.files import file_access, seekable_files, text_files
from tfrecords_tools.text.files.file_kinds import Kind, describe
from tfrecords_tools.text.read_report import Leniency

MARKS = (b"PK\x03\x04", b"PK\x05\x06")  # the latter of an empty archive
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # of others, zipfile unpacks much at once
_ENCRYPTED = 1  # a bit of a member's flags
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    NotImplementedError,  # of several disks, or of a version to come
    ValueError,
    RuntimeError,
)
_EXTRACT = "Extract the text first, and give that."
# Files that are zip archives inside, by a member that each of the kind has.
_KINDS = {
    "[Content_Types].xml": Kind("an office document (docx, xlsx, pptx)", _EXTRACT),
    "META-INF/container.xml": Kind("an electronic book (EPUB)", _EXTRACT),
    "META-INF/manifest.xml": Kind("an office document (odt, ods, odp)", _EXTRACT),
    "META-INF/MANIFEST.MF": Kind("a Java archive", "Give the files with text only."),
    "AndroidManifest.xml": Kind("an Android program", "Give the files with text only."),
}


def list_members(path: str, *, leniency: Leniency) -> list[tuple[int, zipfile.ZipInfo]]:
    """Returns the number and the facts of each member that is a file, sorted by name.

    Members with a hidden file or folder in their name are left out as such files are.

    Args:
        path: the archive.
        leniency: hears of an archive that is damaged or an office document, and of members that
            are encrypted or packed in a way that is not read; these are left out.

    Raises:
        UserError: the file cannot be read; or any of these, and leniency has none for it.
    """
    members = []
    with file_errors.reading(path):
        try:
            members = _open(path).infolist()
        except _DAMAGE as error:
            leniency.skip_file(_damage(path, error))
    names = {member.filename for member in members}
    kind = next((kind for name, kind in _KINDS.items() if name in names), None)
    if kind:
        leniency.skip_file(describe(path, kind))
        return []
    files = [
        (number, member)
        for number, member in enumerate(members)
        if not member.is_dir() and not _is_left_out(path, member, leniency)
    ]
    return sorted(files, key=lambda found: (found[1].filename, found[0]))


def read_member(
    path: str,
    number: int,
    *,
    leniency: Leniency,
    advance: Callable[[int], None] = lambda num_bytes: None,
) -> Iterator[bytes]:
    """Yields the text of a member in chunks; memory does not depend on what it unpacks to.

    Args:
        path: the archive.
        number: of the member, see `list_members`.
        leniency: hears of a member that is damaged; the rest of it is left out then.
        advance: is called with every number of bytes of the text.

    Raises:
        UserError: the file cannot be read; or the member is damaged, and leniency has none for it.
    """
    name = path
    with file_errors.reading(path):
        try:
            archive = _open(path)
            member = archive.infolist()[number]
            name = member_path(path, member.filename)
            with archive.open(member) as text:
                while chunk := text.read(text_files.CHUNK_BYTES):
                    advance(len(chunk))
                    yield chunk
        except (*_DAMAGE, IndexError) as error:
            leniency.skip_rest(_damage(name, error))


def member_path(path: str, member_name: str) -> str:
    """Returns what to call a member of an archive; its name may hold anything."""
    return f"{path}, member {member_name!r}"


class _Opened(NamedTuple):
    look: file_access.Look  # at the file when it was opened
    file: BinaryIO
    archive: zipfile.ZipFile


_last_opened: dict[str, _Opened] = {}  # by path, one at most


def _open(path: str) -> zipfile.ZipFile:
    """Returns an archive, which stays open until another one is asked for.

    Its directory is read anew whenever it is opened. With an archive of many members that would
    take as long for each of them as for all.
    """
    look = file_access.look_at(path)
    if path not in _last_opened or _last_opened[path].look != look:
        for other in [*_last_opened]:
            opened = _last_opened.pop(other)
            opened.archive.close()
            opened.file.close()
        file = seekable_files.open_to_seek(path)
        try:
            _last_opened[path] = _Opened(look, file, zipfile.ZipFile(file))
        except BaseException:
            file.close()
            raise
    return _last_opened[path].archive


def _is_left_out(path: str, member: zipfile.ZipInfo, leniency: Leniency) -> bool:
    """Returns whether a member is not to be read, and notes why."""
    parts = (part for part in member.filename.split("/") if part != ".")  # some write ./name
    if any(part.startswith((".", "_")) for part in parts):
        leniency.report.hidden_files += 1
        return True
    name = member_path(path, member.filename)
    if member.flag_bits & _ENCRYPTED:
        leniency.skip_file(
            f"{name} is encrypted. Unpack the archive with its password, and give the folder as "
            f"--input."
        )
        return True
    if member.compress_type not in _METHODS:
        leniency.skip_file(
            f"{name} is packed by method {member.compress_type}; only deflate and none are read. "
            f"Unpack the archive, and give the folder as --input."
        )
        return True
    return False


def _damage(name: str, error: Exception) -> str:
    return (
        f"{name} is no whole zip archive: {error or type(error).__name__}. It may be cut off: get "
        "it anew, or leave it out."
    )
