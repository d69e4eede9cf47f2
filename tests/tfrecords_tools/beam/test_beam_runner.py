"""What a runner does with the pipeline: any workers, mistakes, options."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from tests.tfrecords_tools.beam_text import (
    HELDOUT_FRACTION,
    RECIPE,
    SMALL_GROUPS,
    settings_for,
    write_source,
)
from tests.tfrecords_tools.numbered_text import SPECIAL_TOKENS
from tests.tfrecords_tools.record_reading import contents

beam = pytest.importorskip("apache_beam")
beam_pipeline = pytest.importorskip("tfrecords_tools.beam.beam_pipeline")
beam_runner = pytest.importorskip("tfrecords_tools.beam.beam_runner")

PROJECT = Path(__file__).parents[3]
THREADS = ("--direct_running_mode=multi_threading", "--direct_num_workers=2")
PROCESSES = ("--runner=DirectRunner", "--direct_running_mode=multi_processing")


def fail(error: Exception) -> None:
    raise error


def build_failing(pipeline: object, error: Exception) -> None:
    _ = pipeline | beam.Create([error]) | "Fail" >> beam.Map(fail)  # type: ignore[operator]


def create_data(source: Path, output_dir: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs the command, with options of Beam."""
    command = [
        *(sys.executable, "-m", "tfrecords_tools.create_data"),
        f"--input={source}/text_*.txt",
        f"--vocab_file={source}/vocab.txt",
        f"--output_dir={output_dir}",
        f"--heldout_fraction={HELDOUT_FRACTION}",
        f"--max_seq_length={RECIPE.max_seq_length}",
        f"--max_predictions_per_seq={RECIPE.max_predictions_per_seq}",
        f"--dupe_factor={RECIPE.dupe_factor}",
        "--num_shards=3",
        "--runner=beam",
        f"--beam_options={','.join(options)}",
    ]
    # Another hash seed gives sets another order, which no result may depend on.
    environment = os.environ | {"PYTHONHASHSEED": str(len(options))}
    return subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_bytes_are_the_same_with_any_number_of_workers(tmp_path: Path):
    write_source(tmp_path)
    two = (*PROCESSES, "--direct_num_workers=2")
    for folder, options in {"two": two, "one": PROCESSES}.items():
        result = create_data(tmp_path, tmp_path / folder, *options)
        assert (result.returncode, result.stderr) == (0, "")
        assert "300 documents" in result.stdout
    beam_pipeline.create(settings_for(tmp_path, tmp_path / "here"))
    files = contents(str(tmp_path / "here"))
    assert len(files) == 5
    for folder in ("two", "one"):
        assert contents(str(tmp_path / folder)) == files


@pytest.mark.slow
def test_a_mistake_in_a_worker_process_is_told_in_one_line(tmp_path: Path):
    write_source(tmp_path)
    (tmp_path / "text_3.txt").write_bytes(b"\xff\n")
    result = create_data(tmp_path, tmp_path / "out", *PROCESSES, "--direct_num_workers=2")
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {tmp_path}/text_3.txt is not UTF-8 text")
    assert result.stderr.count("\n") == 1


def test_small_groups_are_the_same_in_two_threads(tmp_path: Path):
    write_source(tmp_path)
    for folder, options in (("one", ()), ("two", THREADS)):
        settings = settings_for(tmp_path, tmp_path / folder, beam_options=options)
        beam_pipeline.create(settings, tokens_per_group=SMALL_GROUPS)
    assert contents(str(tmp_path / "one")) == contents(str(tmp_path / "two"))


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("\n\n", {}, r"^the input holds no text: 0 document\(s\).*in them\.$"),
        ("a\n\nb a", {}, r"^0 of the input's 2 document.*heldout split.*--random_seed\.$"),
        (
            "a\n\nb a",
            {"heldout_fraction": 0.0, "num_shards": 90},
            r"^--num_shards: only \d of 90 files.*more text\.$",
        ),
        (b"\xff", {}, r"^.*text_0\.txt is not UTF-8 text.*leave it out\.$"),
    ],
)
def test_mistakes_of_the_input_are_told_in_one_line(
    tmp_path: Path,
    text: str | bytes,
    changes: dict[str, object],
    message: str,
    capfd: pytest.CaptureFixture[str],
):
    (tmp_path / "text_0.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIAL_TOKENS, "a", "b"]) + "\n")
    with pytest.raises(UserError, match=message):
        beam_pipeline.create(settings_for(tmp_path, tmp_path / "records", **changes))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("options", [(), THREADS])
def test_a_user_error_of_a_worker_is_one_again(options: tuple[str, ...]):
    error = UserError("this is so. Do that.")
    with pytest.raises(UserError) as caught:
        beam_runner.run(options, lambda pipeline: build_failing(pipeline, error))
    assert str(caught.value) == "this is so. Do that."


@pytest.mark.parametrize("is_defect", [False, True])
def test_what_is_said_on_the_way_shows_with_a_defect_only(
    is_defect: bool, capfd: pytest.CaptureFixture[str]
):
    def note(error: Exception | None) -> None:
        os.write(2, b"noted on the way")
        if error:
            raise error

    def build(pipeline: object) -> None:
        errors = [KeyError("a defect") if is_defect else None]
        _ = pipeline | beam.Create(errors) | beam.Map(note)  # type: ignore[operator]

    if is_defect:
        with pytest.raises(KeyError, match="a defect"):
            beam_runner.run((), build)
    else:
        beam_runner.run((), build)
    assert ("noted on the way" in capfd.readouterr().err) == is_defect


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("--runner=NoRunner", "Unexpected pipeline runner: NoRunner"),
        ("--direct_num_workers=x", "argument --direct_num_workers: invalid int value: 'x'"),
    ],
)
def test_wrong_options_are_told_in_one_line(option: str, reason: str):
    with pytest.raises(UserError, match=f"^--beam_options={option} will not do: {reason}") as error:
        beam_runner.run((option,), lambda pipeline: None)
    assert "\n" not in str(error.value)


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch):
    from apache_beam.runners.portability import prism_runner

    asked = []
    monkeypatch.setattr(
        prism_runner.PrismRunner, "run_pipeline", lambda *_: asked.append("a program of Beam's")
    )
    beam_runner.run((), lambda pipeline: pipeline | beam.Create([1]))
    assert asked == []
