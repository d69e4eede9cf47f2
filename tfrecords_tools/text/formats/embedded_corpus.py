"""The corpus that every machine has: the English documentation inside the Python installation.

It makes demonstrations and tests possible without a download: the language reference
(`pydoc_data.topics`) and the docstrings of the standard library, TensorFlow, Keras and NumPy.
Sources are parsed, never imported. A fixed installation gives a fixed corpus; another version of a
package gives another one. It is technical prose, no substitute for books and Wikipedia.
"""

import ast
import gc
import importlib.metadata
import importlib.util
import platform
import re
import sys
import sysconfig
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from mslt_tf.errors import UserError

PACKAGES = ("keras", "numpy", "tensorflow")  # beside the standard library
TOPICS_MODULE = "pydoc_data.topics"

# Tests explain nothing; the others hold hardly any text, or (the last) an old copy of Keras whose
# text, being nearly the same, would stand in train and held-out documents at once.
_EXCLUDED = frozenset(
    ("test", "tests", "testing", "idlelib", "lib2to3", "turtledemo", "ensurepip", "__pycache__")
)
_EXCLUDED_PREFIXES = ("tensorflow.python.keras.",)
_MIN_DOCUMENT_CHARACTERS = 400  # about one record of text
_MIN_PARAGRAPH_WORDS = 6
_MIN_SHARE_OF_LETTERS = 0.75  # letters and spaces among the characters; code has fewer
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_CODE_FENCE = re.compile(r"```.*?(```|\Z)", re.DOTALL)
_MARKUP = re.compile(r":[a-z:]+:(?=`)|[`*|]+")  # :class:`X`, ``x``, *x*
_SPACE = re.compile(r"\s+")


def describe_versions() -> str:
    """Returns the versions that decide the corpus, e.g. "python 3.11.7, keras 2.15.0, ..."."""
    versions = [f"{package} {importlib.metadata.version(package)}" for package in PACKAGES]
    return ", ".join([f"python {platform.python_version()}", *versions])


def list_sources() -> list[tuple[str, Path]]:
    """Returns (module name, source file) of all modules to read, sorted by name.

    Raises:
        UserError: a package is not installed.
    """
    sources: dict[str, Path] = {}
    library = Path(sysconfig.get_path("stdlib"))
    for name in sys.stdlib_module_names - _EXCLUDED:
        sources.update(_modules_below(name, library))
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)  # finds a top-level package without importing it
        if spec is None or not spec.submodule_search_locations:
            raise UserError(
                f"The embedded corpus needs the package {name}, which is not installed. Install "
                "this project's requirements, or give your own text by --input."
            )
        sources.update(_modules_below(name, Path(spec.submodule_search_locations[0]).parent))
    return sorted(sources.items())


def read_documents(
    *, advance: Callable[[int], None] = lambda num_bytes: None
) -> Iterator[list[str]]:
    """Yields the documents as lists of paragraphs: one per topic, then one per module.

    Args:
        advance: is called with every number of bytes read.

    Yields:
        Paragraphs of one line. One that stood in an earlier document already is left out, so that
        no text is in train and held-out documents at once; what gets too short that way is too.
    """
    seen: set[str] = set()
    # Syntax trees keep the garbage collector busy, and it would look through all of TensorFlow's
    # objects every time: half of the reading time.
    gc.freeze()
    for name, path in list_sources():
        source = path.read_bytes()
        advance(len(source))
        tree = _parse(source)
        texts = _topics(tree) if name == TOPICS_MODULE else ["\n\n".join(_docstrings(tree))]
        for text in texts:
            document = [paragraph for paragraph in _paragraphs(text) if paragraph not in seen]
            document = list(dict.fromkeys(document))
            if sum(map(len, document)) >= _MIN_DOCUMENT_CHARACTERS:
                seen.update(document)
                yield document


def _modules_below(name: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yields (module name, source file) of the module or package `name` in `folder`."""
    single = folder / f"{name}.py"
    if single.is_file():
        yield name, single
    for path in (folder / name).rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        if _EXCLUDED.isdisjoint(parts) and not module.startswith(_EXCLUDED_PREFIXES):
            yield module, path


def _parse(source: bytes) -> ast.Module:
    with warnings.catch_warnings():
        # Wrong escapes in other people's strings are none of our user's business.
        warnings.simplefilter("ignore")
        return ast.parse(source)


def _docstrings(tree: ast.Module) -> Iterator[str]:
    """Yields the docstrings of a module, from top to bottom."""
    for node in _statements(tree):
        if isinstance(node, _DOCUMENTED):
            docstring = ast.get_docstring(node)
            if docstring:
                yield docstring


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yields a node and all statements below; twice as fast as going through expressions too."""
    yield node
    for field in ("body", "handlers", "orelse", "finalbody"):
        below = getattr(node, field, ())
        if isinstance(below, list):  # the body of a lambda is a single expression
            for child in below:
                yield from _statements(child)


def _topics(tree: ast.Module) -> list[str]:
    """Returns the texts of the dictionary that `pydoc_data.topics` consists of."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            return [str(ast.literal_eval(value)) for value in node.value.values]
    return []


def _paragraphs(text: str) -> Iterator[str]:
    """Yields the English-like paragraphs of reStructuredText or Markdown, each on one line."""
    for block in _CODE_FENCE.sub("\n\n", text).split("\n\n"):
        if ">>> " in block:
            continue
        # Underlines of titles and borders of tables have no letter or digit.
        lines = [line for line in block.split("\n") if any(map(str.isalnum, line))]
        paragraph = _SPACE.sub(" ", _MARKUP.sub("", " ".join(lines))).strip()
        if paragraph.count(" ") + 1 >= _MIN_PARAGRAPH_WORDS:
            letters = sum(character.isalpha() or character == " " for character in paragraph)
            if letters >= _MIN_SHARE_OF_LETTERS * len(paragraph):
                yield paragraph
