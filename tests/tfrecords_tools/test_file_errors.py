"""Files and folders that cannot be read or written: one sentence, before the work if it can be."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from tests.tfrecords_tools.small_tasks import refuse_work
from tests.tfrecords_tools.text import corpus
from tfrecords_tools import tokenization, vocabulary_learning
from tfrecords_tools.dataset import inspection, pretraining_dataset, records
from tfrecords_tools.settings import DatasetSettings, InspectionSettings, VocabularySettings
from tfrecords_tools.text.files import file_access
from tfrecords_tools.text.text_input import TextInput

MakeSettings = Callable[..., DatasetSettings]


def fail_on(path_end: str, function: Callable[..., object]) -> Callable[..., object]:
    """Returns `function`, failing as on a full disk for paths with this end."""

    def failing(path: str, *args: object, **kwargs: object) -> object:
        if str(path).endswith(path_end):
            raise tf.errors.ResourceExhaustedError(None, None, f"{path}; No space left on device")
        return function(path, *args, **kwargs)

    return failing


def test_a_folder_that_cannot_be_made_is_told_before_the_work(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pretraining_dataset, "_tokenize", refuse_work)
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UserError, match=r"file/below cannot be written \(.* Its folder must take files"
    ):
        pretraining_dataset.create(make_settings(output_dir=str(tmp_path / "file" / "below")))
    message = r"s3://bucket/x cannot be read \(.* cannot .* s3:// paths, such as \S*\)"
    with pytest.raises(UserError, match=message):
        pretraining_dataset.create(
            make_settings(output_dir="s3://bucket/x", work_dir=f"{tmp_path}/work")
        )


def test_a_folder_that_takes_no_files_is_told_before_the_work(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pretraining_dataset, "_tokenize", refuse_work)
    monkeypatch.setattr(tf.io.gfile, "GFile", fail_on(".partial", tf.io.gfile.GFile))
    with pytest.raises(
        UserError, match=r"--output_dir .* cannot be written \(.*No space left on device"
    ):
        pretraining_dataset.create(make_settings())


class FullDisk(tf.io.TFRecordWriter):
    """A writer that /dev/full stands behind."""

    def __init__(self, path: str, *_: object):
        super().__init__("/dev/full")


def test_a_disk_that_fills_up_while_shards_are_written_is_told(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tf.io, "TFRecordWriter", FullDisk)
    message = r"train-00000-of-00003\.tfrecord\.partial cannot be written \(.*No space.*Make room"
    with pytest.raises(UserError, match=message):
        pretraining_dataset.create(make_settings())


def test_a_disk_that_fills_up_at_the_info_is_told(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
):
    write = records.write_partial_text

    def write_if_empty(path: str, text: str) -> None:
        (fail_on("", write) if text else write)(path, text)

    monkeypatch.setattr(records, "write_partial_text", write_if_empty)
    with pytest.raises(UserError, match=r"dataset_info\.json cannot be written \(.*Make room"):
        pretraining_dataset.create(make_settings())


@pytest.mark.parametrize("name", ["heldout-00000-of-00001.tfrecord", "dataset_info.json"])
def test_a_file_that_cannot_get_its_name_is_told(
    make_settings: MakeSettings, name: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(records, "publish", fail_on(name, records.publish))
    with pytest.raises(UserError, match=rf"{name} cannot be written \(.*run again"):
        pretraining_dataset.create(make_settings())


def test_a_link_to_nowhere_among_the_inputs_is_named(tmp_path: Path):
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "link.txt").symlink_to(tmp_path / "absent")
    with pytest.raises(UserError, match=r"link\.txt cannot be read \(.* mend or remove it"):
        corpus.describe_input(f"{tmp_path}/*.txt")


def test_inputs_that_cannot_be_listed_or_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    message = r"s3://bucket/x cannot be read \(this TensorFlow cannot .* s3:// paths, such as \S*\)"
    with pytest.raises(UserError, match=message):
        corpus.list_input_files("s3://bucket/x")
    for name in ("text.txt", "vocab.txt"):
        (tmp_path / name).write_text("a")
    with monkeypatch.context() as patch:
        patch.setattr(file_access, "open_file", fail_on(".txt", file_access.open_file))
        with pytest.raises(UserError, match=r"text\.txt cannot be read"):
            list(corpus.read_documents(f"{tmp_path}/text.txt"))
    monkeypatch.setattr(tf.io.gfile, "GFile", fail_on(".txt", tf.io.gfile.GFile))
    with pytest.raises(UserError, match=r"--vocab_file .*vocab\.txt cannot be read"):
        tokenization.read_vocabulary(f"{tmp_path}/vocab.txt")


def test_a_slash_at_the_end_of_the_folder_is_not_doubled(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
):
    # gs://bucket/x//file is another file than gs://bucket/x/file.
    paths: list[str] = []

    def recorded(function: Callable[..., object]) -> Callable[..., object]:
        def record(path: str, *args: object, **kwargs: object) -> object:
            paths.append(path)
            return function(path, *args, **kwargs)

        return record

    for name in ("exists", "stat", "remove", "rename", "GFile"):
        monkeypatch.setattr(tf.io.gfile, name, recorded(getattr(tf.io.gfile, name)))
    monkeypatch.setattr(tf.io, "TFRecordWriter", recorded(tf.io.TFRecordWriter))
    settings = make_settings()
    for _ in range(2):
        pretraining_dataset.create(make_settings(output_dir=settings.output_dir + "/"))
    assert any(path.endswith("/records/dataset_info.json") for path in paths)
    assert not [path for path in paths if "//" in path]


S3 = r"\(this TensorFlow cannot read or write s3:// paths, such as \S*\)\. Give a local path"


def test_each_program_says_what_it_cannot_reach(make_settings: MakeSettings, tmp_path: Path):
    vocab_file = make_settings().vocab_file
    inspected = InspectionSettings(input_dir="s3://bucket/x", vocab_file=vocab_file)
    with pytest.raises(UserError, match=f"^--input_dir s3://bucket/x cannot be read {S3}"):
        inspection.inspect(inspected)
    learned = VocabularySettings(TextInput(str(tmp_path / "text.txt")), "s3://bucket/x")
    with pytest.raises(UserError, match=f"^--vocab_file s3://bucket/x cannot be written {S3}"):
        vocabulary_learning.build(learned)
    with pytest.raises(UserError, match=f"^--vocab_file s3://bucket/x cannot be read {S3}"):
        pretraining_dataset.create(make_settings(vocab_file="s3://bucket/x"))
    with pytest.raises(UserError, match=f"^s3://bucket/x cannot be read {S3}"):
        pretraining_dataset.create(make_settings(input="s3://bucket/x"))


def test_records_that_cannot_be_read_are_not_called_damaged(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
):
    settings = make_settings()
    (info,) = pretraining_dataset.create(settings)
    path = f"{settings.output_dir}/{info.splits['train'][0].name}"

    def refuse(*_: object, **__: object) -> None:
        raise tf.errors.PermissionDeniedError(None, None, f"{path}; Permission denied")

    monkeypatch.setattr(inspection, "_parse", refuse)
    message = rf"{path} cannot be read \(.*Permission denied\)\. Get the rights to it"
    with pytest.raises(UserError, match=message):
        list(inspection.read_batches([path], info, num_records=1))
