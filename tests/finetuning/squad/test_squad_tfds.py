"""SQuAD from tensorflow-datasets: the same questions as from the official files."""

import pytest
import tensorflow_datasets as tfds

from mslt_tf.errors import UserError
from mslt_tf.finetuning.squad import squad_splits, squad_tfds
from mslt_tf.finetuning.squad.squad_data import Answer
from tests.finetuning import prepared_data
from tests.finetuning.squad import squad_texts

QUESTIONS = tuple(
    squad_texts.question(context, answer, context[0], id=f"q\u00e9{index}")
    for index, (context, answer) in enumerate(squad_texts.AWKWARD.items())
)
IMPOSSIBLE = squad_texts.question("a\0b\0", id="none", is_impossible=True)
MISPLACED = QUESTIONS[1]._replace(id="moved", answers=(Answer("gone", 2),))


def prepare(folder, version, train, dev):
    """Writes the files of a version, and the data set that tensorflow-datasets makes of them."""
    builder = tfds.builder(f"squad/{version}", data_dir=str(folder), try_gcs=False)
    examples = {}
    for split, stored, questions in (("train", "train", train), ("dev", "validation", dev)):
        value = squad_texts.layout(*questions, has_impossible=version == "v2.0")
        path = squad_texts.write(folder / f"{split}-{version}.json", value)
        examples[stored] = builder._generate_examples(path)
    prepared_data.prepare(builder, examples)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with both versions, as files and prepared."""
    path = tmp_path_factory.mktemp("squad")
    prepare(path, "v1.1", (*QUESTIONS, MISPLACED), QUESTIONS[::2])
    prepare(path, "v2.0", (*QUESTIONS, IMPOSSIBLE), (IMPOSSIBLE, *QUESTIONS[1::2]))
    return path


def read(name, folder, report):
    return squad_tfds.read(name, data_dir=str(folder), download=False, report=report)


@pytest.mark.parametrize("name", squad_splits.VERSIONS)
def test_both_sources_have_the_same_questions(folder, name):
    ours, theirs = [], []
    splits = read(name, folder, ours.append)
    expected = squad_splits.read(name, str(folder), report=theirs.append)
    for found, wanted in ((splits.train, expected.train), (splits.dev, expected.dev)):
        assert sorted(found) == sorted(wanted)
    assert splits.name == name
    assert len(ours) == len(theirs) == (name == "squad_1.1")  # it has a misplaced answer
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.partition(": ")[2] == other.partition(": ")[2]


def test_what_is_not_prepared_is_told_without_a_download(tmp_path, monkeypatch):
    monkeypatch.setattr(
        tfds.core.DatasetBuilder, "download_and_prepare", prepared_data.refuse_download
    )
    with pytest.raises(UserError, match=r"squad/v1\.1 .* tfds build squad/v1\.1 .*--squad_dir"):
        read("squad_1.1", tmp_path, print)
    with pytest.raises(UserError, match=r"--task squad is no"):
        read("squad", tmp_path, print)
