"""What the flags of create_data make, and mistakes in them and in the input."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mslt_tf.records.record_files import open_records
from tests.tfrecords_tools import record_reading
from tfrecords_tools.settings import DatasetSettings


def words_of(settings: DatasetSettings, folder: Path, *more: str) -> list[str]:
    return [
        f"--input={settings.text.input}",
        f"--vocab_file={settings.vocab_file}",
        f"--output_dir={folder}",
        "--max_seq_length=32",
        "--max_predictions_per_seq=5",
        "--dupe_factor=1",
        "--num_processes=1",
        *more,
    ]


@pytest.mark.parametrize("feature_names", ["v1", "v2"])
@pytest.mark.parametrize("compression", ["", "GZIP"])
@pytest.mark.parametrize("objective", ["nsp", "sop"])
def test_the_training_reader_takes_every_variant(
    make_settings: Callable[..., DatasetSettings],
    run_create_data: Callable[..., tuple[int, str]],
    feature_names: str,
    compression: str,
    objective: str,
    tmp_path: Path,
):
    settings = make_settings()
    folder = tmp_path / "made"
    variant = [
        f"--feature_names={feature_names}",
        f"--compression={compression}",
        f"--sentence_objective={objective}",
    ]
    status, errors = run_create_data(*words_of(settings, folder, *variant))
    assert status == 0, errors
    recipe = settings.recipes[0]
    made = record_reading.read_arrays(
        folder, "train", recipe, feature_names=feature_names, compression=compression
    )
    for has_info in (True, False):
        if not has_info:
            (folder / "dataset_info.json").unlink()
        found = open_records(
            [f"{folder}/train-*.tfrecord"],
            cache_path=str(tmp_path / "cache.json"),
            report=lambda line: None,
        )
        assert found.num_records == len(made["input_ids"]) > 100
        assert (found.layout.max_seq_length, found.layout.max_predictions_per_seq) == (32, 5)
        assert found.layout.feature_names == feature_names
        assert found.layout.compression == compression
        assert found.sentence_objective == (objective if has_info else "")


def test_whole_words_are_masked_where_the_command_line_says_so(
    make_settings: Callable[..., DatasetSettings],
    run_create_data: Callable[..., tuple[int, str]],
    tmp_path: Path,
):
    """Every word has two pieces, which are predicted together or each for itself."""
    settings = make_settings()
    pieces = [f"w{number}" for number in range(100)] + ["##s"]
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    Path(settings.vocab_file).write_text("\n".join(specials + pieces))
    documents = [
        "\n".join([" ".join(f"w{number}s" for number in range(first, 100, 9))] * 20)
        for first in range(9)
    ]
    Path(settings.text.input).write_text("\n\n".join(documents))
    recipe = settings.recipes[0]
    second_piece = len(specials + pieces) - 1
    counts = []
    for flag in ("--whole_word_masking", "--nowhole_word_masking"):
        status, errors = run_create_data(
            *words_of(settings, tmp_path / flag, flag, "--text_format=plain")
        )
        assert status == 0, errors
        records = record_reading.read_arrays(tmp_path / flag, "train", recipe)
        ids = record_reading.unmasked(records)
        chosen = np.zeros(ids.shape, bool)
        rows, columns = np.nonzero(records["masked_lm_weights"])
        chosen[rows, records["masked_lm_positions"][rows, columns]] = True
        is_pair = (ids[:, 1:] == second_piece) & (ids[:, :-1] >= len(specials))
        both, one = chosen[:, 1:] & chosen[:, :-1], chosen[:, 1:] ^ chosen[:, :-1]
        counts.append(((both & is_pair).sum(), (one & is_pair).sum()))
    assert counts[0][0] > 100
    assert counts[0][1] == 0
    assert counts[1][1] > 5 * counts[1][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text.txt": "\n \n\n"}, "the input holds no text: 0 document(s), none with a word"),
        ({"text.txt": "\u0301\n\n\u0301\u0302\n"}, "holds no text: 2 document(s), none with"),
        ({"vocab.txt": "[PAD]\n[UNK]\na\n"}, "lacks [CLS], [SEP], [MASK]; a vocabulary must"),
        (
            {"vocab.txt": "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\na\n"},
            "'a' stands on line 6 and again on line 7",
        ),
        ({"text.txt": None}, "text.txt', which matches no file"),
        ({"vocab.txt": None}, "vocab.txt is no file. Give a WordPiece vocabulary"),
        ({"text.txt": b"d0w0\n\n\xff\n"}, "is not UTF-8"),
    ],
)
@pytest.mark.parametrize("num_processes", [1, 2])
def test_input_that_does_not_do_is_told_in_one_line_with_status_2(
    make_settings: Callable[..., DatasetSettings],
    run_create_data: Callable[..., tuple[int, str]],
    change: dict[str, str | bytes | None],
    message: str,
    num_processes: int,
    tmp_path: Path,
):
    settings = make_settings()
    for name, content in change.items():
        if content is None:
            (tmp_path / name).unlink()
        else:
            (tmp_path / name).write_bytes(
                content if isinstance(content, bytes) else content.encode()
            )
    words = words_of(settings, tmp_path / "made", f"--num_processes={num_processes}")
    status, errors = run_create_data(*words)
    lines = [line for line in errors.splitlines() if not line.startswith("tokenise: ")]
    assert status == 2
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert message in lines[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--max_seq_length=128,512"],
            "--max_seq_length has 2 value(s), --max_predictions_per_seq",
        ),
        (["--max_seq_length=a", "--max_predictions_per_seq=1"], "takes whole numbers"),
        (
            ["--max_seq_length=16", "--max_predictions_per_seq=17"],
            "--max_predictions_per_seq is 17 for records of 16 tokens; it can be 16 at most. Give "
            "about max_seq_length x masked_lm_prob: 2.",
        ),
        (["--num_processes=-1"], "--num_processes is -1. Use at least 1."),
        (["--compression=bzip"], "--compression=bzip"),
        (["--output_dir=gs://a/b"], "--work_dir"),
    ],
)
def test_flags_that_do_not_do_are_told_in_one_line_with_status_2(
    make_settings: Callable[..., DatasetSettings],
    run_create_data: Callable[..., tuple[int, str]],
    words: list[str],
    message: str,
    tmp_path: Path,
):
    status, errors = run_create_data(*words_of(make_settings(), tmp_path / "made", *words))
    assert (status, errors.count("\n")) == (2, 1)
    assert errors.startswith("error: ")
    assert message in errors
    assert not (tmp_path / "made").exists()
