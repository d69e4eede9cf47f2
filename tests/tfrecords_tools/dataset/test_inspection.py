"""Records shown as text and counted."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mslt_tf.dataset_info import StoredObjective
from mslt_tf.errors import UserError
from tfrecords_tools.dataset import inspection, pretraining_dataset
from tfrecords_tools.dataset.record_statistics import RecordCounts, count_records, describe, rates
from tfrecords_tools.recipe.masking import Features
from tfrecords_tools.settings import DatasetSettings, InspectionSettings

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "cow"]


def two_records() -> Features:
    """[CLS] the cat [SEP] sat [SEP] with three predictions, and [CLS] cow [SEP] the [SEP]."""
    return Features(
        input_ids=np.array([[2, 4, 6, 3, 8, 3, 0], [2, 4, 3, 5, 3, 0, 0]], np.int32),
        input_mask=np.array([[1, 1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 0, 0]], np.int32),
        segment_ids=np.array([[0, 0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 1, 0, 0]], np.int32),
        masked_lm_positions=np.array([[1, 2, 4], [1, 0, 0]], np.int32),
        masked_lm_ids=np.array([[5, 6, 7], [8, 0, 0]], np.int32),
        masked_lm_weights=np.array([[1, 1, 1], [1, 0, 0]], np.float32),
        next_sentence_labels=np.array([[1], [0]], np.int32),
    )


def show(
    features: Features, row: int, *, number: int, objective: StoredObjective = "nsp"
) -> list[str]:
    return inspection.show_record(
        features, row, VOCABULARY, number=number, sentence_objective=objective
    )


def test_a_record_is_shown_with_its_masks():
    assert show(two_records(), 0, number=0) == [
        "record 0: 6 tokens; the second segment is a random one (label 1)",
        "  [CLS] [the->[MASK]] [cat->cat] [SEP]",
        "  [sat->cow] [SEP]",
    ]
    assert show(two_records(), 1, number=1)[1:] == [
        "  [CLS] [cow->[MASK]] [SEP]",
        "  the [SEP]",
    ]


@pytest.mark.parametrize(
    ("objective", "meanings"),
    [
        ("sop", ("the segments are swapped", "the segments stand as in the text")),
        (
            "",
            (
                "the second segment is a random one, or the two are swapped",
                "the second segment follows the first",
            ),
        ),
    ],
)
def test_a_sentence_label_is_shown_in_the_words_of_its_objective(
    objective: StoredObjective, meanings: tuple[str, str]
):
    first, second = (show(two_records(), row, number=0, objective=objective)[0] for row in (0, 1))
    assert first == f"record 0: 6 tokens; {meanings[0]} (label 1)"
    assert second == f"record 0: 5 tokens; {meanings[1]} (label 0)"


@pytest.mark.parametrize("objective", ["nsp", "sop", ""])
def test_a_label_that_no_objective_has_is_shown_as_such(objective: StoredObjective):
    records = dataclasses.replace(
        two_records(), next_sentence_labels=np.array([[7], [0]], np.int32)
    )
    (first, *_) = show(records, 0, number=4, objective=objective)
    assert first == "record 4: 6 tokens; a sentence label that no objective has (label 7)"


def test_rates_are_those_of_the_records():
    counts = count_records(two_records(), mask_id=4)
    assert rates(counts, "nsp") == {
        "records": 2,
        "random_next_rate": 0.5,
        "mean_length": 5.5,
        "shortest": 5,
        "longest": 6,
        "full_length_rate": 0.0,
        "predictions_per_record": 2.0,
        "prediction_rate": round(4 / 11, 4),
        "masked_rate": 0.5,
        "kept_rate": 0.25,
        "random_word_rate": 0.25,
        "length_histogram": [2],
    }


@pytest.mark.parametrize(
    ("objective", "name", "line"),
    [
        ("nsp", "random_next_rate", "random next      25.0% of the records (BERT: 50 %, "),
        ("sop", "swapped_rate", "swapped          25.0% of the records (ALBERT: 50 %)"),
        ("", "label_1_rate", "label 1          25.0% of the records (random next or swapped: "),
    ],
)
def test_the_share_of_label_1_has_the_name_of_its_objective(
    objective: StoredObjective, name: str, line: str
):
    counts = count_records(two_records(), mask_id=4) + count_records(
        dataclasses.replace(two_records(), next_sentence_labels=np.zeros((2, 1), np.int32)),
        mask_id=4,
    )
    shares = {"random_next_rate", "swapped_rate", "label_1_rate"}
    found = rates(counts, objective)
    assert shares & set(found) == {name}
    assert found[name] == 0.25
    assert [said for said in describe(found, objective) if said.startswith(line)]


def test_lengths_are_counted_in_steps_of_32_tokens():
    mask = np.arange(100) < np.array([[1], [32], [33], [96], [97], [100], [0], [100]])
    zeros = np.zeros((8, 1), np.int32)
    records = Features(
        input_ids=np.ones((8, 100), np.int32),
        input_mask=mask * np.array([[1]] * 7 + [[9]], np.int32),  # two that only others make
        segment_ids=np.zeros((8, 100), np.int32),
        masked_lm_positions=zeros,
        masked_lm_ids=zeros,
        masked_lm_weights=zeros.astype(np.float32),
        next_sentence_labels=zeros,
    )
    assert count_records(records, mask_id=4).histogram == (3, 1, 1, 3)


def test_lengths_that_not_all_parts_have_counted_are_not_known():
    counted = count_records(two_records(), mask_id=4)
    before = dataclasses.replace(counted, histogram=())
    for total in (counted + before, before + counted):
        assert total.histogram == ()
        assert "length_histogram" not in rates(total, "nsp")
    assert (RecordCounts() + counted).histogram == counted.histogram


def test_counts_of_batches_add_up():
    whole = two_records()
    parts = [
        Features(**{name: value[row : row + 1] for name, value in vars(whole).items()})
        for row in (0, 1)
    ]
    total = count_records(parts[0], mask_id=4) + count_records(parts[1], mask_id=4)
    assert total == count_records(whole, mask_id=4)


@pytest.fixture
def settings(make_settings: Callable[..., DatasetSettings]) -> InspectionSettings:
    """Settings for looking at a data set that has been created."""
    created = make_settings()
    pretraining_dataset.create(created)
    return InspectionSettings(input_dir=created.output_dir, vocab_file=created.vocab_file)


def test_the_statistics_are_those_that_were_written(
    settings: InspectionSettings, capsys: pytest.CaptureFixture[str]
):
    info = inspection.read_info(settings.input_dir)
    for split in ("train", "heldout"):
        counts = inspection.inspect(dataclasses.replace(settings, split=split, num_counted=0))
        written = dict(info.statistics[split])
        del written["documents"]
        assert rates(counts, "nsp") == written
        assert f"records          {counts.records:,}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("num_shown", "num_counted"), [(2, 7), (0, 3), (3, 3), (9, 7), (7, 1), (9, 16)]
)
def test_as_many_records_are_shown_and_counted_as_asked_for(
    settings: InspectionSettings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    num_shown: int,
    num_counted: int,
):
    monkeypatch.setattr(inspection, "_BATCH_RECORDS", 3)
    info = inspection.read_info(settings.input_dir)
    total = sum(shard.num_records for shard in info.splits["train"])
    assert total > 16
    capsys.readouterr()
    counts = inspection.inspect(
        dataclasses.replace(settings, num_shown=num_shown, num_counted=num_counted)
    )
    assert counts.records == num_counted
    said = capsys.readouterr().out
    shown = [line.split(":")[0] for line in said.splitlines() if line.startswith("record ")]
    assert shown == [f"record {number}" for number in range(num_shown)]
    assert f"{settings.input_dir}, first {num_counted} of {total} records:\n" in said


def test_counting_is_in_the_order_of_the_files(
    settings: InspectionSettings, monkeypatch: pytest.MonkeyPatch
):
    at_once = inspection.inspect(dataclasses.replace(settings, num_counted=20))
    monkeypatch.setattr(inspection, "_BATCH_RECORDS", 3)
    assert inspection.inspect(dataclasses.replace(settings, num_counted=20)) == at_once


def test_no_sample_is_named_where_all_records_count(
    settings: InspectionSettings, capsys: pytest.CaptureFixture[str]
):
    inspection.inspect(settings)
    assert f"\ntrain of {settings.input_dir}:\n" in capsys.readouterr().out


@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_a_damaged_shard_of_the_right_size_is_refused_by_name(
    settings: InspectionSettings, place: float
):
    path = Path(settings.input_dir) / "train-00001-of-00003.tfrecord"
    content = bytearray(path.read_bytes())
    content[round(place * (len(content) - 1))] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        UserError, match=r"train-00001-of-00003\.tfrecord is damaged.*create the records anew"
    ):
        inspection.inspect(settings)


def test_records_of_another_length_than_the_folder_says_are_refused(settings: InspectionSettings):
    info = inspection.read_info(settings.input_dir)
    other = dataclasses.replace(info, max_seq_length=31)
    (Path(settings.input_dir) / "dataset_info.json").write_text(other.to_json())
    with pytest.raises(UserError, match=r"train-00000-of-00003\.tfrecord is damaged"):
        inspection.inspect(settings)


def test_another_vocabulary_is_refused(settings: InspectionSettings, tmp_path: Path):
    tokens = Path(settings.vocab_file).read_text().splitlines()
    other = tmp_path / "other.txt"
    other.write_text("\n".join([*tokens[:5], *reversed(tokens[5:])]))
    with pytest.raises(UserError, match="is not the vocabulary that the records"):
        inspection.inspect(dataclasses.replace(settings, vocab_file=str(other)))


def test_a_split_that_is_not_there_is_refused(settings: InspectionSettings):
    with pytest.raises(UserError, match=r"--split=test is not in .* holds heldout, train"):
        inspection.inspect(dataclasses.replace(settings, split="test"))


def test_a_truncated_shard_is_refused_by_name(settings: InspectionSettings):
    path = Path(settings.input_dir) / "train-00001-of-00003.tfrecord"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        UserError, match=r"train-00001-of-00003\.tfrecord has .* cut off or changed"
    ):
        inspection.inspect(settings)


def test_a_folder_without_info_is_refused(settings: InspectionSettings, tmp_path: Path):
    with pytest.raises(UserError, match=r"holds no dataset_info\.json"):
        inspection.inspect(dataclasses.replace(settings, input_dir=str(tmp_path)))


@pytest.mark.parametrize("wrong", [{"input_dir": ""}, {"vocab_file": ""}, {"num_shown": -1}])
def test_a_setting_out_of_range_is_refused_by_its_flag(wrong: dict[str, object]):
    values = {"input_dir": "a", "vocab_file": "b"} | wrong
    with pytest.raises(UserError, match=f"--{next(iter(wrong))} is "):
        InspectionSettings(**values)  # type: ignore[arg-type]
