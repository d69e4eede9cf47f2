"""The three programs as a person runs them."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from absl import flags

from tests.tfrecords_tools import record_reading
from tfrecords_tools import build_vocab, create_data, inspect_data, processes, vocabulary_learning
from tfrecords_tools.settings import DatasetSettings, VocabularySettings
from tfrecords_tools.text.text_input import TextInput

PROJECT = Path(__file__).parents[2]


def run(
    *command: str,
    folder: Path = PROJECT,
    hash_seed: int = 0,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.CompletedProcess[str]:
    # Another hash seed gives sets another order, which no result may depend on.
    environment = os.environ | {"PYTHONHASHSEED": str(hash_seed), **environment}
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.slow
def test_both_ways_of_running_give_the_same_bytes(
    make_settings: Callable[..., DatasetSettings], tmp_path: Path
):
    settings = make_settings()
    arguments = [
        f"--input={settings.text.input}",
        f"--vocab_file={settings.vocab_file}",
        "--heldout_fraction=0.2",
        "--num_shards=2",
        "--dupe_factor=1",
        "--max_seq_length=32",
        "--max_predictions_per_seq=5",
    ]
    contents = []
    ways = [["tfrecords_tools/create_data.py"], ["-m", "tfrecords_tools.create_data"]]
    for hash_seed, way in enumerate(ways):
        output = tmp_path / f"records_{hash_seed}"
        result = run(*way, *arguments, f"--output_dir={output}", hash_seed=hash_seed)
        assert result.returncode == 0, result.stderr
        assert "24 documents" in result.stdout
        assert "Traceback" not in result.stderr
        contents.append(record_reading.contents(output))
    assert len(contents[0]) == 4
    assert contents[0] == contents[1]


def test_a_vocabulary_is_the_same_in_another_process(tmp_path: Path):
    text = Path(__file__).read_text()[:3_000]
    (tmp_path / "text.txt").write_text(text)
    settings = VocabularySettings(
        TextInput(f"{tmp_path}/text.txt"), f"{tmp_path}/here.txt", vocab_size=300
    )
    vocabulary_learning.build(settings)
    result = run(
        "-m",
        "tfrecords_tools.build_vocab",
        f"--input={settings.text.input}",
        f"--vocab_file={tmp_path}/there.txt",
        "--vocab_size=300",
        hash_seed=1,
    )
    assert result.returncode == 0, result.stderr
    here = (tmp_path / "here.txt").read_bytes()
    assert here == (tmp_path / "there.txt").read_bytes()
    assert here.startswith(b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")


@pytest.mark.parametrize("name", ["create_data", "build_vocab", "inspect_data"])
def test_a_mistake_is_told_in_one_line_with_status_2(name: str, tmp_path: Path):
    result = run(str(PROJECT / "tfrecords_tools" / f"{name}.py"), folder=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: --input")
    assert result.stderr.count("\n") == 1


def test_a_vocabulary_that_cannot_be_written_is_no_traceback(tmp_path: Path):
    (tmp_path / "file").write_text("some text")
    words = [f"--input={tmp_path}/file", f"--vocab_file={tmp_path}/file/vocab.txt"]
    result = run("-m", "tfrecords_tools.build_vocab", *words)
    assert result.returncode == 2
    assert result.stderr.startswith("error: --vocab_file ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["create_data", "build_vocab", "inspect_data"])
def test_help_shows_a_command_and_every_flag(name: str):
    result = run("-m", f"tfrecords_tools.{name}", "--help")
    assert result.returncode == 0
    assert f"python -m tfrecords_tools.{name} --" in result.stdout
    assert "--vocab_file" in result.stdout


@pytest.mark.parametrize("program", [create_data, build_vocab, inspect_data])
def test_default_flags_are_the_defaults_of_the_settings(program):
    flag_values = flags.FlagValues()
    program.define_flags(flag_values)
    paths = {"input", "output_dir", "vocab_file", "input_dir"} & set(flag_values)
    flag_values(["program", *(f"--{path}=x" for path in paths)])
    settings = program.settings_from_flags(flag_values)
    given: dict[str, object] = dict.fromkeys(paths, "x")
    if "input" in given:
        given["text"] = TextInput(input=str(given.pop("input")))
    if program is create_data:
        given["num_processes"] = processes.default_num_processes()
    assert settings == type(settings)(**given)


def test_every_flag_of_create_data_reaches_its_setting():
    flag_values = flags.FlagValues()
    create_data.define_flags(flag_values)
    given = {
        "input": "a",
        "output_dir": "b",
        "vocab_file": "c",
        "do_lower_case": False,
        "strip_accents": True,
        "max_seq_length": 12,
        "max_predictions_per_seq": 11,
        "dupe_factor": 13,
        "short_seq_prob": 0.14,
        "masked_lm_prob": 0.16,
        "random_seed": 17,
        "sentence_objective": "sop",
        "whole_word_masking": True,
        "sentence_splitting": "line",
        "heldout_fraction": 0.18,
        "num_shards": 19,
        "text_format": "lines",
        "text_field": "e",
        "documents_of": 21,
        "tfds": "f/g:1.0.0",
        "tfds_data_dir": "h",
        "feature_names": "v2",
        "compression": "GZIP",
        "on_error": "skip",
        "num_processes": 20,
        "work_dir": "i",
        "runner": "beam",
        "beam_options": "--j=k,--l",
    }
    apart = {"drop_duplicates"}  # which "beam" refuses, see test_repeated_documents.py
    assert set(given) | apart == set(flag_values) - {"flagfile", "undefok"}
    flag_values(["program", *(f"--{name}={value}" for name, value in given.items())])
    settings = create_data.settings_from_flags(flag_values)
    names = ("output_dir", "vocab_file", "num_processes", "work_dir")
    (recipe,) = settings.recipes
    reached = settings.to_record(recipe) | {name: getattr(settings, name) for name in names}
    reached["beam_options"] = ",".join(settings.beam_options)
    assert reached == given


@pytest.mark.parametrize(
    ("encoding", "num_processes"),
    [
        ("ascii", 2),
        pytest.param("ascii", 1, marks=pytest.mark.slow),
        *(pytest.param("latin-1", number, marks=pytest.mark.slow) for number in (1, 2)),
    ],
)
def test_a_terminal_that_cannot_write_chinese_gets_it_in_other_words(
    tmp_path: Path, encoding: str, num_processes: int
):
    r"""All programs end well: names, and tokens of records, are shown as \u4e2d."""
    (tmp_path / "\u6587.txt").write_text("\n\n".join(["\u4e2d\u6587 \u4e2d."] * 9), "utf-8")
    vocabulary, records = tmp_path / "\u8bcd.txt", tmp_path / "\u8bb0"
    flags_of = {
        "build_vocab": [f"--input={tmp_path}/\u6587.txt", f"--vocab_file={vocabulary}"],
        "create_data": [
            f"--input={tmp_path}/\u6587.txt",
            f"--vocab_file={vocabulary}",
            f"--output_dir={records}",
            "--heldout_fraction=0",
            f"--num_processes={num_processes}",
        ],
        "inspect_data": [f"--input_dir={records}", f"--vocab_file={vocabulary}"],
    }
    said = ""
    for name, words in flags_of.items():
        if num_processes == 2 and name == "build_vocab":
            tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "\u4e2d", "\u6587", "."]
            vocabulary.write_text("\n".join(tokens), "utf-8")
            continue
        program = ["-m", f"tfrecords_tools.{name}", *words]
        result = run(*program, environment={"PYTHONIOENCODING": encoding})
        assert result.returncode == 0, result.stderr
        said += result.stdout
    assert "\\u8bb0" in said
    assert "\\u4e2d" in said


def test_a_name_that_no_locale_can_read_is_told_in_one_line(tmp_path: Path):
    words = [f"--input={tmp_path}", f"--output_dir={tmp_path}/o", os.fsdecode(b"--vocab_file=\xff")]
    result = run("-m", "tfrecords_tools.create_data", *words)
    assert result.returncode == 2
    assert "the name is not UTF-8 text, and must be." in result.stderr
    assert result.stderr.count("\n") == 1
