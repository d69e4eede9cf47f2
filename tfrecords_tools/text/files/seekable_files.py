"""Files that other libraries read in places, which takes more of a file than TensorFlow's has."""

import io
from typing import BinaryIO, cast

from tfrecords_tools.text.files import file_access


def open_to_seek(path: str) -> BinaryIO:
    """Opens a file, local or remote, for reading in places; the caller closes it.

    Raises:
        OSError, tensorflow.errors.OpError: it cannot be opened; of a remote one, reading may tell.
    """
    file = file_access.open_file(path)
    return cast("BinaryIO", _Seekable(file)) if file_access.is_remote(path) else file


class _Seekable(io.RawIOBase):
    """A `tf.io.gfile.GFile` with the whole interface of a file."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._file.seek(offset, whence)
        return self._file.tell()

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
