"""Which calls of mslt_tf remove or replace files; each is safe by a mark or an exact name."""

import ast
import functools
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "mslt_tf"
REMOVING = {"rmtree", "remove", "unlink", "rmdir", "removedirs", "remove_file"}
REPLACING = {"os.replace", "os.rename", "tf.io.gfile.rename", "shutil.move"}


@functools.cache
def calls() -> set[tuple[str, str]]:
    """Returns (file, function) of all calls by a dotted name."""
    return {
        (path.name, ast.unparse(node.func))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }


def test_one_module_removes_files_and_asks_whose_they_are():
    assert {(file, name) for file, name in calls() if name.rpartition(".")[2] in REMOVING} == {
        ("removal.py", "tf.io.gfile.remove"),
        ("removal.py", "tf.io.gfile.rmtree"),  # of an empty remote folder
        ("removal.py", "os.rmdir"),
        ("checkpoint_folder.py", "removal.remove"),
        ("encoder.py", "removal.remove"),
        ("folder_lock.py", "removal.remove_file"),  # the lock and its probe
        ("new_file.py", "removal.remove_file"),  # of names that nobody has
        ("worker_setup.py", "removal.remove_file"),  # the sign of a shared folder
    }


def test_files_are_replaced_under_names_of_ours_only():
    assert {(file, name) for file, name in calls() if name in REPLACING} == {
        ("checkpoint_folder.py", "tf.io.gfile.rename"),
        ("checkpointing.py", "tf.io.gfile.rename"),
        ("facts_cache.py", "tf.io.gfile.rename"),
        ("json_lines.py", "tf.io.gfile.rename"),
        ("new_file.py", "os.replace"),  # of an empty file that it has just made
        ("new_file.py", "tf.io.gfile.rename"),
        ("removal.py", "tf.io.gfile.rename"),  # of marked folders
    }
