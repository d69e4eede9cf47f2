"""The steps of the Beam pipeline by themselves: what they return for what, in whatever order."""

import collections
import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.dataset_info import extend_checksum
from mslt_tf.errors import UserError
from mslt_tf.text_case import TextCase
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer
from tests.tfrecords_tools.beam_text import RECIPE, VOCABULARY, settings_for
from tests.tfrecords_tools.fair_share import assert_share
from tests.tfrecords_tools.made_corpus import make_corpus
from tests.tfrecords_tools.record_reading import read_file
from tfrecords_tools.beam import beam_plan, beam_shards, beam_steps
from tfrecords_tools.beam.beam_plan import Job, PieceFacts, Plan
from tfrecords_tools.beam.beam_steps import Document
from tfrecords_tools.dataset.token_store import StoreFacts
from tfrecords_tools.recipe.pairs import PAIR_DTYPE, pairs_of_document
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.text.pieces import text_pieces
from tfrecords_tools.text.text_input import TextInput

PLAN = Plan({"train": 7, "heldout": 1}, {(0, "train"): 4, (0, "heldout"): 1})
SENTENCES = [5, 9, 3, 12, 7]  # tokens of each, in every document


def make_job(folder: Path, **changes: object) -> Job:
    settings = settings_for(folder, folder, **changes)
    return Job(settings, settings.recipes, ({},), tuple(VOCABULARY), "")


def make_document(piece: int, place: int) -> Document:
    """Returns a document whose tokens no other has."""
    begin = 100 + 50 * (10 * piece + place)
    tokens = np.arange(begin, begin + sum(SENTENCES), dtype=np.uint16)
    return piece, place, tokens.tobytes(), np.array(SENTENCES, np.int32).tobytes()


DOCUMENTS = [make_document(piece, place) for piece in range(3) for place in range(10)]


def pair(job: Job, documents: list[Document], *, group: int = 0, pass_index: int = 0):
    """Returns what each shard gets, and what was left out."""
    steps = beam_steps.pair_group(("train", pass_index, group), documents, job=job, plan=PLAN)
    portions = {}
    while True:
        try:
            key, portion = next(steps)
        except StopIteration as stop:
            return portions, stop.value
        portions[key] = portion


def pairs_in(portions: dict) -> np.ndarray:
    return np.concatenate([np.frombuffer(p[2], PAIR_DTYPE) for p in portions.values()])


def test_equal_documents_are_in_one_split_and_the_share_of_splits_is_right(tmp_path: Path):
    """Also those of different pieces, which nobody compares."""
    text = "\n\n".join(f"{word}\n{word} {VOCABULARY[9]}" for word in VOCABULARY[5:305])
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for path in paths:
        path.write_text(text)
    job = make_job(tmp_path, heldout_fraction=0.2)
    tokenizer = WordpieceTokenizer(VOCABULARY, TextCase())
    splits = [splits_of(path, job, tokenizer) for path in paths]
    assert splits[0] == splits[1]
    assert len(splits[0]) == 300
    assert_share(splits[0].count("heldout"), 300, probability=0.2)


def splits_of(path: Path, job: Job, tokenizer: WordpieceTokenizer) -> list[str]:
    (piece,) = text_pieces.list_pieces(TextInput(input=str(path)))
    index = int(path.name == "b.txt")
    return [s for s, _ in beam_steps.tokenize_piece(index, piece, job=job, tokenizer=tokenizer)]


def test_sentences_are_split_as_the_settings_say(tmp_path: Path):
    word, path = VOCABULARY[9], tmp_path / "a.txt"
    path.write_text(f"{word}. 好。 {word}！\n{word} 好")
    (piece,) = text_pieces.list_pieces(TextInput(input=str(path)))
    tokenizer = WordpieceTokenizer(VOCABULARY, TextCase())
    numbers = {}
    for way in ("auto", "line"):
        job = make_job(tmp_path, heldout_fraction=0.0, sentence_splitting=way)
        ((_, document),) = beam_steps.tokenize_piece(0, piece, job=job, tokenizer=tokenizer)
        numbers[way] = len(np.frombuffer(document[3], np.int32))
    assert numbers == {"auto": 4, "line": 2}


def test_every_document_is_once_in_each_pass_with_other_company(tmp_path: Path):
    job = make_job(tmp_path)
    groups = collections.defaultdict(list)
    for document in DOCUMENTS:
        for key, same in beam_steps.assign_groups("train", document, job=job, plan=PLAN):
            assert same == document
            groups[key].append(document[:2])
    everyone = sorted(document[:2] for document in DOCUMENTS)
    company = []
    for pass_index in range(RECIPE.dupe_factor):
        of_pass = [members for key, members in groups.items() if key[1] == pass_index]
        assert sorted(itertools.chain(*of_pass)) == everyone
        company.append({frozenset(p) for m in of_pass for p in itertools.combinations(m, 2)})
    # By chance, one pair of seven meets again.
    for one, other in itertools.combinations(company, 2):
        assert len(one & other) < 0.4 * len(one)
    assert len(list(beam_steps.assign_groups("heldout", DOCUMENTS[0], job=job, plan=PLAN))) == 1


def test_a_group_is_the_same_in_whatever_order_it_comes(tmp_path: Path):
    job = make_job(tmp_path)
    assert pair(job, DOCUMENTS) == pair(job, DOCUMENTS[::-1])


def test_a_shard_is_the_same_in_whatever_order_portions_come(tmp_path: Path):
    job = make_job(tmp_path)
    portions = [pair(job, DOCUMENTS, group=group)[0][0, "train", 2] for group in range(4)]
    # Another group's, with the same keys: chance makes such a pair of records in the end.
    _, _, pairs, tokens = portions[0]
    portions.append((0, 9, pairs, (np.frombuffer(tokens, np.uint16) + 1).tobytes()))
    files = []
    for in_order in (portions, portions[::-1]):
        key, name = (0, "train", 2), "train-00002-of-00004.tfrecord"
        written = beam_steps.write_shard(key, in_order, job=job, plan=PLAN)
        assert written[:3] == key
        path = tmp_path / f"{name}.partial"
        serialized = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
        assert written[3] == {
            "name": name,
            "num_records": sum(1 for _ in read_file(path)),
            "num_bytes": path.stat().st_size,
            "checksum": extend_checksum("", serialized),
        }
        files.append(path.read_bytes())
        path.unlink()
    assert files[0] == files[1]
    assert list(tmp_path.iterdir()) == []  # nothing is left of other names


def test_no_two_groups_or_passes_share_their_randomness(tmp_path: Path):
    job = make_job(tmp_path)
    # The documents differ by their tokens only, so one seed would give the same pairs.
    keys = [
        pairs_in(pair(job, DOCUMENTS, group=group, pass_index=pass_index)[0])["mask_key"]
        for group in range(3)
        for pass_index in range(3)
    ]
    keys = np.concatenate(keys)
    assert len(set(keys.tolist())) == len(keys) > 500


def test_each_record_shows_in_its_portion_the_text_it_had(tmp_path: Path):
    portions, left_out = pair(make_job(tmp_path), DOCUMENTS)
    assert left_out == [(0, "train", 0)]
    assert {key[:2] for key in portions} == {(0, "train")}
    starts = {np.frombuffer(document[2], np.uint16)[0] for document in DOCUMENTS}
    for _, _, pairs, tokens in portions.values():
        text = np.frombuffer(tokens, np.uint16)
        pairs = np.frombuffer(pairs, PAIR_DTYPE)
        assert len(text) == (pairs["first_length"] + pairs["second_length"]).sum()
        for record in pairs:
            of_document = []
            for part in ("first", "second"):
                run = text[record[f"{part}_start"] :][: record[f"{part}_length"]]
                assert (np.diff(run.astype(int)) == 1).all()
                of_document.append(max(start for start in starts if start <= run[0]))
            assert (of_document[0] != of_document[1]) == bool(record["sentence_label"])


def test_packed_records_keep_their_words():
    corpus = make_corpus([SENTENCES] * 5)
    documents = np.arange(5)
    pairs = pairs_of_document(corpus, documents, 2, recipe=RECIPE, pass_index=0).pairs
    tokens, moved = beam_shards.pack(corpus.tokens, pairs[::-1])
    for before, after in zip(pairs[::-1], moved, strict=True):
        for part in ("first", "second"):
            length = before[f"{part}_length"]
            assert (
                corpus.tokens[before[f"{part}_start"] :][:length].tolist()
                == tokens[after[f"{part}_start"] :][:length].tolist()
            )
    assert [len(array) for array in beam_shards.pack(corpus.tokens, pairs[:0])] == [0, 0]


@pytest.mark.parametrize("num_shards", [1, 3, 99_999])
def test_shards_are_equal_ranges_of_the_keys(num_shards: int):
    keys = np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64)
    keys = np.concatenate([np.sort(keys), np.array([2**64 - 1], np.uint64)])
    shards = beam_shards.shards_of(keys, num_shards)
    assert (np.diff(shards) >= 0).all()
    assert (shards.min(), shards.max()) == (shards[0], num_shards - 1)
    if num_shards == 3:
        for count in np.bincount(shards):
            assert_share(int(count), len(keys), probability=1 / 3)


def facts_of(documents: int, tokens: int, *, piece: int = 0) -> PieceFacts:
    facts = StoreFacts(documents, documents, tokens, sha256=str(piece))
    split = {"documents": {"train": documents}, "tokens": {"train": tokens}}
    return piece, {"facts": dataclasses.asdict(facts), "report": {}, **split}


@pytest.mark.parametrize(
    ("documents", "tokens", "groups", "shards"),
    [
        (2, 100, 1, 1),
        (1_000_000, 2**32, 1_024, 504),  # 4,194,304 tokens a group; 200,000 records a shard
        (640, 2**32, 10, 504),  # books: 64 documents a group
        (100_000, 10_000_000, 2, 8),
    ],
)
def test_the_plan_follows_the_text(
    tmp_path: Path, documents: int, tokens: int, groups: int, shards: int
):
    recipe = Recipe(max_seq_length=128, dupe_factor=3)
    job = make_job(tmp_path, heldout_fraction=0.0, recipes=(recipe,), num_shards=0)
    plan = beam_plan.make_plan([facts_of(documents, tokens)], job=job)
    assert (plan.num_groups, plan.num_shards) == ({"train": groups}, {(0, "train"): shards})


def test_facts_of_pieces_add_up_in_whatever_order():
    found = [facts_of(2, 10, piece=piece) for piece in range(3)]
    total = beam_plan.sum_facts(found)
    assert total == beam_plan.sum_facts(found[::-1])
    assert (total.num_documents, total.num_tokens) == (6, 30)


def test_a_single_document_finds_no_partner(tmp_path: Path):
    with pytest.raises(UserError, match=r"one document found no other.*sentence_objective=sop"):
        pair(make_job(tmp_path), DOCUMENTS[:1])
    alone = dataclasses.replace(RECIPE, sentence_objective="sop")
    portions, _ = pair(make_job(tmp_path, recipes=(alone,)), DOCUMENTS[:1])
    assert len(pairs_in(portions)) == 2
