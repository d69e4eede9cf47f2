"""Files of this program's own that are written anew: the one before stays whole until then.

Whoever writes one has made sure that the name is its own in that folder.
"""

import tensorflow as tf

from mslt_tf.files import new_file, removal


def write(path: str, content: str | bytes) -> None:
    """Puts `content` in place of the file, whole or not at all; it reaches the disk.

    Raises:
        tensorflow.errors.OpError: the file cannot be written.
        OSError: the disk does not take what was written.
    """
    temporary = removal.partial_path(path)
    with tf.io.gfile.GFile(temporary, "wb" if isinstance(content, bytes) else "w") as file:
        file.write(content)
    new_file.flush([temporary])  # or a power cut may leave its name without its content
    tf.io.gfile.rename(temporary, path, overwrite=True)
