"""Names of any bytes, and remote files, are found and read as others are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from tests.tfrecords_tools.text import corpus
from tests.tfrecords_tools.text.made_files import make_files
from tfrecords_tools.text.files.file_search import find_files
from tfrecords_tools.text.files.found_files import Reason

HOSTILE = (
    "\udcff.txt",
    "a b .txt",
    '"',
    "[x].txt",
    "~",
    "-x",
    "tab\t.txt",
    "new\nline",
    "ü\udc80/c",
)


@pytest.mark.parametrize("pattern", ["", "/*", "/**/*"])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_names_of_any_bytes_are_found_and_read(tmp_path: Path, scheme: str, pattern: str):
    make_files(tmp_path, *HOSTILE)
    for number, name in enumerate(HOSTILE):
        (tmp_path / name).write_text(f"text {number}")
    given = f"{scheme}{tmp_path}{pattern}"
    found = find_files(given)
    assert found.paths == tuple(sorted(f"{scheme}{tmp_path}/{name}" for name in HOSTILE))
    documents = sorted(corpus.read_documents(given))
    assert documents == [[f"text {number}"] for number in range(len(HOSTILE))]


def test_remote_files_are_found_as_local_ones_are():
    root = "ram://found_as_local"
    names = ("a.txt", "b/c.txt", "b/d/e.txt", "b/_x/f.txt", ".g.txt")
    for folder in ("b/d", "b/_x"):
        tf.io.gfile.makedirs(f"{root}/{folder}")
    for name in names:
        with tf.io.gfile.GFile(f"{root}/{name}", "w") as file:
            file.write(name)
    found = find_files(root, own=[f"{root}/b/d/"])
    assert found.paths == (f"{root}/a.txt", f"{root}/b/c.txt")
    assert found.num_bytes == len("a.txtb/c.txt")
    assert found.left_out == {
        Reason.HIDDEN: (f"{root}/.g.txt", f"{root}/b/_x"),
        Reason.OWN: (f"{root}/b/d",),
    }
    for pattern, expected in {
        "*": ["a.txt", "b/c.txt", "b/d/e.txt"],
        "*.txt": ["a.txt"],
        "**/[ce].txt": ["b/c.txt", "b/d/e.txt"],
        "b/_x": ["b/_x/f.txt"],
    }.items():
        found = find_files(f"{root}/{pattern}")
        assert found.paths == tuple(f"{root}/{name}" for name in expected)
    assert list(corpus.read_documents(f"{root}/b/d")) == [["b/d/e.txt"]]


def test_the_command_line_reads_names_that_are_no_text(tmp_path: Path):
    # Python's own way for arguments that are not UTF-8 is on the way too.
    make_files(tmp_path, "\udcff,x.txt")
    code = (
        "import sys; from tfrecords_tools.text.files import file_search;"
        "print(ascii(file_search.find_files(sys.argv[1]).paths))"
    )
    given = os.fsencode(f'"{tmp_path}/') + b'\xff,x.txt"'
    output = subprocess.run([sys.executable, "-c", code, given], capture_output=True, check=True)
    assert output.stdout.decode().strip() == ascii((f"{tmp_path}/\udcff,x.txt",))
