"""Errors about files: the cause in words, and what to do about it."""

import errno
import os

import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors


def message_of(action):
    with (
        pytest.raises(UserError) as error,
        file_errors.naming("--x cannot be read", "Mend it."),
    ):
        action()
    assert "\n" not in str(error.value)
    assert "{{" not in str(error.value)
    return str(error.value)


def read(path):
    with tf.io.gfile.GFile(path) as file:
        return file.read()


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "missing"
    expected = f"--x cannot be read ({path}; No such file or directory). Mend it."
    assert message_of(lambda: read(str(path))) == expected
    assert message_of(lambda: open(path)) == expected  # noqa: SIM115


@pytest.mark.parametrize("scheme", ["s3", "hdfs"])
def test_a_kind_of_path_that_tensorflow_does_not_know_is_told(scheme):
    path = f"{scheme}://bucket/file"
    expected = (
        f"--x cannot be read (this TensorFlow cannot read or write {scheme}:// paths, such as "
        f"{path}). Give a local path, one of a mounted disk, or gs://. Mend it."
    )
    assert message_of(lambda: tf.io.gfile.exists(path)) == expected
    # Within an operation, TensorFlow wraps the text.
    assert message_of(lambda: list(tf.data.TFRecordDataset(path))) == expected


def test_a_bucket_that_the_network_does_not_reach_is_told():
    text = (
        "Error executing an HTTP request: libcurl code 6 meaning 'Couldn't resolve host name', "
        "error details: Could not resolve host: www.googleapis.com\n\t when reading gs://b/x"
    )

    def fail():
        raise tf.errors.FailedPreconditionError(None, None, text)

    assert "(the network does not reach gs://b/x: Couldn't resolve host name)" in message_of(fail)


def test_a_full_disk_is_told_and_room_asked_for():
    def write():
        with tf.io.gfile.GFile("/dev/full", "w") as file:
            file.write("x" * 100_000)

    text = message_of(write)
    assert "No space left on device). Make room. Mend it." in text

    def exceed_quota():
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "/some/file")

    assert "/some/file; Disk quota exceeded). Make room." in message_of(exceed_quota)


def test_a_file_without_rights_is_told():
    def refuse():
        raise tf.errors.PermissionDeniedError(
            None, None, "{{function_node x}} f; Permission denied"
        )

    assert message_of(refuse) == (
        "--x cannot be read (f; Permission denied). Get the rights to it, or give another. Mend it."
    )


def test_a_lost_connection_is_no_error_of_files():
    with pytest.raises(BrokenPipeError), file_errors.naming("x", "y"):
        raise BrokenPipeError
