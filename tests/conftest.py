"""Settings of every test run, and the comparison with golden files."""

import json
import os
import queue
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

# TensorFlow reads these when it is imported, so they come first.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its import logs errors that are none
# Code that AutoGraph cannot convert is an error, instead of running once, in Python, unnoticed.
os.environ["AUTOGRAPH_STRICT_CONVERSION"] = "1"

import pytest

# A shell ignores Ctrl-C for what it starts in the background, nohup a lost terminal, and programs
# leave that so. The tests send both, and must not depend on how they were started.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, _handler)

if TYPE_CHECKING:
    from mslt_tf.records import record_files

GOLDEN_FOLDER = Path(__file__).parent / "golden"
# What their conftest.py makes for all of their files takes long: one process makes it for all.
SHARING_FOLDERS = ("tests/export/", "tests/finetuning/served/")
# They take minutes and come late by their names: the other processes would wait for the last.
FIRST_FILES = ("tests/tfrecords_tools/test_crashes.py", "tests/tfrecords_tools/test_signals.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option that writes golden files anew; see tests/golden/README.md."""
    parser.addoption("--update_golden", action="store_true", help="write golden files anew")


@pytest.hookimpl(optionalhook=True)  # there with pytest-xdist alone
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives a process whole files, as `--dist loadfile` does, and whole sharing folders."""
    from xdist.scheduler import LoadFileScheduling

    class LoadSharingFolders(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            folders = (folder for folder in SHARING_FOLDERS if nodeid.startswith(folder))
            return next(folders, super()._split_scope(nodeid))

    return LoadSharingFolders(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests of `FIRST_FILES` before all others."""
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST_FILES))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Splits the CPU into two logical devices where a selected test is marked `multi_device`.

    TensorFlow allows that only before its first operation, hence not in a fixture; and no test
    module may run one when it is imported.
    """
    if any(item.get_closest_marker("multi_device") for item in session.items):
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        two_devices = [tf.config.LogicalDeviceConfiguration() for _ in range(2)]
        tf.config.set_logical_device_configuration(cpu, two_devices)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips tests marked `gpu` on a machine without one, and keeps `multi_device` ones apart."""
    if item.get_closest_marker("multi_device"):
        import tensorflow as tf

        # Strategies of one process number their sums alike, and TensorFlow remembers the shapes.
        tf.distribute.MirroredStrategy._collective_key_base += 1_000
    if item.get_closest_marker("gpu"):
        import tensorflow as tf

        if not tf.config.list_physical_devices("GPU"):
            pytest.skip("TensorFlow sees no GPU here")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> "record_files.Records":
    """Records of random tokens for the tiny model."""
    from tests import tiny  # most tests need neither it nor TensorFlow

    return tiny.open_random_shards(tmp_path_factory.mktemp("records"))


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> queue.Queue[int]:
    """The exit statuses with which the program would have ended at once."""
    statuses: queue.Queue[int] = queue.Queue()
    monkeypatch.setattr(os, "_exit", statuses.put)
    return statuses


@pytest.fixture
def check_golden_numbers(
    request: pytest.FixtureRequest,
) -> Callable[[str, dict[str, float], float], None]:
    """A function (file name, numbers by name, rel=tolerance) like `check_golden`."""

    def check(name: str, numbers: dict[str, float], rel: float) -> None:
        path = GOLDEN_FOLDER / name
        if request.config.getoption("--update_golden"):
            path.write_text(json.dumps(numbers, indent=1) + "\n", "utf-8")
        golden = json.loads(path.read_text("utf-8")) if path.exists() else {}
        assert numbers == pytest.approx(golden, rel=rel), f"{name}: see tests/golden/README.md"

    return check


@pytest.fixture
def check_golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """A function (file name, text) that fails where tests/golden/NAME has another text."""

    def check(name: str, text: str) -> None:
        path = GOLDEN_FOLDER / name
        if request.config.getoption("--update_golden"):
            path.write_text(text, "utf-8")
        golden = path.read_text("utf-8") if path.exists() else ""
        assert text == golden, f"{path.name} differs: see tests/golden/README.md"

    return check
