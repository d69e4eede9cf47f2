"""A house rule for the tests themselves: what several modules use lies in a helper."""

import ast
from pathlib import Path

TESTS = Path(__file__).parent


def imported_test_modules(source: str) -> list[str]:
    """Returns the names of test modules in the imports of a module."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return [name for name in names if ".test_" in name and name.startswith("tests.")]


def test_no_test_module_imports_from_another() -> None:
    paths = TESTS.rglob("*.py")
    found = {str(path): imported_test_modules(path.read_text("utf-8")) for path in paths}
    assert not {path: names for path, names in found.items() if names}


def test_the_rule_sees_every_form_of_such_an_import() -> None:
    for line in (
        "from tests.a.test_b import c",
        "from tests.a import d, test_b",
        "import tests.a.test_b",
    ):
        assert imported_test_modules(line), line
    assert not imported_test_modules("from tests.a import b")
