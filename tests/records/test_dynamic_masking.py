"""Masks drawn anew, held against tfrecords_tools' records and a plain loop; runs with them."""

import itertools
import shutil

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.files import published_folder
from mslt_tf.pretraining import stage_input, training
from mslt_tf.records import dynamic_masking
from mslt_tf.training import checkpointing
from tests import tiny
from tests.tfrecords_tools.fair_share import assert_share
from tfrecords_tools.recipe import masking as stored_masking
from tfrecords_tools.recipe.pairs import PAIR_DTYPE
from tfrecords_tools.recipe.recipe import Recipe

VOCAB_SIZE, CLS, SEP, MASK = 60, 2, 3, 4
TOKEN = dynamic_masking.Masking(CLS, SEP, MASK, VOCAB_SIZE)
WHOLE_WORD = dynamic_masking.Masking(CLS, SEP, MASK, VOCAB_SIZE, tuple(range(35, VOCAB_SIZE)))
RECIPE = Recipe(max_seq_length=64, max_predictions_per_seq=8)
FEATURES = (
    *("input_ids", "input_mask", "segment_ids", "next_sentence_labels"),
    *("masked_lm_positions", "masked_lm_ids", "masked_lm_weights"),
)


def make_pairs(count, *, seed):
    """Returns pairs of random lengths, 1 to 60 tokens each and 61 at most together."""
    lengths = np.random.default_rng(7)
    pairs = np.zeros(count, PAIR_DTYPE)
    pairs["first_start"] = lengths.integers(0, 500, count)
    pairs["first_length"] = lengths.integers(1, 61, count)
    pairs["second_start"] = lengths.integers(500, 900, count)
    pairs["second_length"] = lengths.integers(1, 62 - pairs["first_length"])
    pairs["mask_key"] = np.random.default_rng(seed).integers(0, 2**63, count)
    return pairs


TEXT = np.random.default_rng(0).integers(5, VOCAB_SIZE, 1_000).astype(np.int32)


def stored(pairs, *, recipe=RECIPE):
    """Returns the batch that tfrecords_tools makes of pairs."""
    special = stored_masking.SpecialTokens(
        cls_id=CLS, sep_id=SEP, mask_id=MASK, vocab_size=VOCAB_SIZE
    )
    features = stored_masking.make_features(TEXT, pairs, recipe=recipe, special=special)
    return {name: tf.constant(getattr(features, name)) for name in FEATURES}


def source_of(pairs):
    rows = np.zeros((len(pairs), RECIPE.max_seq_length), np.int32)
    for row, pair in zip(rows, pairs, strict=True):
        first = TEXT[pair["first_start"] :][: pair["first_length"]]
        second = TEXT[pair["second_start"] :][: pair["second_length"]]
        tokens = [CLS, *first, SEP, *second, SEP]
        row[: len(tokens)] = tokens
    return rows


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, name)


def test_unmasking_gives_back_the_source_text():
    pairs = make_pairs(500, seed=1)
    batch = stored(pairs)
    assert np.any(batch["input_ids"] != source_of(pairs))
    np.testing.assert_array_equal(dynamic_masking.unmask(batch), source_of(pairs))
    np.testing.assert_array_equal(
        dynamic_masking.unmask(dynamic_masking.mask_anew(batch, pairs["mask_key"], masking=TOKEN)),
        source_of(pairs),
    )


def test_equal_keys_give_the_masks_of_tfrecords_tools():
    pairs, others = make_pairs(500, seed=1), make_pairs(500, seed=2)
    expected = stored(others)
    assert np.any(stored(pairs)["masked_lm_positions"] != expected["masked_lm_positions"])
    assert_equal(
        dynamic_masking.mask_anew(stored(pairs), others["mask_key"], masking=TOKEN), expected
    )


KEYS = np.random.default_rng(3).integers(0, 2**63, 4_000).astype(np.uint64)


@pytest.fixture(scope="module", params=[TOKEN, WHOLE_WORD], ids=["token", "whole_word"])
def masked(request):
    """Which masking, the sources and their new masks: 4,000 records."""
    pairs = make_pairs(len(KEYS), seed=1)
    batch = dynamic_masking.mask_anew(stored(pairs), KEYS, masking=request.param)
    return request.param, source_of(pairs), {name: v.numpy() for name, v in batch.items()}


def test_as_many_are_predicted_as_bert_would(masked):
    masking, source, batch = masked
    counts = batch["masked_lm_weights"].sum(axis=1)
    budgets = np.array([min(8, max(1, round(n * 0.15))) for n in (source > 0).sum(axis=1)])
    if masking is TOKEN:
        np.testing.assert_array_equal(counts, np.minimum(budgets, (source > 4).sum(axis=1)))
    else:
        assert np.all(counts <= budgets)
        assert np.mean(counts == budgets) > 0.9  # else every word left is too long


@pytest.mark.parametrize("masking", [TOKEN, WHOLE_WORD], ids=["token", "whole_word"])
def test_the_shortest_records_get_one_prediction_or_none(masking):
    batch = {name: tf.zeros([3, 8], tf.int32) for name in FEATURES[:6]}
    batch["masked_lm_weights"] = tf.zeros([3, 8])
    rows = np.array([[CLS, 9, SEP, *[0] * 5], [CLS, SEP, *[0] * 6], [0] * 8], np.int32)
    batch |= {"input_ids": rows, "input_mask": np.sign(rows)}
    found = dynamic_masking.mask_anew(batch, KEYS[:3], masking=masking)
    assert found["masked_lm_weights"].numpy().sum(axis=1).tolist() == [1, 0, 0]
    assert found["masked_lm_positions"][0].numpy().tolist() == [1, *[0] * 7]
    np.testing.assert_array_equal(found["input_ids"][1:], rows[1:])


def test_positions_ascend_and_avoid_special_tokens_and_padding(masked):
    _, source, batch = masked
    positions, is_real = batch["masked_lm_positions"], batch["masked_lm_weights"] > 0
    labels = batch["masked_lm_ids"]
    assert set(np.unique(batch["masked_lm_weights"])) == {0.0, 1.0}
    assert np.all(is_real[:, :-1] >= is_real[:, 1:])  # padding is behind
    assert np.all((np.diff(positions, axis=1) > 0) | ~is_real[:, 1:])
    assert not positions[~is_real].any()
    assert not labels[~is_real].any()
    assert labels[is_real].min() > SEP
    np.testing.assert_array_equal(labels, np.take_along_axis(source, positions, 1) * is_real)
    shown = np.zeros(source.shape, bool)
    shown[np.nonzero(is_real)[0], positions[is_real]] = True
    np.testing.assert_array_equal(batch["input_ids"][~shown], source[~shown])


def test_predicted_tokens_are_masked_kept_and_exchanged_80_10_10(masked):
    _, _, batch = masked
    is_real = batch["masked_lm_weights"] > 0
    shown = np.take_along_axis(batch["input_ids"], batch["masked_lm_positions"], 1)[is_real]
    labels, hit = batch["masked_lm_ids"][is_real], 0.1 / VOCAB_SIZE
    assert_share(np.sum(shown == MASK), len(labels), probability=0.8 + hit)
    assert_share(np.sum(shown == labels), len(labels), probability=0.1 + hit)
    exchanged = shown[(shown != MASK) & (shown != labels)]
    assert set(exchanged) == set(range(VOCAB_SIZE)) - {MASK}
    assert_share(np.sum(exchanged == CLS), len(labels), probability=hit)


def test_every_token_is_chosen_equally_often():
    pairs = np.repeat(make_pairs(1, seed=1), 20_000)
    tokens = np.flatnonzero(source_of(pairs[:1])[0] > 4)
    keys = dynamic_masking.record_keys(tf.range(len(pairs), dtype=tf.int64), seed=5, seq_length=64)
    batch = dynamic_masking.mask_anew(stored(pairs), keys, masking=TOKEN)
    is_real = batch["masked_lm_weights"].numpy() > 0
    counts = np.bincount(batch["masked_lm_positions"].numpy()[is_real], minlength=64)
    for place in tokens:
        assert_share(counts[place], len(pairs), probability=is_real[0].sum() / len(tokens))


def words_of(tokens, masking):
    """Returns the places of each word of a record, in order."""
    words = []
    for place, token in enumerate(tokens):
        if token in masking.continuation_ids and tokens[place - 1] > SEP:
            words[-1].append(place)
        elif token > SEP:
            words.append([place])
    return words


def test_words_are_drawn_whole_as_a_plain_loop_draws_them(masked):
    masking, source, batch = masked
    lots = stored_masking.random_bits(KEYS, num=64, stream=0)
    num_too_long = 0
    for row, tokens in enumerate(source[:500]):
        words = words_of(tokens, masking)
        drawn = [lots[row, word[0]] for word in words]
        budget, chosen = min(8, max(1, round(np.sum(tokens > 0) * 0.15))), []
        for index in np.argsort(drawn):
            if len(chosen) + len(words[index]) <= budget:
                chosen += words[index]
            else:
                num_too_long += len(chosen) < budget
        is_real = batch["masked_lm_weights"][row] > 0
        assert batch["masked_lm_positions"][row][is_real].tolist() == sorted(chosen)
    assert (num_too_long > 100) == (masking is WHOLE_WORD)


def test_the_vocabulary_says_what_is_special_and_what_goes_on():
    vocabulary = ["[PAD]", "a", "##b", "[MASK]", "[UNK]", "#c", "[SEP]", "##", "[CLS]"]
    assert dynamic_masking.make_masking("off", vocabulary) is None
    expected = dynamic_masking.Masking(cls_id=8, sep_id=6, mask_id=3, vocab_size=9)
    assert dynamic_masking.make_masking("token", vocabulary) == expected
    found = dynamic_masking.make_masking("whole_word", vocabulary)
    assert found.continuation_ids == (2, 7)


def test_no_two_positions_share_a_key():
    positions = np.concatenate([np.arange(10_000), np.arange(10_000) + 2**33])
    keys = [
        dynamic_masking.record_keys(positions, seed=seed, seq_length=seq_length).numpy()
        for seed, seq_length in itertools.product((0, 1), (32, 128))
    ]
    assert len(np.unique(np.concatenate(keys))) == 4 * len(positions)


# Whole runs.
FLAGS = {
    **{"method": "original", "num_hidden_layers": 1, "dynamic_masking": "whole_word"},
    **{"checkpoint_steps": 1, "num_checkpoints_kept": 100, "log_steps": 1},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Flags that name 64 records to train on, 10 to evaluate on, and a vocabulary."""
    folder = tmp_path_factory.mktemp("data")
    words = [word.replace("token", "##") for word in tiny.vocabulary()[30:]]
    (folder / "vocab.txt").write_text("\n".join([*tiny.vocabulary()[:30], *words]))
    return {
        "train_records": tiny.write_random_shards(folder / "train"),
        "eval_records": tiny.write_random_shards(folder / "eval", seed=1, sizes=(10,)),
        "vocab_file": folder / "vocab.txt",
    }


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """The folder of an undisturbed run of 10 steps, the last two in the second epoch."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:  # the export has tests of its own
        patch.setattr(published_folder, "publish", lambda *_, **__: None)
        assert training.pretrain(tiny.config(**data, **FLAGS, output_dir=folder)) == 0
    return folder


def broken_off(whole, folder, step):
    """Returns a copy of the run as a crash behind the checkpoint of `step` would leave it."""
    shutil.copytree(whole, folder)
    for checkpoint in (folder / "checkpoints").iterdir():
        if int(checkpoint.name.removeprefix("step-")) > step:
            shutil.rmtree(checkpoint)
    return folder


def weights_at_the_end(folder):
    checkpoint = checkpointing.newest(str(folder / "checkpoints"), report=lambda line: None)
    assert checkpoint.step == 10
    weights = checkpointing.read_weights(checkpoint)
    return {f"{layer}/{name}": v for layer in weights for name, v in weights[layer].items()}


@pytest.mark.slow
@pytest.mark.parametrize("step", [3, 8])
def test_a_run_broken_off_and_resumed_ends_bit_identical(data, whole, tmp_path, monkeypatch, step):
    monkeypatch.setattr(published_folder, "publish", lambda *_, **__: None)
    folder = broken_off(whole, tmp_path / "run", step)
    assert training.pretrain(tiny.config(**data, **FLAGS, output_dir=folder)) == 0
    assert_equal(weights_at_the_end(folder), weights_at_the_end(whole))


@pytest.mark.slow
def test_training_sees_other_masks_and_evaluation_those_stored(data, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(published_folder, "publish", lambda *_, **__: None)
    flags = {**data, **FLAGS, "dynamic_masking": "off", "output_dir": tmp_path}
    training.pretrain(tiny.config(**flags))
    losses = [
        [entry["masked_lm_loss"] for entry in tiny.metrics(folder, "train")]
        for folder in (whole, tmp_path)
    ]
    assert np.all(np.not_equal(*losses))
    entropies = [tiny.metrics(f, "eval")[0]["unigram_entropy"] for f in (whole, tmp_path)]
    assert entropies == [pytest.approx(tiny.unigram_entropy(data["eval_records"]), rel=1e-5)] * 2


@pytest.mark.multi_device
def test_two_devices_share_the_batch_that_one_would_read(data, tmp_path):
    read = []
    for strategy in ("one_device", "mirrored"):
        flags = {**data, **FLAGS, "distribution_strategy": strategy, "output_dir": tmp_path}
        run = tiny.open_run(tiny.config(**flags))
        batches = stage_input.training_batches(run, run.plan.stages[0], 7)
        parts = [run.strategy.experimental_local_results(next(batches)) for _ in range(2)]
        assert len(parts[0]) == run.strategy.num_replicas_in_sync
        parts = list(itertools.chain(*parts))
        read.append({name: np.concatenate([part[name] for part in parts]) for name in FEATURES})
    assert run.strategy.num_replicas_in_sync == 2
    assert_equal(*read)


@pytest.mark.parametrize("choice", ["off", "token"])
def test_a_run_goes_on_only_with_the_masking_that_it_had(data, whole, choice):
    flags = {**data, **FLAGS, "dynamic_masking": choice, "output_dir": whole}
    now = "None" if choice == "off" else "token"
    with pytest.raises(UserError, match=rf"\(dynamic_masking: whole_word there, {now} now\)"):
        tiny.open_run(tiny.config(**flags))
