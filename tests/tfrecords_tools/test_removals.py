"""Which calls of the tools remove or replace files; each is safe by a mark or an exact name."""

import ast
import functools
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "tfrecords_tools"
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
        ("work_folder.py", "removal.remove"),
        ("token_store.py", "removal.remove"),
        ("output_folder.py", "removal.remove_file"),
    }


def test_files_are_replaced_under_names_of_ours_only():
    assert {(file, name) for file, name in calls() if name in REPLACING} == {
        ("work_files.py", "os.replace"),
        ("shuffled_pairs.py", "os.replace"),
        ("records.py", "tf.io.gfile.rename"),
        ("beam_shards.py", "tf.io.gfile.rename"),
    }
