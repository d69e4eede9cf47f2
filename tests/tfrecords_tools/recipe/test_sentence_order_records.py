"""Whole data sets with ALBERT's sentence order, and what their folder says of itself."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from absl import flags

from mslt_tf.dataset_info import DatasetInfo
from mslt_tf.errors import UserError
from mslt_tf.pretraining_example import SWAPPED
from tests.tfrecords_tools.fair_share import assert_share
from tests.tfrecords_tools.numbered_text import NUM_DOCUMENTS, place_of, word
from tests.tfrecords_tools.record_reading import contents, read_split, segments
from tfrecords_tools import create_data
from tfrecords_tools.dataset import inspection, pretraining_dataset
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings, InspectionSettings

MakeSettings = Callable[..., DatasetSettings]


def recipe(**changes: object) -> Recipe:
    values = {"max_seq_length": 32, "max_predictions_per_seq": 5, "dupe_factor": 2}
    return Recipe(**(values | {"sentence_objective": "sop"} | changes))  # type: ignore[arg-type]


def write_short_documents(settings: DatasetSettings, *, words: int, sentence: int) -> None:
    """Replaces the text by documents that fit into a record, in sentences of that many words."""
    documents = []
    for document in range(NUM_DOCUMENTS):
        all_words = [word(document, place) for place in range(words)]
        lines = [all_words[begin : begin + sentence] for begin in range(0, words, sentence)]
        documents.append("\n".join(" ".join(line) for line in lines))
    Path(settings.text.input).write_text("\n\n".join(documents))


def test_segments_in_order_are_consecutive_text_of_one_document_and_no_word_comes_twice(
    make_settings: MakeSettings, vocabulary: list[str]
):
    settings = make_settings(recipe=recipe(short_seq_prob=0.8))
    write_short_documents(settings, words=28, sentence=4)
    pretraining_dataset.create(settings)
    occurrences: dict[str, Counter[tuple[int, int]]] = {"train": Counter(), "heldout": Counter()}
    for split, counter in occurrences.items():
        for record in read_split(settings.output_dir, split):
            first, second = segments(record, vocabulary)
            is_swapped = record["next_sentence_labels"][0] == SWAPPED
            places = [
                place_of(token) for token in (second + first if is_swapped else first + second)
            ]
            document, begin = places[0]
            assert places == [(document, begin + step) for step in range(len(places))]
            counter.update(places)
    assert set(occurrences["train"].values()) == {2}
    assert set(occurrences["heldout"].values()) == {1}
    assert len(occurrences["train"]) + len(occurrences["heldout"]) == NUM_DOCUMENTS * 28


def test_mask_and_segment_ids_follow_the_segments_as_they_stand(
    make_settings: MakeSettings, vocabulary: list[str]
):
    settings = make_settings(recipe=recipe())
    pretraining_dataset.create(settings)
    labels = set()
    for record in read_split(settings.output_dir, "train"):
        first, second = (len(segment) for segment in segments(record, vocabulary))
        padding = 32 - (first + second + 3)
        ids = [0] * (first + 2) + [1] * (second + 1) + [0] * padding
        assert record["segment_ids"].tolist() == ids
        assert record["input_mask"].tolist() == [1] * (32 - padding) + [0] * padding
        labels.add(int(record["next_sentence_labels"][0]))
    assert labels == {0, 1}


def test_the_info_names_the_objective_and_the_share_that_is_swapped(make_settings: MakeSettings):
    settings = make_settings(recipe=recipe())
    pretraining_dataset.create(settings)
    path = Path(settings.output_dir) / "dataset_info.json"
    info = DatasetInfo.from_json(path.read_text(), path="")
    assert info.sentence_objective == info.settings["sentence_objective"] == "sop"
    for split in ("train", "heldout"):
        labels = [int(r["next_sentence_labels"][0]) for r in read_split(settings.output_dir, split)]
        assert_share(sum(labels), len(labels), probability=0.5)
        statistics = info.statistics[split]
        assert statistics["swapped_rate"] == pytest.approx(np.mean(labels), abs=1e-4)
        assert "random_next_rate" not in statistics


def test_the_default_is_berts_objective(make_settings: MakeSettings):
    (info,) = pretraining_dataset.create(make_settings())
    assert info.sentence_objective == "nsp"
    assert "swapped_rate" not in info.statistics["train"]
    assert "single_tokens_left_out" not in info.statistics["train"]


def test_the_objective_and_the_seed_decide_bytes_and_fingerprint(
    make_settings: MakeSettings, tmp_path: Path
):
    recipes = {
        "one": recipe(),
        "same": recipe(),
        "seed": recipe(random_seed=1),
        "nsp": recipe(sentence_objective="nsp"),
    }
    prints = {
        name: pretraining_dataset.create(
            make_settings(output_dir=str(tmp_path / name), recipe=settings)
        )[0].source_sha256
        for name, settings in recipes.items()
    }
    files = {name: contents(str(tmp_path / name)) for name in recipes}
    assert files["one"] == files["same"]
    assert prints["one"] == prints["same"]
    for other in ("seed", "nsp"):
        assert set(files["one"].values()).isdisjoint(files[other].values())
        assert prints["one"] != prints[other]


def test_single_tokens_are_left_out_and_told(
    make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
):
    settings = make_settings(heldout_fraction=0.0, num_shards=1, recipe=recipe())
    Path(settings.text.input).write_text("d0w0\n\nd1w0 d1w1 d1w2\n\nd2w0\n")
    (info,) = pretraining_dataset.create(settings)
    assert info.statistics["train"]["single_tokens_left_out"] == 2 * 2  # in both passes
    assert info.statistics["train"]["records"] == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("  left out         4 single tokens ")]
    assert [line for line in lines if line.startswith("  swapped          ")]
    assert not [line for line in lines if "random next" in line]


def test_one_document_is_enough_without_a_heldout_split(make_settings: MakeSettings):
    settings = make_settings(heldout_fraction=0.0, num_shards=1, recipe=recipe())
    Path(settings.text.input).write_text("d0w0 d0w1\nd0w2\n")
    assert pretraining_dataset.create(settings)[0].statistics["train"]["records"] == 2


def test_one_document_is_too_few_for_two_splits(make_settings: MakeSettings):
    settings = make_settings(num_shards=1, recipe=recipe())
    Path(settings.text.input).write_text("d0w0 d0w1\nd0w2\n")
    with pytest.raises(
        UserError,
        match=r"holds 1 document\(s\).*at least 2, because no document is in both splits.*"
        r"or set --heldout_fraction=0 ",
    ):
        pretraining_dataset.create(settings)


def test_a_split_of_single_tokens_is_refused(make_settings: MakeSettings):
    settings = make_settings(heldout_fraction=0.0, num_shards=1, recipe=recipe())
    Path(settings.text.input).write_text("d0w0\n\nd1w0\n\nd2w0\n")
    with pytest.raises(
        UserError, match=r"train split has no sentence pair: each of its 3 document\(s\).*Give long"
    ):
        pretraining_dataset.create(settings)


def test_a_folder_with_the_other_objective_is_refused_by_name(make_settings: MakeSettings):
    pretraining_dataset.create(make_settings(recipe=recipe()))
    with pytest.raises(UserError, match="with sentence_objective = 'sop', but 'nsp' is asked for"):
        pretraining_dataset.create(make_settings())


def remove_objective(folder: str) -> None:
    """Makes a folder's info one from before there was a choice of objectives."""
    path = Path(folder) / "dataset_info.json"
    content = json.loads(path.read_text())
    del content["sentence_objective"], content["settings"]["sentence_objective"]
    path.write_text(json.dumps(content))


def test_a_folder_from_before_the_choice_holds_berts_objective(
    make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
):
    settings = make_settings()
    pretraining_dataset.create(settings)
    remove_objective(settings.output_dir)
    assert pretraining_dataset.create(settings)[0].sentence_objective == ""
    assert "nothing to do" in capsys.readouterr().out
    with pytest.raises(UserError, match="with sentence_objective = 'nsp', but 'sop' is asked for"):
        pretraining_dataset.create(make_settings(recipe=recipe()))


def test_inspection_uses_the_words_of_the_objective(
    make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
):
    settings = make_settings(recipe=recipe())
    (info,) = pretraining_dataset.create(settings)
    capsys.readouterr()
    wanted = InspectionSettings(settings.output_dir, settings.vocab_file, num_shown=20)
    inspection.inspect(wanted)
    said = capsys.readouterr().out
    assert "tokens; the segments are swapped (label 1)\n" in said
    assert "tokens; the segments stand as in the text (label 0)\n" in said
    rate = info.statistics["train"]["swapped_rate"]
    assert f"  swapped          {rate:.1%} of the records (ALBERT: 50 %)\n" in said
    remove_objective(settings.output_dir)
    inspection.inspect(wanted)
    said = capsys.readouterr().out
    assert "  label 1          " in said
    assert "random one, or the two are swapped (label 1)\n" in said


def test_an_objective_that_there_is_not_is_refused(make_settings: MakeSettings):
    settings = make_settings()
    text = pretraining_dataset.create(settings)[0].to_json()
    broken = text.replace('"sentence_objective": "nsp"', '"sentence_objective": "xyz"')
    with pytest.raises(
        UserError, match=r"^a/b has sentence_objective 'xyz'; it must be nsp or sop"
    ):
        DatasetInfo.from_json(broken, path="a/b")
    with pytest.raises(UserError, match="--sentence_objective is 'xyz'; it must be nsp or sop"):
        recipe(sentence_objective="xyz")
    flag_values = flags.FlagValues()
    create_data.define_flags(flag_values)
    with pytest.raises(flags.IllegalFlagValueError, match=r"objective=xyz: .*one of <nsp\|sop>"):
        flag_values(["program", "--sentence_objective=xyz"])
