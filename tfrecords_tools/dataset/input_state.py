"""Whether the input is still what it was, by the times of its files; their content is not read."""

import hashlib

from tfrecords_tools.text import file_access
from tfrecords_tools.text.found_files import FoundFiles


def state_of_input(files: FoundFiles) -> str:
    """Returns a hash of the names, sizes and times of all input files."""
    digest = hashlib.sha256()
    for path in files.paths:
        digest.update(f"{path!r} {_size_and_time(path)}\n".encode())
    return digest.hexdigest()


def _size_and_time(path: str) -> tuple[int, int] | None:
    """Returns None where a file is there no more."""
    try:
        look = file_access.look_at(path)
    except file_access.ERRORS:
        return None
    return look.num_bytes, look.modified
