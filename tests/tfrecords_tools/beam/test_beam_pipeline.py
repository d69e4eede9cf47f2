"""Data sets that a Beam pipeline makes: with any workers the same, by the recipe, readable."""

import itertools
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.dataset_info import DatasetInfo
from mslt_tf.errors import UserError
from mslt_tf.files import folder_lock
from mslt_tf.records import record_files, record_scan
from mslt_tf.records.record_identity import FileIdentity
from tests.tfrecords_tools.beam_text import (
    HELDOUT_FRACTION,
    NUM_DOCUMENTS,
    SMALL_GROUPS,
    VOCABULARY,
    settings_for,
    write_source,
)
from tests.tfrecords_tools.fair_share import assert_share
from tests.tfrecords_tools.numbered_text import SPECIAL_TOKENS, place_of
from tests.tfrecords_tools.record_reading import Record, contents, read_split, segments
from tfrecords_tools import create_data, tokenization
from tfrecords_tools.dataset import pretraining_dataset
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings
from tfrecords_tools.text.text_input import TextInput

beam_pipeline = pytest.importorskip("tfrecords_tools.beam.beam_pipeline")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a vocabulary, and a text of several pieces."""
    folder = tmp_path_factory.mktemp("source")
    write_source(folder)
    return folder


def create(settings: DatasetSettings) -> DatasetInfo:
    """Creates one data set, of several groups in each pass."""
    (info,) = beam_pipeline.create(settings, tokens_per_group=SMALL_GROUPS)
    return info


@pytest.fixture(scope="module")
def made(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[DatasetInfo, str]:
    """A data set of Beam's, and its folder."""
    settings = settings_for(source, tmp_path_factory.mktemp("made"))
    return create(settings), settings.output_dir


@pytest.fixture(scope="module")
def records(made: tuple[DatasetInfo, str]) -> dict[str, list[Record]]:
    """The records of each split."""
    return {split: read_split(made[1], split) for split in ("train", "heldout")}


def test_without_beam_the_message_says_what_to_install(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    monkeypatch.delitem(sys.modules, "tfrecords_tools.beam.beam_pipeline")
    monkeypatch.delattr("tfrecords_tools.beam.beam_pipeline")
    with pytest.raises(UserError, match=r"--runner=beam needs Apache Beam.*pip install.*\[beam\]"):
        create_data._create_with_beam(settings_for(source, tmp_path))


def test_beam_options_without_beam_are_refused(source: Path, tmp_path: Path):
    with pytest.raises(UserError, match="--beam_options are for Beam only"):
        settings_for(source, tmp_path, runner="local", beam_options=("--runner=DirectRunner",))


def test_only_the_local_way_needs_a_local_folder(source: Path):
    settings_for(source, Path("gs://bucket/records"))
    with pytest.raises(UserError, match="--work_dir"):
        DatasetSettings(TextInput(input="a"), "gs://bucket/records", "v")


def test_segments_are_runs_of_the_source_and_random_ones_are_of_other_documents(
    records: dict[str, list[Record]],
):
    documents: dict[str, set[int]] = {"train": set(), "heldout": set()}
    for split, record in ((s, r) for s, of_split in records.items() for r in of_split):
        places = [[place_of(word) for word in run] for run in segments(record, VOCABULARY)]
        for run in places:
            document, begin = run[0]
            assert run == [(document, begin + step) for step in range(len(run))]
            documents[split].add(document)
        same_document = places[0][0][0] == places[1][0][0]
        assert same_document != bool(record["next_sentence_labels"][0])
        if same_document:
            assert places[1][0] > places[0][-1]
    assert documents["train"].isdisjoint(documents["heldout"])
    assert documents["train"] | documents["heldout"] == set(range(NUM_DOCUMENTS))
    assert_share(len(documents["heldout"]), NUM_DOCUMENTS, probability=HELDOUT_FRACTION)


def test_the_statistics_are_those_of_the_local_way(
    made: tuple[DatasetInfo, str], source: Path, tmp_path: Path
):
    (local,) = pretraining_dataset.create(settings_for(source, tmp_path, runner="local"))
    ours, theirs = (info.statistics for info in (made[0], local))
    # Beam does not compare documents with one another.
    of_corpus = theirs.keys() - {"train", "heldout", "repeated_documents"}
    assert {name: ours[name] for name in of_corpus} == {name: theirs[name] for name in of_corpus}
    assert ours.keys() == of_corpus | {"train", "heldout"}
    ours, theirs = ours["train"], theirs["train"]
    assert ours.keys() == theirs.keys()
    # The splits differ in size a little.
    per_document = [found["records"] / found["documents"] for found in (ours, theirs)]
    assert per_document[0] == pytest.approx(per_document[1], rel=0.02)
    num_records, num_predictions = (
        ours["records"],
        ours["records"] * theirs["predictions_per_record"],
    )
    assert num_records > 2_000
    for name in ("random_next_rate", "full_length_rate"):
        assert_alike(ours[name], theirs[name], num_records)
    for name in ("masked_rate", "kept_rate", "random_word_rate"):
        assert_alike(ours[name], theirs[name], num_predictions)
    for name in ("mean_length", "predictions_per_record", "prediction_rate"):
        assert ours[name] == pytest.approx(theirs[name], rel=0.02)
    assert ours["longest"] == theirs["longest"]


def assert_alike(one: float, other: float, num: float) -> None:
    """Fails where two fair samples of `num` would differ so much once in 100,000 runs."""
    assert abs(one - other) < 4.4 * math.sqrt(2 * other * (1 - other) / num) + 1e-4


def test_the_info_counts_what_is_in_the_files(
    made: tuple[DatasetInfo, str], records: dict[str, list[Record]]
):
    info, folder = made
    assert sorted(contents(folder)) == [
        "dataset_info.json",
        "heldout-00000-of-00001.tfrecord",
        *(f"train-0000{n}-of-00003.tfrecord" for n in range(3)),
    ]
    for split, shards in info.splits.items():
        assert info.statistics[split]["records"] == len(records[split])
        lengths = [record["input_mask"].sum() for record in records[split]]
        assert info.statistics[split]["mean_length"] == pytest.approx(np.mean(lengths), abs=0.01)
        for shard in shards:
            in_file = tf.data.TFRecordDataset(f"{folder}/{shard.name}")
            assert shard.num_records == sum(1 for _ in in_file) > 0


def test_documents_are_scattered_over_the_shards(
    made: tuple[DatasetInfo, str], records: dict[str, list[Record]]
):
    begin = 0
    for shard in made[0].splits["train"]:
        in_shard = records["train"][begin : begin + shard.num_records]
        begin += shard.num_records
        documents = [place_of(segments(record, VOCABULARY)[0][0])[0] for record in in_shard]
        assert len(set(documents)) > 0.8 * NUM_DOCUMENTS
        neighbours = sum(a == b for a, b in itertools.pairwise(documents))
        assert neighbours < 0.05 * len(documents)


def test_files_of_a_worker_that_was_stopped_are_removed(source: Path, tmp_path: Path):
    leftover = tmp_path / f"train-00000-of-00003.tfrecord.{'0a' * 16}.partial"
    leftover.write_bytes(b"half a shard")
    foreign = tmp_path / "train-00000-of-00003.tfrecord.0a1b.partial"
    foreign.write_bytes(b"precious")
    create(settings_for(source, tmp_path))
    assert not leftover.exists()
    assert foreign.read_bytes() == b"precious"
    assert len(contents(str(tmp_path))) == 5 + 1


def test_a_folder_in_which_another_run_works_is_refused(source: Path, tmp_path: Path):
    with (
        folder_lock.held(str(tmp_path), report=pytest.fail),
        pytest.raises(UserError, match=f"{tmp_path} is in use by process"),
    ):
        create(settings_for(source, tmp_path))
    create(settings_for(source, tmp_path))


def test_an_output_folder_that_the_input_lies_in_is_refused(source: Path):
    with pytest.raises(UserError, match="is the same as --output_dir"):
        create(settings_for(source, source))


def test_training_takes_the_folder(made: tuple[DatasetInfo, str], tmp_path: Path):
    info, folder = made
    said: list[str] = []
    found = record_files.open_records(
        [f"{folder}/train-*.tfrecord"], cache_path=str(tmp_path / "cache"), report=said.append
    )
    assert found.num_records == info.statistics["train"]["records"]
    assert found.vocab_sha256 == info.vocab_sha256
    assert found.sentence_objective == "nsp"
    assert said == []  # nothing had to be read for it
    # What it says of its files is what is in them.
    assert found.identity.files == tuple(
        FileIdentity.of(path, record_scan.scan_file(path), source="") for path in found.paths
    )


def test_a_second_run_does_nothing_and_the_local_way_keeps_off(
    made: tuple[DatasetInfo, str], source: Path, capsys: pytest.CaptureFixture[str]
):
    info, folder = made
    before = contents(folder)
    assert create(settings_for(source, Path(folder))) == info
    assert "nothing to do" in capsys.readouterr().out
    with pytest.raises(UserError, match="runner = 'beam'"):
        pretraining_dataset.create(settings_for(source, Path(folder), runner="local"))
    assert contents(folder) == before


def test_documents_that_span_batches_stay_whole(
    made: tuple[DatasetInfo, str],
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(tokenization, "_BATCH_SENTENCES", 7)
    create(settings_for(source, tmp_path))
    assert contents(str(tmp_path)) == contents(made[1])


def test_another_seed_gives_other_records(
    made: tuple[DatasetInfo, str], source: Path, tmp_path: Path
):
    recipe = Recipe(max_seq_length=32, max_predictions_per_seq=5, dupe_factor=3, random_seed=2)
    info = create(settings_for(source, tmp_path, recipes=(recipe,)))
    assert set(contents(str(tmp_path)).values()).isdisjoint(contents(made[1]).values())
    assert info.source_sha256 != made[0].source_sha256


def test_several_lengths_of_sentence_order_packed_under_other_names(source: Path, tmp_path: Path):
    recipes = tuple(
        Recipe(length, predictions, dupe_factor=1, sentence_objective="sop")
        for length, predictions in ((16, 3), (32, 5))
    )
    settings = settings_for(
        source, tmp_path, recipes=recipes, compression="GZIP", feature_names="v2", num_shards=0
    )
    infos = beam_pipeline.create(settings, tokens_per_group=SMALL_GROUPS)
    for recipe, info in zip(recipes, infos, strict=True):
        folder = tmp_path / f"seq_{recipe.max_seq_length}"
        assert info.statistics["train"]["swapped_rate"] == pytest.approx(0.5, abs=0.06)
        found = record_files.open_records(
            [f"{folder}/train-*"], cache_path=str(tmp_path / "cache"), report=print
        )
        assert found.layout.max_seq_length == recipe.max_seq_length
        records = tf.data.TFRecordDataset(
            tf.io.gfile.glob(f"{folder}/train-*"), compression_type="GZIP"
        )
        examples = [tf.train.Example.FromString(record.numpy()) for record in records]
        assert len(examples) == found.num_records
        for example in examples:
            values = example.features.feature["input_word_ids"].int64_list.value
            assert len(values) == recipe.max_seq_length
    assert {len(info.splits["train"]) for info in infos} == {8}


def test_whole_words_are_predicted_together(tmp_path: Path):
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIAL_TOKENS, "a", "##b"]) + "\n")
    documents = ["ab ab ab ab\n" * number for number in range(5, 35)]
    (tmp_path / "text_0.txt").write_text("\n\n".join(documents))
    recipe = Recipe(32, 5, dupe_factor=1, whole_word_masking=True, sentence_objective="sop")
    settings = settings_for(tmp_path, tmp_path / "records", recipes=(recipe,), num_shards=1)
    create(settings)
    rest_of_word = len(SPECIAL_TOKENS) + 1
    num_words = 0
    for record in read_split(settings.output_dir, "train"):
        is_prediction = record["masked_lm_weights"] > 0
        positions = record["masked_lm_positions"][is_prediction]
        tokens = record["input_ids"].copy()
        tokens[positions] = record["masked_lm_ids"][is_prediction]
        for position in positions[tokens[positions] != rest_of_word]:
            if tokens[position + 1] == rest_of_word:  # else truncation cut the word
                num_words += 1
                assert position + 1 in positions
    assert num_words > 200
