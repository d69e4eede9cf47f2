"""Flags that name files and folders: homes are expanded, and commas may be part of a name."""

import importlib
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest
from absl import flags

from mslt_tf import path_flags, startup

HOME = "/home/of/someone"

# Every flag of every command that names files or folders, by the module that defines it.
PATH_FLAGS = {
    "mslt_tf.pretraining_flags": [
        *("output_dir", "vocab_file", "init_checkpoint", "train_records", "eval_records"),
        *("long_train_records", "long_eval_records"),
    ],
    "tfrecords_tools.build_vocab": ["input", "tfds_data_dir", "vocab_file"],
    "tfrecords_tools.create_data": [
        *("input", "tfds_data_dir", "vocab_file", "output_dir", "work_dir")
    ],
    "tfrecords_tools.inspect_data": ["input_dir", "vocab_file"],
    "scripts.demo": ["folder", "input"],
    "scripts.fill_masks": ["records", "vocab_file", "export"],
    "benchmarks.create_data": ["input", "vocab_file", "folder"],
    "benchmarks.learning.__main__": ["configs", "output_dir", "input", "json"],
    "benchmarks.step_time.__main__": [
        "torch_python",
        "json",
        "plot",
        "output_dir",
        "train_records",
    ],
}
LIST_FLAGS = [
    *(("mslt_tf.pretraining_flags", name) for name in PATH_FLAGS["mslt_tf.pretraining_flags"][3:]),
    ("tfrecords_tools.build_vocab", "input"),
    ("tfrecords_tools.create_data", "input"),
    ("scripts.demo", "input"),
    ("benchmarks.learning.__main__", "input"),
]


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", HOME)


def defined(define: Callable[..., None], default: object) -> flags.FlagValues:
    values = flags.FlagValues()
    define("name", default, "Something.", flag_values=values)
    return values


def parsed(define: Callable[..., None], default: object, given: str) -> object:
    values = defined(define, default)
    values(["program", f"--name={given}"])
    return values.name


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module in PATH_FLAGS for name in PATH_FLAGS[module]]
)
def test_every_path_of_every_command_may_begin_with_a_home(module: str, name: str):
    values = flags.FlagValues()
    importlib.import_module(module).define_flags(values)
    values(["program", f"--{name}=~/a"])
    assert values[name].value in (f"{HOME}/a", [f"{HOME}/a"])


@pytest.mark.parametrize(("module", "name"), LIST_FLAGS)
def test_every_list_of_paths_expands_each_and_tells_of_quotes(module: str, name: str):
    values = flags.FlagValues()
    importlib.import_module(module).define_flags(values)
    values(["program", f'--{name}=a*,"~/b,c",~/d'])
    value = values[name].value
    paths = value if isinstance(value, list) else path_flags.split_paths(value)
    assert paths == ["a*", f"{HOME}/b,c", f"{HOME}/d"]
    assert "A name with a comma is written in double quotes" in values[name].help


@pytest.mark.parametrize("given", ["", "a", "a/~", "gs://b/~/c", "./~/a", "~nobody-of-that-name/a"])
def test_what_begins_with_no_home_stays_as_it_is(given: str):
    assert parsed(path_flags.define_path, "", given) == given
    assert parsed(path_flags.define_joined_paths, "", given) == given
    assert parsed(path_flags.define_paths, [], given) == ([given] if given else [])


@pytest.mark.parametrize("define", [path_flags.define_path, path_flags.define_paths])
def test_a_name_that_tensorflow_cannot_read_is_told_by_its_flag(define: Callable[..., None]):
    with pytest.raises(flags.IllegalFlagValueError, match="the name is not UTF-8 text"):
        parsed(define, "", "data/\udce9*.tfrecord")  # a byte of Latin-1, as Python takes it


def test_the_home_of_another_user_is_found():
    user = pwd.getpwall()[0]
    assert parsed(path_flags.define_path, "", f"~{user.pw_name}/a") == f"{user.pw_dir}/a"


def test_a_flagfile_may_have_homes_in_it(tmp_path: Path):
    values = defined(path_flags.define_paths, [])
    flags.DEFINE_string("flagfile", None, "", flag_values=values)
    (tmp_path / "flags").write_text("--name=~/a,~/b\n")
    values(["program", f"--flagfile={tmp_path}/flags"])
    assert values.name == [f"{HOME}/a", f"{HOME}/b"]


@pytest.mark.parametrize("given", ["a,b", " a , b ", 'a,"b,c"', "a,,b", "embedded", 'a"b'])
def test_joined_paths_without_a_home_keep_their_spelling(given: str):
    assert parsed(path_flags.define_joined_paths, "", given) == given


@pytest.mark.parametrize("define", [path_flags.define_paths, path_flags.define_joined_paths])
def test_a_quote_without_an_end_is_refused_by_the_flag(define: Callable[..., None]):
    with pytest.raises(flags.IllegalFlagValueError, match=r"--name=.*unexpected end of data"):
        parsed(define, "", '"a,b')


@pytest.mark.parametrize("paths", [["a"], ["a", "b,c"], ['"a', 'b"c', "d e"], ["a,b"], ['"a,b"']])
def test_paths_survive_being_joined_and_split(paths: list[str]):
    assert path_flags.split_paths(path_flags.join_paths(paths)) == paths


@pytest.mark.parametrize(
    ("define", "define_as_absl", "default"),
    [
        (path_flags.define_path, flags.DEFINE_string, ""),
        (path_flags.define_path, flags.DEFINE_string, "a/b"),
        (path_flags.define_joined_paths, flags.DEFINE_string, "embedded"),
        (path_flags.define_paths, flags.DEFINE_list, []),
        (path_flags.define_paths, flags.DEFINE_list, ["a", "b,c"]),
    ],
)
def test_type_and_default_are_those_of_absls_own_flags(
    define: Callable[..., None], define_as_absl: Callable[..., None], default: object
):
    ours, absls = (defined(way, default)["name"] for way in (define, define_as_absl))
    assert ours.flag_type() == absls.flag_type()
    assert (ours.value, ours.default_as_str) == (absls.value, absls.default_as_str)
    text = startup.help_text("", [ours]).replace(f" {path_flags._COMMA_HELP}", "")
    assert text == startup.help_text("", [absls])
