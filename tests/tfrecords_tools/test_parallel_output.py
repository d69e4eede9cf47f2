"""Records do not depend on who makes them, nor on how the work is cut."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tfrecords_tools.record_reading import contents
from tests.tfrecords_tools.small_tasks import shrink
from tfrecords_tools import tokenization
from tfrecords_tools.dataset import dataset_tasks, pretraining_dataset, splits
from tfrecords_tools.processes import Workers
from tfrecords_tools.recipe import masking
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings
from tfrecords_tools.text.pieces import text_pieces

MakeSettings = Callable[..., DatasetSettings]
VARIANTS = {
    "plain": {},
    "gzip": {
        "compression": "GZIP",
        "feature_names": "v2",
        "recipe": Recipe(
            max_seq_length=32,
            max_predictions_per_seq=5,
            dupe_factor=2,
            sentence_objective="sop",
            whole_word_masking=True,
        ),
    },
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_bytes_do_not_depend_on_the_number_of_processes(
    make_settings: MakeSettings, variant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shrink(monkeypatch)
    num_tasks = []
    run = Workers.run
    monkeypatch.setattr(
        Workers, "run", lambda *args, **kw: num_tasks.append(len(args[2])) or run(*args, **kw)
    )
    made = {}
    for num_processes in (1, 2, 3):
        folder = str(tmp_path / f"by_{num_processes}")
        settings = make_settings(
            output_dir=folder, num_processes=num_processes, **VARIANTS[variant]
        )
        pretraining_dataset.create(settings)
        made[num_processes] = contents(folder)
    assert made[1] == made[2] == made[3]
    assert len(made[1]) == 5
    # Pieces; portions and shards of train; portions and the shard of heldout.
    pieces, pairs, shards, *_ = num_tasks[:5]
    assert num_tasks == num_tasks[:5] * 3
    assert pieces > 5
    assert pairs > 5
    assert shards == 3


def test_shards_do_not_depend_on_how_the_work_is_cut(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    uncut = make_settings(output_dir=str(tmp_path / "uncut"))
    pretraining_dataset.create(uncut)
    shrink(monkeypatch)
    monkeypatch.setattr(masking, "BATCH_RECORDS", 17)
    monkeypatch.setattr(dataset_tasks, "_CHUNK_RECORDS", 50)
    monkeypatch.setattr(tokenization, "_BATCH_SENTENCES", 5)
    cut = make_settings(output_dir=str(tmp_path / "cut"))
    assert len(text_pieces.list_pieces(cut.text)) > 5
    pretraining_dataset.create(cut)
    shards = [
        {name: data for name, data in contents(settings.output_dir).items() if "tfrecord" in name}
        for settings in (uncut, cut)
    ]
    assert shards[0] == shards[1]
    assert len(shards[0]) == 4


def test_the_number_of_shards_changes_no_record_and_no_order(
    make_settings: MakeSettings, tmp_path: Path
):
    """Files of uncompressed records, one behind the other, are the same bytes."""
    joined = []
    for num_shards in (1, 4, 9):
        folder = tmp_path / str(num_shards)
        pretraining_dataset.create(make_settings(output_dir=str(folder), num_shards=num_shards))
        paths = sorted(folder.glob("train-*.tfrecord"))
        assert len(paths) == num_shards
        joined.append(b"".join(path.read_bytes() for path in paths))
    assert joined[0] == joined[1] == joined[2]


def test_the_number_of_shards_follows_the_records_unless_it_is_given(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for per_shard, expected in ((200_000, 8), (50, None)):
        monkeypatch.setattr(splits, "RECORDS_PER_SHARD", per_shard)
        settings = make_settings(num_shards=0, output_dir=str(tmp_path / str(per_shard)))
        (info,) = pretraining_dataset.create(settings)
        sizes = [shard.num_records for shard in info.splits["train"]]
        assert len(sizes) == (expected or -(-sum(sizes) // per_shard)) >= 8
        assert max(sizes) - min(sizes) <= 1
    few = make_settings(num_shards=0, heldout_fraction=0.0, output_dir=str(tmp_path / "few"))
    Path(few.text.input).write_text("d0w0 d0w1\n\nd1w0\n")
    (info,) = pretraining_dataset.create(few)
    assert [shard.num_records for shard in info.splits["train"]] == [1, 1, 1, 1]
