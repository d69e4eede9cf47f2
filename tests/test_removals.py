"""Which calls remove or replace files; each is safe by a mark or an exact name."""

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REMOVING = {"rmtree", "remove", "unlink", "rmdir", "removedirs", "remove_file"}
REPLACING = {"os.replace", "os.rename", "tf.io.gfile.rename", "shutil.move"}
REMOVALS = {
    "mslt_tf": {
        ("removal.py", "tf.io.gfile.remove"),
        ("removal.py", "tf.io.gfile.rmtree"),  # of an empty remote folder
        ("removal.py", "os.rmdir"),
        ("checkpoint_folder.py", "removal.remove"),
        ("published_folder.py", "removal.remove"),
        ("folder_lock.py", "removal.remove_file"),  # the lock and its probe
        ("new_file.py", "removal.remove_file"),  # of names that nobody has
        ("worker_setup.py", "removal.remove_file"),  # the sign of a shared folder
    },
    "tfrecords_tools": {
        ("work_folder.py", "removal.remove"),
        ("token_store.py", "removal.remove"),
        ("output_folder.py", "removal.remove_file"),
    },
}
REPLACEMENTS = {
    "mslt_tf": {
        ("checkpoint_folder.py", "tf.io.gfile.rename"),
        ("checkpointing.py", "tf.io.gfile.rename"),
        ("new_file.py", "os.replace"),  # of an empty file that it has just made
        ("new_file.py", "tf.io.gfile.rename"),
        ("own_file.py", "tf.io.gfile.rename"),  # asked by who made sure that the name is its own
        ("removal.py", "tf.io.gfile.rename"),  # of marked folders
    },
    "tfrecords_tools": {
        ("work_files.py", "os.replace"),
        ("shuffled_pairs.py", "os.replace"),
        ("records.py", "tf.io.gfile.rename"),
        ("beam_shards.py", "tf.io.gfile.rename"),
    },
}


@functools.cache
def calls(package: str) -> set[tuple[str, str]]:
    """Returns (file, function) of all calls by a dotted name."""
    return {
        (path.name, ast.unparse(node.func))
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }


@pytest.mark.parametrize("package", REMOVALS)
def test_one_module_removes_files_and_asks_whose_they_are(package):
    found = {(file, name) for file, name in calls(package) if name.rpartition(".")[2] in REMOVING}
    assert found == REMOVALS[package]


@pytest.mark.parametrize("package", REPLACEMENTS)
def test_files_are_replaced_under_names_of_ours_only(package):
    found = {(file, name) for file, name in calls(package) if name in REPLACING}
    assert found == REPLACEMENTS[package]
