"""A folder with all that a disk can hold: its texts are read once, and the rest is named."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mslt_tf.dataset_info import DatasetInfo
from tests.tfrecords_tools.numbered_text import NUM_DOCUMENTS, document_text
from tests.tfrecords_tools.record_reading import contents
from tfrecords_tools.dataset import pretraining_dataset
from tfrecords_tools.settings import DatasetSettings

MakeSettings = Callable[..., DatasetSettings]
NAMES = ('"quoted".txt', "a, b.txt", "sub/deep/[1].txt", "ü/\udcff.txt")  # sorted
PROJECT = Path(__file__).parents[2]


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder with texts, and with what is none beside them."""
    folder = tmp_path / "odd \udc80"
    for index, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        documents = range(index, NUM_DOCUMENTS, len(NAMES))
        (folder / name).write_text("\n\n".join(map(document_text, documents)))
    (folder / ".hidden").write_text("hidden")
    (folder / "sub" / "up").symlink_to("..")
    (folder / "link").symlink_to("sub")
    os.link(folder / NAMES[1], folder / "second name")
    os.mkfifo(folder / "pipe")
    return folder


def run(program: str, *arguments: str, encoding: str = "utf-8") -> str:
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", f"tfrecords_tools.{program}", *map(os.fsencode, arguments)]
    result = subprocess.run(  # type: ignore[call-overload]
        command, cwd=PROJECT, env=environment, capture_output=True, timeout=100, check=False
    )
    assert result.returncode == 0, result.stderr.decode()
    return str(result.stdout.decode(encoding))


@pytest.mark.parametrize("num_processes", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_folder_of_all_kinds_gives_the_records_of_its_texts(
    odd: Path, make_settings: MakeSettings, tmp_path: Path, num_processes: int
):
    plain = tmp_path / "plain"
    plain.mkdir()
    for index, name in enumerate(NAMES):
        (plain / f"{index}.txt").write_bytes((odd / name).read_bytes())
    settings = make_settings(input=str(plain))
    pretraining_dataset.create(settings)
    said = run(
        "create_data",
        f'--input="{odd}"',
        f"--vocab_file={settings.vocab_file}",
        f"--output_dir={tmp_path}/of_odd",
        "--heldout_fraction=0.2",
        "--num_shards=3",
        "--dupe_factor=2",
        "--max_seq_length=32",
        "--max_predictions_per_seq=5",
        f"--num_processes={num_processes}",
        encoding="ascii",
    )
    files = len(NAMES), sum((odd / name).stat().st_size for name in NAMES)
    shown = f"{tmp_path}/odd \\udc80"
    assert said.splitlines()[:4] == [
        f"files: {files[0]} in 3 folder(s), {files[1]:,} bytes",
        f"left out: 1 hidden: names that begin with . or _: {shown}/.hidden",
        "left out: 3 other name(s) of what is read already, or link(s) that lead back up: "
        f"{shown}/link, {shown}/second name, {shown}/sub/up",
        f"left out: 1 pipe(s), socket(s) or device(s), which are no files: {shown}/pipe",
    ]
    expected, found = contents(Path(settings.output_dir)), contents(tmp_path / "of_odd")
    infos = [
        DatasetInfo.from_json(files.pop("dataset_info.json"), path="")
        for files in (expected, found)
    ]
    assert found == expected
    assert infos[0].source_sha256 == infos[1].source_sha256
    reading = infos[1].statistics["reading"]
    counts = [reading[f"{kind}_files"] for kind in ("hidden", "own", "repeated", "special")]
    assert counts == [1, 0, 3, 1]


def test_a_vocabulary_is_built_from_it_and_says_what_was_left_out(odd: Path):
    vocab_file = odd.parent / "vocab_of_odd.txt"
    pattern = f'--input="{odd}/**/*.txt"'
    said = run("build_vocab", pattern, f"--vocab_file={vocab_file}", "--vocab_size=300")
    assert said.startswith("files: 4 in 3 folder(s), ")
    assert "\nleft out: 2 other name(s) of what is read already, or link(s) that lead" in said
    assert vocab_file.read_text().startswith("[PAD]\n")
