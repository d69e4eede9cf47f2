"""House rules that a program can check: import floors, files and functions of a readable size.

A module imports from its own floor and the floors below, never from above. Imports inside
functions and under `if TYPE_CHECKING` count too.
"""

import ast
import fnmatch
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("mslt_tf", "tfrecords_tools")

# Who lives where in mslt_tf. On floor 0, unlisted: `__init__` files and plain modules directly in
# mslt_tf, except the entries.
FLOORS = {
    1: (
        "distribution.*",
        "files.*",
        "modeling.*",
        "pretraining.block_reading",
        "pretraining.checkpoint_files",
        "pretraining.checkpoint_folder",
        "pretraining.dynamic_masking",
        "pretraining.event_file",
        "pretraining.facts_cache",
        "pretraining.input_pipeline",
        "pretraining.json_lines",
        "pretraining.lamb",
        "pretraining.losses",
        "pretraining.optimization",
        "pretraining.parallel_scan",
        "pretraining.record_checks",
        "pretraining.record_facts",
        "pretraining.record_files",
        "pretraining.record_identity",
        "pretraining.record_order",
        "pretraining.record_paths",
        "pretraining.record_scan",
        "pretraining.record_sets",
        "pretraining.run_log",
        "pretraining.run_record",
        "pretraining.waiting",
    ),
    2: (
        "export.encoder",
        "pretraining.checkpointing",
        "pretraining.evaluation",
        "pretraining.interruption",
        "pretraining.run_folder",
        "pretraining.stage_model",
        "pretraining.train_step",
        "pretraining.worker_setup",
    ),
    3: (
        "pretraining.run_setup",
        "pretraining.stage_evaluation",
        "pretraining.stage_input",
        "pretraining.stage_meter",
        "pretraining.training",
    ),
    4: ("run_*",),
}
# On floor 1, but resting on floor 0 alone, so that the tools may use it too.
SHARED_WITH_TOOLS = "mslt_tf.files"
THIRD_PARTY_ON_FLOOR_0 = {"absl"}
HOME_OF_TENSORFLOW_ADDONS = "mslt_tf.training.lamb"

FOLDERS_WITH_CODE = (*PACKAGES, "tests", "benchmarks", "scripts")
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60


def find_modules(root: Path) -> dict[str, Path]:
    """Returns every module of both packages by its dotted name."""
    modules = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def floor_of(module: str, path: Path) -> int | None:
    """Returns the floor of a module of mslt_tf, or None where nothing places it."""
    if path.name == "__init__.py":
        return 0  # it runs before each module of its package, so it may need no more than they
    for floor, patterns in FLOORS.items():
        if any(fnmatch.fnmatchcase(module, f"mslt_tf.{pattern}") for pattern in patterns):
            return floor
    return 0 if module.count(".") == 1 else None


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yields (line, dotted name) of each absolute import, wherever in the file it stands."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def find_floor_breaches(root: Path) -> list[str]:
    """Returns a sentence for each import that the floors forbid, and for each unplaced module."""
    modules = find_modules(root)
    breaches = []
    for module, path in modules.items():
        if module.startswith("mslt_tf") and floor_of(module, path) is None:
            breaches.append(
                f"{module} is on no floor yet: place it in FLOORS of {Path(__file__).name}"
            )
            continue
        for line, imported in imports_of(path):
            reason = why_forbidden(module, imported, modules)
            if reason:
                breaches.append(f"{path.relative_to(root)}:{line} imports {imported}: {reason}")
    return breaches


def why_forbidden(importer: str, imported: str, modules: dict[str, Path]) -> str | None:
    """Returns why `importer` must not import that dotted name, or None where it may."""
    is_tool = importer.startswith("tfrecords_tools")
    is_shared = importer.startswith(SHARED_WITH_TOOLS)
    floor = 0 if is_tool else floor_of(importer, modules[importer])
    top_level = imported.partition(".")[0]
    if top_level not in PACKAGES:
        allowed = top_level in sys.stdlib_module_names or top_level in THIRD_PARTY_ON_FLOOR_0
        if floor == 0 and not is_tool and not allowed:
            return f"floor 0 runs on the standard library and {', '.join(THIRD_PARTY_ON_FLOOR_0)}"
        return None
    if top_level == "tfrecords_tools":
        return None if is_tool else "the tools need mslt_tf, not the reverse"
    # `from package.module import name` ends in a name that is no module.
    target = imported if imported in modules else imported.rpartition(".")[0]
    target_floor = floor_of(target, modules[target]) if target in modules else None
    if (is_tool or is_shared) and target.startswith(SHARED_WITH_TOOLS):
        return None
    if is_shared and target_floor:
        return f"the tools use {SHARED_WITH_TOOLS}, so it may rest on floor 0 only"
    if target_floor is not None and target_floor > floor:
        return f"floor {target_floor} from floor {floor}"
    return None


def write_modules(root: Path, **sources: str) -> None:
    """Writes modules given as `package__module="source"` below `root`."""
    for name, source in sources.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, "utf-8")


def test_no_import_goes_up_a_floor() -> None:
    breaches = find_floor_breaches(ROOT)
    assert not breaches, "\n".join(breaches)


@pytest.mark.parametrize(
    ("module", "source", "reason"),
    [
        ("mslt_tf__config", "import tensorflow as tf", "standard library"),
        ("mslt_tf__config", "def f():\n    import numpy.linalg", "standard library"),
        ("mslt_tf__config", "from mslt_tf.modeling import bert", "floor 1 from floor 0"),
        ("mslt_tf__config", "from mslt_tf.modeling.bert import Bert", "floor 1 from floor 0"),
        (
            "mslt_tf__modeling__layers",
            "import mslt_tf.pretraining.training",
            "floor 3 from floor 1",
        ),
        ("mslt_tf__pretraining__losses", "from mslt_tf import run_pretraining", "floor 4 from"),
        ("mslt_tf__pretraining__training", "from tfrecords_tools import words", "not the reverse"),
        ("tfrecords_tools__words", "from mslt_tf.modeling import bert", "floor 1 from floor 0"),
        ("mslt_tf__files__removal", "from mslt_tf.modeling import bert", "may rest on floor 0"),
        ("mslt_tf__pretraining__novelty", "", "place it in FLOORS"),
    ],
)
def test_the_checker_catches_a_breach(
    tmp_path: Path, module: str, source: str, reason: str
) -> None:
    write_modules(
        tmp_path,
        mslt_tf__run_pretraining="from mslt_tf.pretraining import training\nimport tensorflow",
        mslt_tf__stage_plan="import dataclasses\nfrom absl import flags",
        mslt_tf__modeling__bert="import tensorflow\nfrom mslt_tf.stage_plan import Stage",
        mslt_tf__pretraining__training="from mslt_tf.modeling import bert",
        mslt_tf__files__file_errors="import tensorflow\nfrom mslt_tf import stage_plan",
        mslt_tf__files__removal="from mslt_tf.files import file_errors",
        tfrecords_tools__words="from mslt_tf import stage_plan\nfrom mslt_tf.files import removal",
    )
    assert find_floor_breaches(tmp_path) == []
    write_modules(tmp_path, **{module: source})
    (breach,) = find_floor_breaches(tmp_path)
    assert reason in breach


def test_tensorflow_addons_is_imported_in_one_module_only() -> None:
    importers = {
        module
        for module, path in find_modules(ROOT).items()
        for _, imported in imports_of(path)
        if imported.partition(".")[0] == "tensorflow_addons"
    }
    assert importers <= {HOME_OF_TENSORFLOW_ADDONS}


def test_no_import_is_relative() -> None:
    relative = [
        f"{module}:{node.lineno}"
        for module, path in find_modules(ROOT).items()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_no_file_is_too_long_to_read() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines())
        for folder in FOLDERS_WITH_CODE
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_no_function_is_too_long_to_read() -> None:
    lengths = {
        f"{module}.{node.name}": node.end_lineno - node.lineno + 1
        for module, path in find_modules(ROOT).items()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}
