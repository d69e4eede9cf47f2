"""The folder of unfinished work: whose it is, and what it keeps."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from tests.tfrecords_tools.record_reading import contents
from tests.tfrecords_tools.small_tasks import shrink
from tfrecords_tools.dataset import dataset_tasks, pretraining_dataset, work_folder
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings

MakeSettings = Callable[..., DatasetSettings]


def refuse_work(*_: object, **__: object) -> None:
    raise AssertionError("finished work is done again")


def test_it_is_gone_when_all_is_done(make_settings: MakeSettings, tmp_path: Path):
    for work_dir in ("", str(tmp_path / "work")):
        settings = make_settings(
            work_dir=work_dir, output_dir=str(tmp_path / f"records{work_dir[:1]}")
        )
        pretraining_dataset.create(settings)
        assert not Path(settings.work_folder).exists()
    assert not (tmp_path / "records" / "_work").exists()


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("tokenize_piece", 2),
        ("make_portion", 1),
        ("make_portion", 4),
        ("write_shard", 1),
        ("write_shard", 3),
        ("write_shard", 4),  # that of heldout
    ],
)
def test_a_stopped_run_goes_on_with_the_same_end(
    make_settings: MakeSettings,
    stop_in: Callable[..., None],
    name: str,
    call: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    shrink(monkeypatch)
    whole = make_settings(output_dir=str(tmp_path / "whole"))
    pretraining_dataset.create(whole)
    settings = make_settings()
    stop_in(settings, name, call)
    later = ["_tokenize"] if name != "tokenize_piece" else []
    for done in later:
        monkeypatch.setattr(dataset_tasks, done, refuse_work)
    pretraining_dataset.create(settings)
    assert contents(settings.output_dir) == contents(whole.output_dir)


def test_finished_pieces_portions_and_shards_are_kept(
    make_settings: MakeSettings, stop_in: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    shrink(monkeypatch)
    settings = make_settings()
    stop_in(settings, "tokenize_piece", 4)
    work, output = Path(settings.work_folder), Path(settings.output_dir)
    assert len(list(work.glob("piece-*.json"))) == 3
    before = {path: path.stat().st_mtime_ns for path in work.glob("piece-*/*")}
    stop_in(settings, "make_portion", 4)  # the pieces are joined
    assert len(before) == 3 * 4
    assert not any(path.exists() for path in before)
    before = {path: path.stat().st_mtime_ns for path in work.glob("tokens/*")}
    before |= {path: path.stat().st_mtime_ns for path in work.glob("train-32/pairs*")}
    assert len(before) == 5 + 3 * 3
    stop_in(settings, "write_shard", 3)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    before |= {path: path.stat().st_mtime_ns for path in output.glob("train-*.partial")}
    assert len(before) == 5 + 3 * 3 + 2
    stop_in(settings, "write_shard", 4)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_a_shard_that_was_cut_off_since_is_written_again(
    make_settings: MakeSettings, stop_in: Callable[..., None], tmp_path: Path
):
    whole = make_settings(output_dir=str(tmp_path / "whole"))
    pretraining_dataset.create(whole)
    settings = make_settings()
    stop_in(settings, "write_shard", 4)
    first, second, third = sorted(Path(settings.output_dir).glob("train-*.partial"))
    first.write_bytes(first.read_bytes()[:-1])
    second.unlink()
    assert third.exists()
    pretraining_dataset.create(settings)
    assert contents(settings.output_dir) == contents(whole.output_dir)


CHANGES = [
    ("num_shards", {"num_shards": 2}, "3", "2"),
    ("heldout_fraction", {"heldout_fraction": 0.3}, "0.2", "0.3"),
    ("do_lower_case", {"do_lower_case": False}, "True", "False"),
    ("sentence_splitting", {"sentence_splitting": "line"}, "'auto'", "'line'"),
    ("compression", {"compression": "GZIP"}, "''", "'GZIP'"),
    (
        "random_seed",
        {
            "recipe": Recipe(
                max_seq_length=32, max_predictions_per_seq=5, dupe_factor=2, random_seed=7
            )
        },
        "12345",
        "7",
    ),
]


@pytest.mark.parametrize(("name", "change", "found", "wanted"), CHANGES)
def test_work_with_other_settings_is_refused_by_name_and_stays_usable(
    make_settings: MakeSettings,
    stop_in: Callable[..., None],
    name: str,
    change: dict[str, object],
    found: str,
    wanted: str,
    monkeypatch: pytest.MonkeyPatch,
):
    settings = make_settings()
    stop_in(settings, "write_shard", 2)
    before = contents(settings.output_dir)
    message = f"holds unfinished work with {name} = {found}, but {wanted} is asked for"
    with pytest.raises(UserError, match=message) as raised:
        pretraining_dataset.create(make_settings(**change))
    assert len(str(raised.value)) < 600
    assert contents(settings.output_dir) == before
    monkeypatch.setattr(dataset_tasks, "_tokenize", refuse_work)
    pretraining_dataset.create(settings)


def test_work_with_another_vocabulary_is_refused(
    make_settings: MakeSettings, stop_in: Callable[..., None]
):
    settings = make_settings()
    stop_in(settings, "make_portion")
    with Path(settings.vocab_file).open("a") as file:
        file.write("another\n")
    with pytest.raises(UserError, match="holds unfinished work with vocab_sha256 = "):
        pretraining_dataset.create(settings)


def test_another_number_of_processes_goes_on(
    make_settings: MakeSettings, stop_in: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    """It raises if finished work were done again, or the settings refused."""
    stop_in(make_settings(num_processes=1), "make_portion")
    monkeypatch.setattr(dataset_tasks, "_tokenize", refuse_work)
    pretraining_dataset.create(make_settings(num_processes=2))


@pytest.mark.parametrize(
    ("text", "wrong", "better"),
    [
        ("d0w0 d0w1\n\nd1w0\n", {"num_shards": 9}, {"num_shards": 4}),
        ("d0w0 d0w1\n\nd1w0\n", {"heldout_fraction": 0.5}, {"heldout_fraction": 0.0}),
    ],
)
def test_who_follows_the_advice_is_not_refused_for_the_work_of_before(
    make_settings: MakeSettings, text: str, wrong: dict[str, object], better: dict[str, object]
):
    base = {"heldout_fraction": 0.0, "num_shards": 1}
    settings = make_settings(**(base | wrong))
    Path(settings.text.input).write_text(text)
    with pytest.raises(UserError, match=f"--{next(iter(better))}="):
        pretraining_dataset.create(settings)
    pretraining_dataset.create(make_settings(**(base | better)))


def test_text_that_is_mended_is_not_refused_for_the_work_of_before(make_settings: MakeSettings):
    settings = make_settings(heldout_fraction=0.0, num_shards=1)
    text = Path(settings.text.input).read_text()
    for broken in (b"\n\n", b"d0w0 d0w1\n\n\xff\n\nd1w0\n"):
        Path(settings.text.input).write_bytes(broken)
        with pytest.raises(UserError, match=r"holds no text|UTF-8"):
            pretraining_dataset.create(settings)
    Path(settings.text.input).write_text(text)
    pretraining_dataset.create(settings)


def test_a_run_after_another_in_one_process_reads_the_text_anew(
    make_settings: MakeSettings, tmp_path: Path
):
    settings = make_settings()
    pretraining_dataset.create(settings)
    Path(settings.output_dir).rename(tmp_path / "before")
    changed = Path(settings.text.input).read_text().replace("d3w7 ", "d3w8 ", 1)
    Path(settings.text.input).write_text(changed)
    pretraining_dataset.create(settings)
    here, before = contents(settings.output_dir), contents(tmp_path / "before")
    assert set(here) == set(before)
    assert [name for name in here if "tfrecord" in name and here[name] != before[name]]


SETTINGS = {"vocab_sha256": "5d", "on_error": "fail", "numbers": (1, 2), "nothing": None}


def test_two_at_once_are_one_too_many(tmp_path: Path):
    folder = str(tmp_path / "work")
    with (
        work_folder.opened(folder, SETTINGS),
        pytest.raises(UserError, match=rf"^{folder} is in use by process \d+ on .*: wait for its"),
        work_folder.opened(folder, SETTINGS),
    ):
        pass
    with work_folder.opened(folder, SETTINGS) as work:
        assert not work.is_new


def test_settings_compare_as_they_are_read_back(tmp_path: Path):
    """The second opening raises if a tuple were not equal to its list."""
    for is_new in (True, False):
        with work_folder.opened(str(tmp_path), SETTINGS) as work:
            assert work.is_new == is_new
