"""Texts of a data set of tensorflow-datasets: a small one, prepared for these tests."""

import dataclasses
import itertools
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tensorflow_datasets as tfds

from mslt_tf.errors import UserError
from tests.tfrecords_tools.small_tasks import refuse_work
from tests.tfrecords_tools.text import corpus
from tfrecords_tools.text.pieces import text_pieces
from tfrecords_tools.text.read_report import ReadReport
from tfrecords_tools.text.text_input import TextInput

NUM_EXAMPLES = 57
BROKEN = 20  # the example whose text is not UTF-8


class SmallTexts(tfds.core.GeneratorBasedBuilder):
    """Numbered texts of two paragraphs."""

    code_path = None  # beside which the library would look for checksums of downloads
    VERSION = tfds.core.Version("1.2.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.2.0": "All there is."}
    BUILDER_CONFIGS: ClassVar[list[Any]] = [
        tfds.core.BuilderConfig(name="good"),
        tfds.core.BuilderConfig(name="broken"),
        tfds.core.BuilderConfig(name="no_train"),
        tfds.core.BuilderConfig(name="unprepared"),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "text": tfds.features.Text(),
            "title": tfds.features.Text(),
            "number": tfds.features.Scalar(np.int64),
        }
        return self.dataset_info_from_configs(
            description="Texts.", features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Any]]:
        return {
            "test" if self.builder_config.name == "no_train" else "train": self._generate_examples()
        }

    def _generate_examples(self) -> Iterator[Any]:
        for number in range(NUM_EXAMPLES):
            text: str | bytes = f"First of {number}, grün.\n\nSecond.\r\n"
            if self.builder_config.name == "broken" and number == BROKEN:
                text = b"\xff"
            if number == 30:
                text = ""
            yield number, {"text": text, "title": f"Title {number}", "number": number}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("tfds"))
    for config in ("good", "broken", "no_train"):
        builder = tfds.builder(f"small_texts/{config}", data_dir=folder)
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(num_shards=3, try_download_gcs=False)
        )
    return folder


@pytest.fixture
def text_input(data_dir: str) -> TextInput:
    return TextInput(tfds="small_texts/good:1.2.0", tfds_data_dir=data_dir)


def read(pieces: tuple[text_pieces.Piece, ...], **arguments: Any) -> list[list[str]]:
    return [document for piece in pieces for document in text_pieces.read_piece(piece, **arguments)]


def test_examples_are_documents_of_their_paragraphs(text_input: TextInput):
    documents = list(corpus.read_documents(text_input))
    assert [] in documents  # the one without text
    expected = [
        [f"First of {number}, grün.", "Second."] for number in range(NUM_EXAMPLES) if number != 30
    ]
    assert sorted(documents) == sorted([[], *expected])


@pytest.mark.parametrize("piece_examples", [1, 10, 56, 57, 1_000])
def test_pieces_have_the_documents_of_the_whole_in_order(
    text_input: TextInput, piece_examples: int
):
    documents = read(text_pieces.list_pieces(text_input))
    pieces = text_pieces.list_pieces(text_input, piece_examples=piece_examples)
    assert len(pieces) == -(-NUM_EXAMPLES // piece_examples)
    if piece_examples == 1:
        pieces = pieces[::10]  # each takes its time
        documents = documents[::10]
    seen: list[int] = []
    assert read(pieces, advance=seen.append) == documents
    assert sum(seen) == text_pieces.count_bytes(pieces) > 0


def test_pieces_are_read_in_any_order(text_input: TextInput):
    documents = read(text_pieces.list_pieces(text_input))
    pieces = text_pieces.list_pieces(text_input, piece_examples=20)
    assert read(pieces[::-1]) == documents[40:] + documents[20:40] + documents[:20]


@pytest.mark.parametrize("piece_examples", [3, 10, 1_000])
def test_some_examples_make_a_document_in_pieces_of_any_size(
    text_input: TextInput, piece_examples: int
):
    single = read(text_pieces.list_pieces(text_input))
    text_input = dataclasses.replace(text_input, documents_of=7)
    pieces = text_pieces.list_pieces(text_input, piece_examples=piece_examples)
    assert read(pieces) == [
        list(itertools.chain.from_iterable(single[begin : begin + 7]))
        for begin in range(0, NUM_EXAMPLES, 7)
    ]


def test_the_data_set_is_described_by_its_whole_name(text_input: TextInput):
    without_version = dataclasses.replace(text_input, tfds="small_texts/good")
    described = corpus.describe_input(text_input)
    assert described == corpus.describe_input(without_version)
    assert described["tfds_name"] == "small_texts/good:1.2.0"
    assert described["tfds_examples"] == NUM_EXAMPLES
    assert text_pieces.count_formats(text_pieces.list_pieces(text_input)) == {"tfds": 1}


def test_another_field_can_be_read_and_files_come_first(text_input: TextInput, tmp_path: Path):
    (tmp_path / "a").write_text("from a file")
    both = dataclasses.replace(text_input, text_field="title", input=f"{tmp_path}/a")
    documents = list(corpus.read_documents(both))
    assert documents[0] == ["from a file"]
    assert sorted(documents[1:]) == sorted([f"Title {n}"] for n in range(NUM_EXAMPLES))


def test_text_that_is_not_utf8_is_refused_or_skipped(text_input: TextInput):
    broken = dataclasses.replace(text_input, tfds="small_texts/broken")
    with pytest.raises(UserError, match=r"--tfds small_texts/broken:1\.2\.0, example \d+ of train"):
        list(corpus.read_documents(broken))
    report = ReadReport()
    documents = list(corpus.read_documents(broken, on_error="skip", report=report))
    assert len(documents) == NUM_EXAMPLES - 1
    assert report.skipped_documents == len(report.reasons) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tfds": "small_texts/unprepared"}, "is not prepared: .* tfds build small_texts/unprep"),
        ({"tfds": "small_texts/good:9.9.9"}, "--tfds small_texts/good:9.9.9 is no data set"),
        ({"tfds": "no_such_texts"}, "--tfds no_such_texts is no data set .* knows in "),
        ({"tfds": "small_texts/no_train"}, "has no split 'train', but test"),
        (
            {"tfds_data_dir": "s3://bucket/x"},
            r"cannot be read \(this TensorFlow .* s3:// paths, such as .*\)",
        ),
        ({"text_field": "body"}, "has no 'body' in its examples, but number, text, title"),
        ({"text_field": "number"}, "--text_field 'number' of --tfds .* must be a text"),
    ],
)
def test_what_cannot_be_read_is_told_without_a_download(
    text_input: TextInput, changes: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", refuse_work)
    with pytest.raises(UserError, match=message):
        text_pieces.list_pieces(dataclasses.replace(text_input, **changes))


def test_files_that_are_gone_are_told(text_input: TextInput, tmp_path: Path, data_dir: str):
    shutil.copytree(data_dir, tmp_path / "copy")
    moved = dataclasses.replace(text_input, tfds_data_dir=str(tmp_path / "copy"))
    pieces = text_pieces.list_pieces(moved)
    for path in (tmp_path / "copy").rglob("*.tfrecord*"):
        path.unlink()
    with pytest.raises(UserError, match=r"--tfds small_texts/good:1\.2\.0 cannot be read"):
        read(pieces)


def test_the_library_is_imported_only_where_it_is_needed():
    assert "tensorflow_datasets" not in vars(text_pieces)
    assert "tensorflow_datasets" in sys.modules  # by this module
