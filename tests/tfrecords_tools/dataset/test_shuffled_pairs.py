"""The random order of records on disk, held against sorting all of them in memory."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.tfrecords_tools.numbered_text import place_of
from tests.tfrecords_tools.record_reading import read_file, segments
from tests.tfrecords_tools.small_tasks import shrink
from tfrecords_tools.dataset import pretraining_dataset, shuffled_pairs, splits
from tfrecords_tools.dataset.shuffled_pairs import ShuffledPairs
from tfrecords_tools.recipe import masking
from tfrecords_tools.recipe.pairs import PAIR_DTYPE
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings

COUNTS = (1, 2, 3, 7, 50, 999, 5_000)
SHUFFLE_STREAM = 7


def make_pairs(count: int, seed: int) -> np.ndarray:
    """Returns records that all differ, with random mask keys."""
    rng = np.random.default_rng(seed)
    pairs = np.zeros(count, PAIR_DTYPE)
    pairs["first_start"] = np.arange(count)
    pairs["mask_key"] = rng.integers(0, 2**64, count, dtype=np.uint64, endpoint=False)
    return pairs


def write(folder: Path, pairs: np.ndarray, num_portions: int, seed: int) -> ShuffledPairs:
    """Writes the records in portions of random sizes, some perhaps empty."""
    cuts = np.sort(np.random.default_rng(seed).integers(0, len(pairs) + 1, num_portions - 1))
    paths = [str(folder / f"portion-{index}") for index in range(num_portions)]
    for path, part in zip(paths, np.split(pairs, cuts), strict=True):
        shuffled_pairs.write_portion(path, part)
    return ShuffledPairs(paths)


def read_in_parts(shuffled: ShuffledPairs, seed: int) -> list[np.ndarray]:
    """Returns what a random partition of all places holds."""
    total = len(shuffled)
    rng = np.random.default_rng(seed)
    edges = np.unique([0, total, *rng.integers(0, total + 1, rng.integers(0, 12))])
    return [shuffled.read(int(a), int(b)) for a, b in itertools.pairwise(edges)]


@pytest.mark.parametrize("num_portions", range(1, 6))
@pytest.mark.parametrize("count", COUNTS)
def test_every_partition_has_each_record_once_and_in_the_order_of_the_keys(
    tmp_path: Path, num_portions: int, count: int
):
    pairs = make_pairs(count, seed=count)
    keys = masking.random_bits(pairs["mask_key"], num=1, stream=SHUFFLE_STREAM)[:, 0]
    expected = pairs[np.argsort(keys)]
    shuffled = write(tmp_path, pairs, num_portions, seed=num_portions)
    assert len(shuffled) == count
    for seed in range(4):
        parts = read_in_parts(shuffled, seed)
        np.testing.assert_array_equal(np.concatenate(parts), expected)
    for place in (0, count // 2, count - 1):
        np.testing.assert_array_equal(shuffled.read(place, place + 1), expected[[place]])


def crowded_keys(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.uint64) + np.uint64(2**63)


def keys_at_both_ends(count: int) -> np.ndarray:
    keys = np.arange(count, dtype=np.uint64)
    keys[count // 2 :] = np.uint64(2**64 - 1) - keys[count // 2 :]
    return keys


@pytest.mark.parametrize("make_keys", [crowded_keys, keys_at_both_ends])
@pytest.mark.parametrize("num_portions", [1, 3, 5])
@pytest.mark.parametrize("count", [1, 2, 50, 5_000])
def test_keys_that_are_not_uniform_are_found_too(
    tmp_path: Path,
    make_keys: Callable[[int], np.ndarray],
    num_portions: int,
    count: int,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(masking, "random_bits", lambda keys, **_: keys[:, None])
    pairs = make_pairs(count, seed=1)
    pairs["mask_key"] = np.random.default_rng(2).permutation(make_keys(count))
    expected = pairs[np.argsort(pairs["mask_key"])]
    shuffled = write(tmp_path, pairs, num_portions, seed=3)
    for seed in range(4):
        parts = read_in_parts(shuffled, seed)
        np.testing.assert_array_equal(np.concatenate(parts), expected)


@pytest.mark.parametrize("num_keys", [1, 2, 10, 400])
@pytest.mark.parametrize("num_portions", [1, 4])
def test_records_of_equal_keys_come_once_each_wherever_they_are_parted(
    tmp_path: Path, num_keys: int, num_portions: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(masking, "random_bits", lambda keys, **_: keys[:, None])
    rng = np.random.default_rng(4)
    pairs = make_pairs(500, seed=5)
    pairs["mask_key"] = rng.choice(rng.integers(0, 2**64, num_keys, dtype=np.uint64), 500)
    shuffled = write(tmp_path, pairs, num_portions, seed=6)
    for seed in range(20):
        parts = np.concatenate(read_in_parts(shuffled, seed))
        assert sorted(parts["first_start"]) == list(range(500))
        assert (np.diff(parts["mask_key"].astype(object)) >= 0).all()


def test_the_order_does_not_depend_on_the_portions(tmp_path: Path):
    pairs = make_pairs(1_000, seed=7)
    orders = []
    for num_portions in (1, 2, 5):
        folder = tmp_path / str(num_portions)
        folder.mkdir()
        order = write(folder, pairs, num_portions, seed=8).read(0, 1_000)
        orders.append(order["first_start"].tolist())
    assert orders[0] == orders[1] == orders[2] != list(range(1_000))


def test_the_order_has_nothing_of_the_one_before(tmp_path: Path):
    """Rank correlation of two orders; 5 standard deviations of that of independent ones."""
    order = write(tmp_path, make_pairs(5_000, seed=9), 3, seed=10).read(0, 5_000)["first_start"]
    correlation = np.corrcoef(order, np.arange(5_000))[0, 1]
    assert abs(correlation) < 5 / np.sqrt(5_000)
    assert abs(np.corrcoef(order[1:], order[:-1])[0, 1]) < 5 / np.sqrt(5_000)


@pytest.mark.parametrize("damage", [b"", b"\0" * 300, None])
@pytest.mark.parametrize("name", ["keys", "pairs"])
def test_a_portion_that_is_cut_off_or_filled_with_zeros_is_not_complete(
    tmp_path: Path, name: str, damage: bytes | None
):
    path = str(tmp_path / "portion")
    shuffled_pairs.write_portion(path, make_pairs(300, seed=11))
    file = tmp_path / f"portion.{name}.npy"
    file.write_bytes(file.read_bytes()[:-1] if damage is None else damage)
    assert not shuffled_pairs.is_complete(path)


def test_a_portion_is_complete_when_its_last_file_is_there(tmp_path: Path):
    path = str(tmp_path / "portion")
    assert not shuffled_pairs.is_complete(path)
    shuffled_pairs.write_portion(path, make_pairs(3, seed=11))
    assert shuffled_pairs.is_complete(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "portion.keys.npy",
        "portion.pairs.npy",
    ]
    (tmp_path / "portion.pairs.npy").unlink()
    assert not shuffled_pairs.is_complete(path)


def test_shards_are_equally_large_and_hold_no_more_neighbours_than_chance_does(
    make_settings: Callable[..., DatasetSettings],
    vocabulary: list[str],
    monkeypatch: pytest.MonkeyPatch,
):
    shrink(monkeypatch)
    recipe = Recipe(max_seq_length=32, max_predictions_per_seq=5, dupe_factor=4)
    settings = make_settings(heldout_fraction=0.0, num_shards=7, recipe=recipe)
    (info,) = pretraining_dataset.create(settings)
    sizes = [shard.num_records for shard in info.splits["train"]]
    assert max(sizes) - min(sizes) <= 1
    files = [
        [place_of(segments(record, vocabulary)[0][0])[0] for record in read_file(path)]
        for path in sorted(Path(settings.output_dir).glob("train-*"))
    ]
    of_documents = np.bincount([document for file in files for document in file])
    total = of_documents.sum()
    chance = (of_documents * (of_documents - 1)).sum() / (total * (total - 1))
    pairs = [pair for file in files for pair in itertools.pairwise(file)]
    same = sum(a == b for a, b in pairs)
    deviation = np.sqrt(len(pairs) * chance * (1 - chance))
    assert abs(same - len(pairs) * chance) < 4.4 * deviation
    for file in files:  # and each document is in each file
        assert len(set(file)) == len(of_documents)


def test_small_portions_are_several(
    make_settings: Callable[..., DatasetSettings], monkeypatch: pytest.MonkeyPatch
):
    """Or the tests that make them small would test nothing."""
    shrink(monkeypatch)
    found = []
    portions = splits.portions
    monkeypatch.setattr(
        splits, "portions", lambda *args: found.append(portions(*args)) or found[-1]
    )
    pretraining_dataset.create(make_settings())
    train, heldout = found
    assert len(train) > 5
    assert len(heldout) >= 1
