"""scripts.demo: its commands, its manners on Ctrl-C, and, slow, all of it on a smaller text."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from absl import flags

from mslt_tf.dataset_info import FILE_NAME, DatasetInfo
from mslt_tf.errors import UserError
from scripts import demo
from tests import documented_commands
from tests.documented_commands import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as the demo leaves it, without the large files."""
    (tmp_path / "records").mkdir()
    (tmp_path / "run").mkdir()
    info = DatasetInfo(64, 10, vocab_size=321, vocab_sha256="", source_sha256="", splits={})
    (tmp_path / "records" / FILE_NAME).write_text(info.to_json())
    evaluation = {
        "kind": "eval",
        "stage": "joint",
        "step": 5_000,
        "masked_lm_loss": 1.25,
        "masked_lm_accuracy": 0.5,
        "sentence_pair_accuracy": 0.75,
        "unigram_entropy": 3.5,
    }
    lines = [{"kind": "train", "stage": "joint", "step": 5_000}, evaluation]
    (tmp_path / "run" / "metrics.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    return tmp_path


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that the demo asks for, none of which runs."""
    commands: list[list[str]] = []
    monkeypatch.setattr(demo, "_call", commands.append)
    return commands


@pytest.fixture
def run_main(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    def run(*arguments: str) -> int:
        values = flags.FlagValues()
        demo.define_flags(values)
        values(["demo", *arguments])
        monkeypatch.setattr(flags, "FLAGS", values)
        return demo.main()

    return run


def test_commands_are_such_as_their_tools_take(folder: Path, called, monkeypatch):
    monkeypatch.chdir(ROOT)
    demo.run_demo(str(folder), "embedded", num_train_steps=50)
    parsed = [documented_commands.parse(words[1], words[2:]) for words in called[:3]]
    tools = ["tfrecords_tools.build_vocab", "tfrecords_tools.create_data"]
    assert [words[1] for words in called[:3]] == [*tools, "mslt_tf.run_pretraining"]
    assert parsed[2].vocab_size == 321  # what came out, not what was asked for
    assert (parsed[2].num_train_steps, parsed[2].num_warmup_steps) == (50, 5)
    for name in ("max_seq_length", "max_predictions_per_seq"):
        assert parsed[1][name].value == [str(parsed[2][name].value)]


def test_the_folder_may_have_a_comma_in_its_name(folder: Path, monkeypatch):
    monkeypatch.chdir(ROOT)
    comma = shutil.copytree(folder, folder.with_name("a,b"))
    words = demo.run_pretraining_command(str(comma), num_train_steps=0)
    values = documented_commands.parse(words[1], words[2:])
    assert values.train_records == [f"{comma}/records/train-*.tfrecord"]


def test_a_vocabulary_made_from_the_same_is_kept(folder: Path, called):
    demo.run_demo(str(folder), "embedded", num_train_steps=0)
    (folder / "vocab.txt").touch()  # what the first command would have written
    demo.run_demo(str(folder), "embedded", num_train_steps=0)
    assert [words[1] for words in called[4:6]] == [
        "tfrecords_tools.create_data",
        "mslt_tf.run_pretraining",
    ]


@pytest.mark.parametrize(
    ("name", "found", "wanted"),
    [
        ("input", "a.txt", "'embedded'"),
        ("vocab_size", 300, "4096"),
        ("versions", "keras 0.1", "'python 3"),
    ],
)
def test_a_vocabulary_made_from_something_else_is_refused(
    folder: Path, called, name: str, found: object, wanted: str
):
    demo.run_demo(str(folder), "embedded", num_train_steps=0)
    (folder / "vocab.txt").touch()
    origin = folder / demo.ORIGIN_NAME
    origin.write_text(json.dumps(json.loads(origin.read_text()) | {name: found}))
    called.clear()
    with pytest.raises(UserError) as caught:
        demo.run_demo(str(folder), "embedded", num_train_steps=0)
    assert f"was made with {name} = {found!r}, but this demo needs" in str(caught.value)
    assert wanted in str(caught.value)
    names = ("vocab.txt", demo.ORIGIN_NAME, "records", "run")
    removal = f"rm -r {' '.join(f'{folder}/{name}' for name in names)}"
    assert str(caught.value).endswith(removal)
    assert called == []


@pytest.mark.parametrize("content", [None, "{", "3"])
def test_a_vocabulary_of_unknown_origin_is_refused(folder: Path, called, content: str | None):
    (folder / "vocab.txt").touch()
    if content is not None:
        (folder / demo.ORIGIN_NAME).write_text(content)
    with pytest.raises(UserError, match=r"vocab\.txt is there, but not what it was made from"):
        demo.run_demo(str(folder), "embedded", num_train_steps=0)
    assert called == []


def test_versions_of_packages_do_not_matter_to_other_texts(monkeypatch):
    monkeypatch.setattr(demo.embedded_corpus, "describe_versions", lambda: "keras 0.1")
    assert "versions" not in demo._origin("texts/*.txt")
    assert demo._origin("embedded")["versions"] == "keras 0.1"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, called):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written to: Not a directory"):
        demo.run_demo(f"{tmp_path}/file/demo", "embedded", num_train_steps=0)


def test_the_end_tells_losses_and_where_everything_lies(folder: Path, called, capsys):
    demo.run_demo(str(folder), "embedded", num_train_steps=0)
    said = capsys.readouterr().out
    assert "joint  5,000  1.250           0.500     0.750" in said
    assert "has a loss of 3.500" in said
    assert f"--logdir={folder}/run/tensorboard" in said
    # Whatever else is in the folder, the advice leaves it there.
    assert f"remove it all: rm -r {folder}/vocab_origin.json {folder}/records {folder}/run)" in said
    assert f'tf.saved_model.load("{folder}/run/export/encoder")' in said


@pytest.mark.parametrize(
    ("status", "advice"), [(7, "Run the demo again to go on"), (2, "to begin anew: rm -r ")]
)
def test_a_command_that_fails_ends_the_demo(
    tmp_path: Path, run_main, capsys, monkeypatch, status: int, advice: str
):
    program = f"raise SystemExit({status})"
    monkeypatch.setattr(demo, "build_vocab_command", lambda *_: ["-c", program])
    assert run_main(f"--folder={tmp_path}") == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert f"The command above ended with status {status}." in last
    assert advice in last
    assert ("rm -r" in last) == (status == 2)


@pytest.mark.parametrize("when", ["before the command starts", "before Popen returns"])
def test_ctrl_c_while_a_command_starts_leaves_none_behind(
    tmp_path: Path, run_main, monkeypatch, when: str
):
    handler = signal.getsignal(signal.SIGINT)
    children: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def start_interrupted(*arguments, **settings) -> subprocess.Popen[bytes]:
        if when == "before the command starts":
            os.kill(os.getpid(), signal.SIGINT)
        children.append(start(*arguments, **settings))
        if when == "before Popen returns":
            os.kill(os.getpid(), signal.SIGINT)
        return children[0]

    monkeypatch.setattr(demo.subprocess, "Popen", start_interrupted)
    monkeypatch.setattr(
        demo, "build_vocab_command", lambda *_: ["-c", "import time; time.sleep(60)"]
    )
    assert run_main(f"--folder={tmp_path}") == 130
    assert [child.returncode for child in children] == [-signal.SIGTERM]
    assert signal.getsignal(signal.SIGINT) is handler  # as it was


def test_ctrl_c_stops_the_command_gently_and_the_demo_without_traceback(
    tmp_path: Path, run_main, capsys, monkeypatch
):
    handler = signal.getsignal(signal.SIGINT)
    # The command notes how it was stopped, and that a single signal came.
    program = (
        "import pathlib, signal, time\n"
        f"note = pathlib.Path({str(tmp_path)!r}) / 'note'\n"
        "def stop(*_):\n"
        "    note.write_text(note.read_text() + 'stopped ')\n"
        "    time.sleep(0.5)\n"
        "    raise SystemExit(143)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "note.write_text('ready ')\n"
        "time.sleep(60)\n"
    )
    monkeypatch.setattr(demo, "build_vocab_command", lambda *_: ["-c", program])
    note = tmp_path / "note"

    def interrupt_when_ready() -> None:
        while not (note.exists() and note.read_text()):
            threading.Event().wait(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt_when_ready, daemon=True).start()
    assert run_main(f"--folder={tmp_path}") == 130
    assert note.read_text() == "ready stopped "
    assert "Run the demo again to go on" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is handler  # as it was


def start_demo(folder: Path, *, num_train_steps: int) -> subprocess.Popen[str]:
    command = [
        *(sys.executable, "-m", "scripts.demo", f"--folder={folder}"),
        *("--input=tfrecords_tools/*.py", f"--num_train_steps={num_train_steps}"),
    ]
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    # An installed copy of the project may be another one than that of these tests.
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, text=True, env=environment, **both)


def run_demo_program(folder: Path, *, num_train_steps: int) -> str:
    """Runs the demo to its end and returns what it said."""
    process = start_demo(folder, num_train_steps=num_train_steps)
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    return said


def interrupt_demo(folder: Path, *, num_train_steps: int) -> str:
    """Presses Ctrl-C in the first stage and returns what the demo said from then on."""
    with start_demo(folder, num_train_steps=num_train_steps) as process:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("layers_2  step"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stdout.read()
    assert process.returncode == 130, rest
    return rest


@pytest.fixture(scope="module")
def demo_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """The folder of a demo that went on after Ctrl-C, and what it said before and after that."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    interrupted = interrupt_demo(folder, num_train_steps=300)
    return folder, interrupted, run_demo_program(folder, num_train_steps=300)


@pytest.mark.slow
def test_an_interrupted_demo_goes_on_where_it_was_and_then_knows_that_it_is_done(demo_runs):
    folder, interrupted, said = demo_runs
    assert "Interrupted; saved." in interrupted
    assert "Run the demo again to go on" in interrupted
    assert "Traceback" not in interrupted
    assert "layers_2 goes on at step" in said
    assert "joint     300" in said.split("The demo is done")[1]
    assert (folder / "run" / "export" / "encoder" / "saved_model.pb").exists()
    assert len(re.findall(r"\[MASK\].*\n    was: \w+ +guessed: (\S+ 0\.\d\d *){3}\n", said)) == 3
    again = run_demo_program(folder, num_train_steps=300)
    assert "holds these records already" in again
    assert "This run is done: 300 steps" in again
    assert "begins at step" not in again


@pytest.mark.slow
def test_the_python_of_the_documentation_works_on_the_demo(demo_runs):
    folder = demo_runs[0]
    page = (ROOT / "docs" / "encoder.md").read_text("utf-8")
    program = "".join(documented_commands.code_blocks(page, "python"))
    program += "print(outputs['sequence_output'].shape, outputs['pooled_output'].shape)\n"
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("(1, ")
    assert result.stdout.endswith(", 128) (1, 128)\n")
