"""House rules of size: files and functions that are short enough to be read."""

import ast

from tests.documented_commands import ROOT

PACKAGES = ("mslt_tf", "tfrecords_tools")
FOLDERS_WITH_CODE = (*PACKAGES, "tests", "benchmarks", "scripts")
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60


def sources(*folders: str) -> dict[str, str]:
    """Returns the source of every module in these folders, by its path."""
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in paths}


def test_no_file_is_too_long_to_read() -> None:
    found = sources(*FOLDERS_WITH_CODE).items()
    lengths = {path: len(source.splitlines()) for path, source in found}
    assert len(lengths) > 500  # that the folders were found
    assert {path: lines for path, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_no_function_is_too_long_to_read() -> None:
    lengths = {
        f"{path}: {node.name}": node.end_lineno - node.lineno + 1
        for path, source in sources(*PACKAGES).items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(lengths) > 1_000
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}
