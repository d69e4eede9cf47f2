"""Data sets of tensorflow-datasets: their examples, trouble told, no download unasked."""

import errno

import pytest
import requests
import tensorflow_datasets as tfds

from mslt_tf.errors import UserError
from mslt_tf.finetuning import prepared_examples
from tests import tiny
from tests.finetuning import prepared_data

INSTEAD = "give --glue_dir"
ROWS = [(n, {"sentence": f"text {n}", "label": n % 2, "idx": n}) for n in range(5)]


def read(folder, features=("idx", "sentence"), *, name="glue/cola", split="train", download=False):
    examples = prepared_examples.read(
        name, split, features, data_dir=str(folder), download=download, instead=INSTEAD
    )
    return list(examples)


def find_builder(folder):
    return tfds.builder("glue/cola", data_dir=str(folder), try_gcs=False)


def test_examples_are_plain_values_and_batches_change_nothing(tmp_path, monkeypatch):
    prepared_data.prepare(find_builder(tmp_path), {"train": ROWS})
    expected = [(n, f"text {n}") for n in range(5)]
    assert sorted(read(tmp_path)) == expected
    monkeypatch.setattr(prepared_examples, "_BATCH", 2)
    assert sorted(read(tmp_path)) == expected
    assert {type(value) for row in read(tmp_path) for value in row} == {int, str}


def test_what_is_not_prepared_is_told_and_downloaded_only_when_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(
        tfds.core.DatasetBuilder, "download_and_prepare", prepared_data.refuse_download
    )
    message = rf"no {tmp_path}/glue/cola/\S+\. .* tfds build glue/cola --data_dir={tmp_path}, .*; "
    with pytest.raises(UserError, match=f"{message}or {INSTEAD}"):
        read(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(tfds.text.Glue, "_split_generators", lambda *_: {"train": ROWS})
    assert len(read(tmp_path, download=True)) == len(ROWS)
    assert len(read(tmp_path)) == len(ROWS)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (requests.ConnectionError("no route\nto host"), "no route to host"),
        (tfds.download.DownloadError("status 404"), "status 404"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            r"No space left on device\)\. Make room",
        ),
    ],
)
def test_a_download_that_fails_is_told_with_a_way_out(tmp_path, monkeypatch, error, reason):
    def fail(*_):
        raise error

    monkeypatch.setattr(tfds.text.Glue, "_split_generators", fail)
    with pytest.raises(UserError, match=f"^glue/cola of [^(]*prepared \\({reason}.*{INSTEAD}"):
        read(tmp_path, download=True)
    assert not find_builder(tmp_path).is_prepared()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "dev"}, "glue/cola of .* has no split 'dev', but train. .*" + INSTEAD),
        ({"features": ["text"]}, "has no feature 'text', but idx, label, sentence"),
        ({"name": "glue/unknown"}, "glue/unknown of .* cannot be read .*" + INSTEAD),
        ({"folder": "s3://bucket/x"}, "this TensorFlow cannot read or write s3:// paths"),
    ],
)
def test_what_is_not_there_is_told(tmp_path, changes, message):
    prepared_data.prepare(find_builder(tmp_path), {"train": ROWS})
    with pytest.raises(UserError, match=message):
        read(**{"folder": tmp_path} | changes)


def test_files_that_are_damaged_are_told(tmp_path):
    prepared_data.prepare(find_builder(tmp_path), {"train": ROWS})
    for file in tmp_path.rglob("*.tfrecord*"):
        tiny.damage(file)
    with pytest.raises(UserError, match=r"glue/cola of tensorflow-datasets in .* cannot be read"):
        read(tmp_path)


def test_text_that_is_not_utf8_is_told(tmp_path):
    rows = [*ROWS, (9, {"sentence": b"\xff", "label": 0, "idx": 9})]
    prepared_data.prepare(find_builder(tmp_path), {"train": rows})
    with pytest.raises(UserError, match=r"has a sentence that is no UTF-8 text .* anew"):
        read(tmp_path)
