"""What is promised before the work, held against what comes of it."""

import bz2
import gzip
import itertools
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from tests.tfrecords_tools.numbered_text import SPECIAL_TOKENS
from tfrecords_tools import tokenization
from tfrecords_tools.dataset import estimation, pretraining_dataset
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings
from tfrecords_tools.text.pieces import text_pieces, text_sample
from tfrecords_tools.text.pieces.piece import Piece

MakeSettings = Callable[..., DatasetSettings]
WORDS = [a + b + c for a, b, c in itertools.product("bdfgklmnprst", "aeiou", "bdgklmnrst")]
RECIPES = (
    Recipe(max_seq_length=64, max_predictions_per_seq=10, dupe_factor=2),
    Recipe(max_seq_length=128, max_predictions_per_seq=20, dupe_factor=2),
)


def make_text(num_bytes: int) -> str:
    """Returns documents and sentences of many lengths."""
    rng = random.Random(0)
    documents, size = [], 0
    while size < num_bytes:
        sentences = [
            " ".join(rng.choices(WORDS, k=rng.randint(3, 40)))
            for _ in range(round(rng.lognormvariate(3, 1)) + 1)
        ]
        documents.append("\n".join(sentences))
        size += len(documents[-1])
    return "\n\n".join(documents)


@pytest.fixture
def made_up(make_settings: MakeSettings, tmp_path: Path) -> MakeSettings:
    """Like `make_settings`, for a text of several times the size of a sample."""
    (tmp_path / "words.txt").write_text("\n".join([*SPECIAL_TOKENS, *WORDS]))
    (tmp_path / "long.txt").write_text(make_text(3 * text_sample._CHARACTERS))

    def make(**changes: object) -> DatasetSettings:
        values: dict[str, object] = {
            "input": str(tmp_path / "long.txt"),
            "vocab_file": str(tmp_path / "words.txt"),
            "recipes": RECIPES,
            "heldout_fraction": 0.02,
        }
        return make_settings(**(values | changes))

    return make


@pytest.fixture
def estimates(monkeypatch: pytest.MonkeyPatch) -> list[estimation.RecipeEstimate]:
    """Gets what is estimated, unrounded."""
    found: list[estimation.RecipeEstimate] = []
    estimate = estimation._estimate
    monkeypatch.setattr(
        estimation, "_estimate", lambda *args: found.append(estimate(*args)) or found[-1]
    )
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"compression": "GZIP"},
        {"heldout_fraction": 0.4},
        {"recipes": (Recipe(whole_word_masking=True, dupe_factor=2, sentence_objective="sop"),)},
    ],
)
def test_records_and_bytes_come_near_to_what_was_promised(
    made_up: MakeSettings,
    estimates: list[estimation.RecipeEstimate],
    changes: dict[str, object],
    capsys: pytest.CaptureFixture[str],
):
    settings = made_up(**changes)
    infos = pretraining_dataset.create(settings)
    assert len(estimates) == len(settings.recipes)
    for info, promised in zip(infos, estimates, strict=True):
        shards = [shard for split in info.splits.values() for shard in split]
        num_records = sum(shard.num_records for shard in shards)
        num_bytes = sum(shard.num_bytes for shard in shards)
        assert promised.num_records == pytest.approx(num_records, rel=0.3)
        assert promised.num_bytes == pytest.approx(num_bytes, rel=0.3)
    said = capsys.readouterr().out
    assert said.count("estimate: ") == len(estimates) + 1


def pieces_of(settings: DatasetSettings) -> tuple[Piece, ...]:
    return text_pieces.list_pieces(settings.text, files=text_pieces.find_input(settings.text))


def in_cyrillic(text: str) -> str:
    """Returns the text in letters of two bytes each, which JSON may escape to six."""
    return "".join(chr(ord(c) - ord("a") + ord("а")) if "a" <= c <= "z" else c for c in text)


def json_lines(text: str, *, escaped: bool) -> bytes:
    lines = [json.dumps({"text": d}, ensure_ascii=escaped) for d in text.split("\n\n")]
    return "\n".join(lines).encode()


FORMS: dict[str, Callable[[str], bytes]] = {
    "txt": str.encode,
    "txt.gz": lambda text: gzip.compress(text.encode()),
    "txt.bz2": lambda text: bz2.compress(text.encode()),
    "jsonl": lambda text: json_lines(text, escaped=False),
    "escaped.jsonl": lambda text: json_lines(text, escaped=True),
}


def test_the_same_text_promises_the_same_records_in_every_form(
    made_up: MakeSettings, estimates: list[estimation.RecipeEstimate], tmp_path: Path
):
    (tmp_path / "cyrillic.txt").write_text("\n".join([*SPECIAL_TOKENS, *map(in_cyrillic, WORDS)]))
    vocabulary = tokenization.read_vocabulary(str(tmp_path / "cyrillic.txt"))
    text = in_cyrillic(Path(made_up().text.input).read_text())
    for form, encode in FORMS.items():
        (tmp_path / f"text.{form}").write_bytes(encode(text))
        settings = made_up(input=str(tmp_path / f"text.{form}"), recipes=RECIPES[:1])
        Path(settings.work_folder).mkdir(parents=True, exist_ok=True)
        estimation.say_estimate(settings, vocabulary, pieces_of(settings))
    plain = estimates[0].num_records
    promised = {form: e.num_records / plain for form, e in zip(FORMS, estimates, strict=True)}
    assert promised == pytest.approx(dict.fromkeys(FORMS, 1.0), rel=0.1)


def disk_with(num_bytes: int) -> Callable[[str], object]:
    return lambda path: shutil._ntuple_diskusage(10**12, 10**12 - num_bytes, num_bytes)


def needed(settings: DatasetSettings, infos: list) -> int:
    return sum(s.num_bytes for info in infos for split in info.splits.values() for s in split)


def test_a_disk_that_is_too_small_is_refused_before_the_work(
    made_up: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    infos = pretraining_dataset.create(made_up(output_dir=str(tmp_path / "whole")))
    num_bytes = needed(made_up(), infos)
    settings = made_up()
    monkeypatch.setattr(shutil, "disk_usage", disk_with(num_bytes // 2))
    with monkeypatch.context() as patch:
        patch.setattr(pretraining_dataset, "_tokenize", pytest.fail)
        with pytest.raises(UserError, match=r"_work has \d+ MB free, and about \d+ MB will be"):
            pretraining_dataset.create(settings)
    monkeypatch.setattr(shutil, "disk_usage", disk_with(2 * num_bytes))
    pretraining_dataset.create(settings)


def test_a_run_that_goes_on_needs_room_for_the_rest_only(
    made_up: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A disk that is just large enough has little left when nearly all is written."""
    num_bytes = needed(
        made_up(), pretraining_dataset.create(made_up(output_dir=str(tmp_path / "a")))
    )
    settings = made_up()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pretraining_dataset.output_folder, "publish", stop)
        with pytest.raises(KeyboardInterrupt):
            pretraining_dataset.create(settings)
    monkeypatch.setattr(shutil, "disk_usage", disk_with(num_bytes * 7 // 10))
    pretraining_dataset.create(settings)


def test_work_on_another_disk_than_the_records_counts_there(
    made_up: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Work files are a tenth of the records here; a disk of a quarter has room for them.

    It raises if the small disk were asked to hold the records too.
    """
    num_bytes = needed(
        made_up(), pretraining_dataset.create(made_up(output_dir=str(tmp_path / "a")))
    )
    large, small = disk_with(10 * num_bytes), disk_with(num_bytes // 4)
    settings = made_up(work_dir=str(tmp_path / "work"))
    monkeypatch.setattr(
        shutil,
        "disk_usage",
        lambda path: (small if str(path).startswith(settings.work_folder) else large)(path),
    )
    pretraining_dataset.create(settings)


def test_remote_records_take_no_room_on_the_local_disk(
    made_up: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = made_up(output_dir="gs://bucket/x", work_dir=str(tmp_path))
    vocabulary = tokenization.read_vocabulary(settings.vocab_file)
    monkeypatch.setattr(shutil, "disk_usage", disk_with(8_000_000))
    pieces = pieces_of(settings)
    estimation.say_estimate(settings, vocabulary, pieces)
    with pytest.raises(UserError, match="Make room"):
        estimation.say_estimate(made_up(work_dir=str(tmp_path)), vocabulary, pieces)


@pytest.mark.slow
def test_the_embedded_corpus_comes_near_to_what_was_promised(
    make_settings: MakeSettings, estimates: list[estimation.RecipeEstimate], real_data: Path
):
    vocab_file = str(real_data / "vocab" / "bert-base-uncased-vocab.txt")
    recipe = Recipe(dupe_factor=1)
    settings = make_settings(input="embedded", vocab_file=vocab_file, recipe=recipe)
    (info,) = pretraining_dataset.create(settings)
    shards = [shard for split in info.splits.values() for shard in split]
    assert estimates[0].num_records == pytest.approx(sum(s.num_records for s in shards), rel=0.3)
    assert estimates[0].num_bytes == pytest.approx(sum(s.num_bytes for s in shards), rel=0.3)
