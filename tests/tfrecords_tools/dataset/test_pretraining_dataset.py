"""Whole data sets of a text in which every word tells where it comes from."""

import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mslt_tf.dataset_info import DatasetInfo, hash_vocabulary
from mslt_tf.errors import UserError
from tests.tfrecords_tools.numbered_text import NUM_DOCUMENTS, place_of
from tests.tfrecords_tools.record_reading import (
    NUM_PREDICTIONS,
    SEQ_LENGTH,
    contents,
    read_file,
    read_split,
    segments,
)
from tfrecords_tools.dataset import pretraining_dataset
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings

MakeSettings = Callable[..., DatasetSettings]


def test_every_segment_is_a_run_of_words_of_the_source(
    make_settings: MakeSettings, vocabulary: list[str]
):
    settings = make_settings()
    pretraining_dataset.create(settings)
    for split in ("train", "heldout"):
        for record in read_split(settings.output_dir, split):
            places = [
                [place_of(token) for token in segment] for segment in segments(record, vocabulary)
            ]
            for run in places:
                document, begin = run[0]
                assert run == [(document, begin + step) for step in range(len(run))]
            same_document = places[0][0][0] == places[1][0][0]
            is_random_next = bool(record["next_sentence_labels"][0])
            assert same_document != is_random_next
            if same_document:
                assert places[1][0] > places[0][-1]


def test_heldout_documents_appear_in_no_train_record(
    make_settings: MakeSettings, vocabulary: list[str]
):
    settings = make_settings()
    pretraining_dataset.create(settings)
    documents = {}
    for split in ("train", "heldout"):
        documents[split] = {
            place_of(token)[0]
            for record in read_split(settings.output_dir, split)
            for segment in segments(record, vocabulary)
            for token in segment
        }
    assert len(documents["heldout"]) == round(0.2 * NUM_DOCUMENTS)
    assert documents["train"].isdisjoint(documents["heldout"])
    assert documents["train"] | documents["heldout"] == set(range(NUM_DOCUMENTS))


def test_train_records_are_passes_with_other_masks_and_heldout_ones_a_single_pass(
    make_settings: MakeSettings, vocabulary: list[str]
):
    settings = make_settings()
    pretraining_dataset.create(settings)
    for split, passes in (("train", 2), ("heldout", 1)):
        begins = Counter(
            segments(record, vocabulary)[0][0] for record in read_split(settings.output_dir, split)
        )
        # The first word of a document can be lost to truncation, but never comes more often.
        of_documents = [count for token, count in begins.items() if place_of(token)[1] == 0]
        assert max(of_documents) == passes
    predictions = [
        tuple(record["masked_lm_positions"]) for record in read_split(settings.output_dir, "train")
    ]
    assert len(set(predictions)) > 0.9 * len(predictions)


def test_records_of_a_document_are_scattered_over_the_shards(
    make_settings: MakeSettings, vocabulary: list[str]
):
    settings = make_settings()
    pretraining_dataset.create(settings)
    for path in Path(settings.output_dir).glob("train-*"):
        documents = [place_of(segments(r, vocabulary)[0][0])[0] for r in read_file(path)]
        assert len(set(documents)) == NUM_DOCUMENTS - round(0.2 * NUM_DOCUMENTS)
        neighbours = sum(a == b for a, b in itertools.pairwise(documents))
        assert neighbours < 0.2 * len(documents)


def test_dataset_info_tells_what_lies_in_the_folder(
    make_settings: MakeSettings, vocabulary: list[str]
):
    settings = make_settings()
    pretraining_dataset.create(settings)
    folder = Path(settings.output_dir)
    info = DatasetInfo.from_json((folder / "dataset_info.json").read_text(), path="")
    assert sorted(contents(settings.output_dir)) == [
        "dataset_info.json",
        "heldout-00000-of-00001.tfrecord",
        "train-00000-of-00003.tfrecord",
        "train-00001-of-00003.tfrecord",
        "train-00002-of-00003.tfrecord",
    ]
    assert (info.max_seq_length, info.max_predictions_per_seq) == (SEQ_LENGTH, NUM_PREDICTIONS)
    assert (info.vocab_size, info.vocab_sha256) == (len(vocabulary), hash_vocabulary(vocabulary))
    assert info.settings["random_seed"] == 12345
    for split in ("train", "heldout"):
        for shard in info.splits[split]:
            assert shard.num_bytes == (folder / shard.name).stat().st_size
            assert shard.num_records == sum(1 for _ in read_file(folder / shard.name)) > 0
        records = read_split(settings.output_dir, split)
        statistics = info.statistics[split]
        assert statistics["records"] == len(records)
        random_next = np.mean([record["next_sentence_labels"][0] for record in records])
        assert statistics["random_next_rate"] == pytest.approx(random_next, abs=1e-4)
        lengths = [record["input_mask"].sum() for record in records]
        assert statistics["mean_length"] == pytest.approx(np.mean(lengths), abs=0.01)
        assert (statistics["shortest"], statistics["longest"]) == (min(lengths), max(lengths))
        shown = np.concatenate(
            [r["input_ids"][r["masked_lm_positions"][r["masked_lm_weights"] > 0]] for r in records]
        )
        masked = np.mean(shown == vocabulary.index("[MASK]"))
        assert statistics["masked_rate"] == pytest.approx(masked, abs=1e-4)
    assert info.statistics["documents"] == NUM_DOCUMENTS
    assert info.statistics["tokens"] == len(vocabulary) - 5
    assert info.statistics["unknown_token_rate"] == 0


def test_the_same_settings_give_the_same_bytes_and_another_seed_others(
    make_settings: MakeSettings, tmp_path: Path
):
    folders = [str(tmp_path / name) for name in ("one", "two", "three")]
    seeds = (1, 1, 2)
    infos = [
        pretraining_dataset.create(
            make_settings(
                output_dir=folder,
                recipe=Recipe(max_seq_length=32, max_predictions_per_seq=5, random_seed=seed),
            )
        )[0]
        for folder, seed in zip(folders, seeds, strict=True)
    ]
    one, two, three = map(contents, folders)
    assert one == two
    assert set(one.values()).isdisjoint(three.values())
    assert infos[0].source_sha256 == infos[1].source_sha256 != infos[2].source_sha256


def test_the_fingerprint_follows_the_text_and_not_its_path(
    make_settings: MakeSettings, tmp_path: Path
):
    settings = make_settings()
    text = Path(settings.text.input).read_text()
    (tmp_path / "moved.txt").write_text(text)
    (tmp_path / "changed.txt").write_text(text.replace("d3w7 ", "d3w8 ", 1))
    prints = [
        pretraining_dataset.create(
            make_settings(input=str(tmp_path / f"{name}.txt"), output_dir=str(tmp_path / name))
        )[0].source_sha256
        for name in ("text", "moved", "changed")
    ]
    assert prints[0] == prints[1] != prints[2]


def test_without_heldout_documents_there_is_no_such_split(make_settings: MakeSettings):
    settings = make_settings(heldout_fraction=0.0)
    (info,) = pretraining_dataset.create(settings)
    assert set(info.splits) == {"train"}
    assert info.statistics["train"]["documents"] == NUM_DOCUMENTS
    assert not list(Path(settings.output_dir).glob("heldout*"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n \n\n", r"holds no text: 0 document\(s\)"),
        ("\u0301\n\n\u0301\n", r"holds no text: 2 document\(s\), none with a word"),
        ("d0w0 d0w1\nd0w2\n", r"holds 1 document\(s\).*blank line ends a document"),
    ],
)
def test_too_little_text_is_refused(make_settings: MakeSettings, text: str, message: str):
    settings = make_settings(heldout_fraction=0.0)
    Path(settings.text.input).write_text(text)
    with pytest.raises(UserError, match=message):
        pretraining_dataset.create(settings)


def test_more_shards_than_records_are_refused(make_settings: MakeSettings):
    settings = make_settings(heldout_fraction=0.0, num_shards=9)
    Path(settings.text.input).write_text("d0w0 d0w1\n\nd1w0\n")
    with pytest.raises(UserError, match=r"--num_shards is 9, but there are only 4 train records"):
        pretraining_dataset.create(settings)


def test_few_predictions_for_a_long_record_are_pointed_out(
    make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
):
    recipe = Recipe(max_seq_length=512, max_predictions_per_seq=20, dupe_factor=1)
    pretraining_dataset.create(make_settings(recipe=recipe))
    assert "caps the predictions of a full record, which would have 77" in capsys.readouterr().out


def test_a_vocabulary_that_does_not_suit_the_text_is_pointed_out(
    make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
):
    settings = make_settings()
    Path(settings.text.input).write_text(Path(settings.text.input).read_text().replace("d", "Z"))
    pretraining_dataset.create(settings)
    assert "100.00% of them [UNK]" in (out := capsys.readouterr().out)
    assert "note: many unknown tokens" in out


def test_real_wikipedia_makes_records_with_the_genuine_vocabulary(
    make_settings: MakeSettings, real_data: Path
):
    settings = make_settings(
        input=str(real_data / "wikipedia" / "wiki_00"),
        vocab_file=str(real_data / "vocab" / "bert-base-uncased-vocab.txt"),
        recipe=Recipe(dupe_factor=1),
    )
    (info,) = pretraining_dataset.create(settings)
    assert info.vocab_size == 30_522
    assert info.statistics["unknown_token_rate"] < 0.001
    assert info.statistics["train"]["prediction_rate"] == pytest.approx(0.15, abs=0.003)
    assert json.loads(info.to_json())["statistics"]["train"]["mean_length"] > 110
