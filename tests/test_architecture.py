"""House rules that a program can check: import floors, and what is imported in one place only.

A module imports from its own folder and from the floors below, never from above and never in a
circle. Imports inside functions and under `if TYPE_CHECKING` count too.
"""

import ast
import fnmatch
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.traced_graphs import reachable

ROOT = Path(__file__).parent.parent
PACKAGES = ("mslt_tf", "tfrecords_tools")

# House by house, the floor that the modules of each folder in it are on; "" is the house's own
# folder. Rooms of one floor do not know each other. A large room is a house of its own, too.
FLOORS = {
    "mslt_tf": {
        "": 0,
        "files": 1,
        "distribution": 1,
        "modeling": 1,
        "tokenization": 1,
        "records": 2,
        "training": 2,
        "export": 3,
        "conversion": 3,
        "pretraining": 4,
        "finetuning": 4,
        "analysis": 4,
    },
    "tfrecords_tools": {"text": 0, "recipe": 0, "": 1, "dataset": 2, "beam": 3},
    "tfrecords_tools.text": {"": 0, "sentences": 1, "files": 1, "formats": 2, "pieces": 3},
}
# The programs, above all rooms of their package.
ENTRY_FLOOR = 5
ENTRIES = (
    "mslt_tf.run_*",
    "mslt_tf.finetuning.score_squad",
    "tfrecords_tools.build_vocab",
    "tfrecords_tools.create_data",
    "tfrecords_tools.inspect_data",
)
SHARED_WITH_TOOLS = ("mslt_tf.files", "mslt_tf.tokenization")  # so they rest on floor 0 alone
THIRD_PARTY_ON_FLOOR_0 = {"absl"}
HOME_OF_TENSORFLOW_ADDONS = "mslt_tf.training.lamb"


def find_modules(root: Path) -> dict[str, Path]:
    """Returns every module of both packages by its dotted name."""
    modules = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def houses_of(*modules: str) -> list[str]:
    """Returns what all these modules are in: the package first."""
    return [
        house for house in FLOORS if all(f"{name}.".startswith(f"{house}.") for name in modules)
    ]


def room_of(module: str, path: Path, house: str) -> str:
    """Returns the folder of a module within its house, "" for the house's own."""
    parts = module.removeprefix(house).split(".")
    return parts[1] if len(parts) > 2 or (len(parts) == 2 and path.name == "__init__.py") else ""


def floor_of(module: str, path: Path, house: str = "") -> int | None:
    """Returns the floor of a module in a house, by default its package; None if it has no place."""
    house = house or houses_of(module)[0]
    floors = FLOORS[house]
    room = room_of(module, path, house)
    if room not in floors:
        return None
    if path.name == "__init__.py":
        return 0  # it runs before each module of its package, so it may need no more than they
    if any(fnmatch.fnmatchcase(module, entry) for entry in ENTRIES):
        return ENTRY_FLOOR
    return floors[room]


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
        if any(floor_of(module, path, house) is None for house in houses_of(module)):
            breaches.append(
                f"the folder of {module} is on no floor yet: place it in FLOORS of "
                f"{Path(__file__).name}"
            )
            continue
        for line, imported in imports_of(path):
            reason = why_forbidden(module, imported, modules)
            if reason:
                breaches.append(f"{path.relative_to(root)}:{line} imports {imported}: {reason}")
    return breaches


def why_forbidden(importer: str, imported: str, modules: dict[str, Path]) -> str | None:
    """Returns why `importer` must not import that dotted name, or None where it may."""
    package, top_level = importer.partition(".")[0], imported.partition(".")[0]
    is_plain = package == "mslt_tf" and floor_of(importer, modules[importer]) == 0
    if top_level not in PACKAGES:
        allowed = top_level in sys.stdlib_module_names or top_level in THIRD_PARTY_ON_FLOOR_0
        if is_plain and not allowed:
            return f"floor 0 runs on the standard library and {', '.join(THIRD_PARTY_ON_FLOOR_0)}"
        return None
    target = target_of(imported, modules)
    if target is None or floor_of(target, modules[target]) is None:
        return None
    if package != top_level:
        if top_level == "tfrecords_tools":
            return "the tools need mslt_tf, not the reverse"
        return why_not_for_tools(target, modules)
    reasons = (why_not_within(h, importer, target, modules) for h in houses_of(importer, target))
    return next(filter(None, reasons), None)


def target_of(imported: str, modules: dict[str, Path]) -> str | None:
    """Returns the module that an import names: the name itself, or what it is a name of."""
    candidates = (imported, imported.rpartition(".")[0])
    return next((name for name in candidates if name in modules), None)


def why_not_for_tools(target: str, modules: dict[str, Path]) -> str | None:
    """Returns why the tools must not import a module of mslt_tf, or None where they may."""
    is_shared = target.startswith(SHARED_WITH_TOOLS)
    if floor_of(target, modules[target]) and not is_shared:
        return f"the tools use floor 0 of mslt_tf and {SHARED_WITH_TOOLS} only"
    return None


def why_not_within(house: str, importer: str, target: str, modules: dict[str, Path]) -> str | None:
    """Returns why a module must not import another one of its house, or None where it may."""
    floor, target_floor = (floor_of(name, modules[name], house) for name in (importer, target))
    rooms = [room_of(name, modules[name], house) for name in (importer, target)]
    assert floor is not None
    assert target_floor is not None
    if rooms[0] == rooms[1] and ENTRY_FLOOR not in (floor, target_floor):
        return None
    if target_floor > floor:
        return f"floor {target_floor} from floor {floor}"
    if target_floor == floor:
        return f"{target} is another room of the same floor"
    return None


def find_circles(root: Path) -> list[list[str]]:
    """Returns the sets of modules that need each other, each sorted."""
    modules = find_modules(root)
    needs = {
        module: {target for _, name in imports_of(path) if (target := target_of(name, modules))}
        for module, path in modules.items()
    }
    reached = {module: reachable(needs[module], needs.__getitem__) for module in modules}
    circles = {
        tuple(sorted(other for other in reached[module] if module in reached[other]))
        for module in modules
        if module in reached[module]
    }
    return [list(circle) for circle in sorted(circles)]


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
            "floor 4 from floor 1",
        ),
        ("mslt_tf__modeling__layers", "from mslt_tf.files import removal", "of the same floor"),
        ("mslt_tf__pretraining__losses", "from mslt_tf import run_pretraining", "floor 5 from"),
        ("tfrecords_tools__words", "from tfrecords_tools import create_data", "floor 5 from"),
        ("tfrecords_tools__recipe__pairs", "from tfrecords_tools import words", "floor 1 from"),
        ("mslt_tf__pretraining__training", "from tfrecords_tools import words", "not the reverse"),
        ("tfrecords_tools__words", "from mslt_tf.modeling import bert", "floor 0 of mslt_tf and"),
        ("mslt_tf__files__removal", "from mslt_tf.modeling import bert", "of the same floor"),
        ("mslt_tf__novelty__module", "", "place it in FLOORS"),
        ("tfrecords_tools__text__novelty__module", "", "place it in FLOORS"),
        (
            "tfrecords_tools__text__files__access",
            "import tfrecords_tools.text.pieces.piece",
            "floor 3 from floor 1",
        ),
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
        tfrecords_tools__create_data="from tfrecords_tools import words",
        tfrecords_tools__text__pieces__piece="from tfrecords_tools.text.files import zips",
        tfrecords_tools__text__files__zips="",
    )
    assert find_floor_breaches(tmp_path) == []
    write_modules(tmp_path, **{module: source})
    (breach,) = find_floor_breaches(tmp_path)
    assert reason in breach


def test_no_modules_need_each_other() -> None:
    assert find_circles(ROOT) == []


def test_the_checker_catches_a_circle(tmp_path: Path) -> None:
    write_modules(
        tmp_path,
        mslt_tf__a="from mslt_tf import b",
        mslt_tf__b="def later():\n    from mslt_tf.c import name",
        mslt_tf__c="import mslt_tf.a",
        mslt_tf__d="from mslt_tf import a",
    )
    assert find_circles(tmp_path) == [["mslt_tf.a", "mslt_tf.b", "mslt_tf.c"]]


def test_tensorflow_addons_is_imported_in_one_module_only() -> None:
    importers = {
        module
        for module, path in find_modules(ROOT).items()
        for _, imported in imports_of(path)
        if imported.partition(".")[0] == "tensorflow_addons"
    }
    assert importers <= {HOME_OF_TENSORFLOW_ADDONS}


def test_matplotlib_is_imported_in_one_room_only() -> None:
    importers = {
        room_of(module, path, houses_of(module)[0])
        for module, path in find_modules(ROOT).items()
        for _, imported in imports_of(path)
        if imported.partition(".")[0] == "matplotlib"
    }
    assert importers == {"analysis"}  # so that who trains does not wait for it


def test_no_import_is_relative() -> None:
    relative = [
        f"{module}:{node.lineno}"
        for module, path in find_modules(ROOT).items()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []
