"""All record sets of a run, checked against its plan, its vocabulary and each other."""

import itertools

import numpy as np
import pytest

from mslt_tf.dataset_info import hash_vocabulary
from mslt_tf.errors import UserError
from mslt_tf.records import record_sets
from tests import tiny

SETS = ("train_records", "eval_records", "long_train_records", "long_eval_records")
LONG = {**tiny.LONG_FLAGS, "method": "original"}  # stages of 7 and 3 steps
SHORT_SIZES = {"max_seq_length": 16, "max_predictions_per_seq": 4}
LONG_SIZES = {"max_seq_length": 32, "max_predictions_per_seq": 6}


def write_set(folder, *, long=False, described=True, seed=0, **changes):
    """Writes a shard with or without `dataset_info.json` and returns its path."""
    tiny.write_random_shards(folder, seed=seed, sizes=(5,), long=long)
    if described:
        tiny.describe(folder, ["part-0.tfrecord"], **(LONG_SIZES if long else {}) | changes)
    return folder / "part-0.tfrecord"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Flags that name all four sets."""
    folder = tmp_path_factory.mktemp("data")
    return {
        name: write_set(folder / name, long=name.startswith("long"), seed=seed)
        for seed, name in enumerate(SETS)
    }


def open_sets(tmp_path, **flags):
    (tmp_path / "run").mkdir(exist_ok=True)
    config = tiny.config(output_dir=tmp_path / "run", **flags)
    return record_sets.open_record_sets(config, report=lambda line: None)


def paths(records):
    return [block.path for block in records.blocks]


def test_each_length_trains_and_is_evaluated_on_its_own_records(data, tmp_path):
    opened = open_sets(tmp_path, **data, **LONG)
    assert {n: paths(r) for n, r in opened.train.items()} == {
        16: [str(data["train_records"])],
        32: [str(data["long_train_records"])],
    }
    assert {n: paths(r) for n, r in opened.held_out.items()} == {
        16: [str(data["eval_records"])],
        32: [str(data["long_eval_records"])],
    }


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (("eval_records",), {16: "eval_records", 32: "eval_records"}),
        (("long_eval_records",), {32: "long_eval_records"}),
        ((), {}),
    ],
)
def test_the_long_stage_is_evaluated_on_the_short_records_where_it_has_none(
    data, tmp_path, named, expected
):
    flags = {name: data[name] for name in ("train_records", "long_train_records", *named)}
    held_out = open_sets(tmp_path, **flags, **LONG).held_out
    assert {n: paths(r) for n, r in held_out.items()} == {
        length: [str(data[name])] for length, name in expected.items()
    }


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("wrong", ["length", "predictions"])
def test_records_of_another_length_than_their_stage_are_refused_by_name(
    data, tmp_path, name, wrong
):
    is_long = name.startswith("long")
    if wrong == "length":
        other, sizes = {}, (SHORT_SIZES if is_long else LONG_SIZES)
    else:
        other = {"max_predictions_per_seq": 5}
        sizes = (LONG_SIZES if is_long else SHORT_SIZES) | other
    path = write_set(tmp_path / "other", long=sizes["max_seq_length"] == 32, **other)
    has = "{max_seq_length} tokens and {max_predictions_per_seq} predictions".format(**sizes)
    needs = "stage original_32 needs 32 and 6" if is_long else "stage original needs 16 and 4"
    flags = (
        "--long_seq_length and --long_max_predictions_per_seq"
        if is_long
        else "--max_seq_length and --max_predictions_per_seq"
    )
    message = rf"^--{name} has records of {has}, {needs}\. Set {flags} to the"
    with pytest.raises(UserError, match=message):
        open_sets(tmp_path, **data | {name: path}, **LONG)


@pytest.mark.parametrize("name", SETS)
def test_records_of_another_vocabulary_are_refused_by_name(data, tmp_path, name):
    is_long = name.startswith("long")
    larger = write_set(tmp_path / "larger", long=is_long, vocab_size=51)
    with pytest.raises(UserError, match=f"--{name} was made with a vocabulary of 51"):
        open_sets(tmp_path, **data | {name: larger}, **LONG)
    vocab_file = tmp_path / "vocab.txt"
    vocab_file.write_text("\n".join(tiny.vocabulary()))
    open_sets(tmp_path, **data, **LONG, vocab_file=vocab_file)
    other = write_set(tmp_path / "other", long=is_long, vocab_sha256="of other tokens")
    with pytest.raises(UserError, match=rf"that --{name} was made with \(its hash differs\)"):
        open_sets(tmp_path, **data | {name: other}, **LONG, vocab_file=vocab_file)


@pytest.mark.parametrize("name", SETS)
def test_records_that_are_not_there_are_refused(data, tmp_path, name):
    with pytest.raises(UserError, match=r"folder .*gone does not exist"):
        open_sets(tmp_path, **data | {name: tmp_path / "gone" / "a"}, **LONG)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("train_records", "--train_records is not set; stage original needs records of 16"),
        ("long_train_records", "--long_train_records is not set; stage original_32 .* of 32"),
    ],
)
def test_a_stage_without_records_is_refused(data, tmp_path, name, message):
    with pytest.raises(UserError, match=message):
        open_sets(tmp_path, **data | {name: ""}, **LONG)


@pytest.mark.parametrize("name", ["long_train_records", "long_eval_records"])
def test_long_records_without_a_long_stage_are_refused(data, tmp_path, name):
    flags = {"train_records": data["train_records"], "method": "original"}
    open_sets(tmp_path, **flags)
    message = "long records are given, but no stage is long. Set --long_seq_length"
    with pytest.raises(UserError, match=message):
        open_sets(tmp_path, **flags, **{name: data[name]})


@pytest.mark.parametrize("prefix", ["", "long_"])
def test_what_is_trained_on_must_not_be_evaluated_on(data, tmp_path, prefix):
    train, held_out = f"{prefix}train_records", f"{prefix}eval_records"
    with_one_shared = f"{data[held_out]},{data[train]}"
    with pytest.raises(UserError, match=rf"part-0\S* is in --{train} and in --{held_out}\."):
        open_sets(tmp_path, **data | {held_out: with_one_shared}, **LONG)


def test_records_of_another_sentence_objective_are_refused(data, tmp_path):
    described = {
        objective: {
            name: write_set(
                tmp_path / objective / name,
                long=name.startswith("long"),
                seed=seed,
                sentence_objective=objective,
            )
            for seed, name in enumerate(SETS)
        }
        for objective in ("nsp", "sop")
    }
    for objective, flags in described.items():
        opened = open_sets(tmp_path, **flags, **LONG)
        assert opened.identity()["objective"] == f"mlm+{objective}"
    for name, other in itertools.permutations(SETS, 2):
        flags = {**data, name: described["nsp"][name], other: described["sop"][other]}
        with pytest.raises(UserError, match=f"differ in what .*--{name}: nsp.*") as refusal:
            open_sets(tmp_path, **flags, **LONG)
        assert f"--{other}: sop" in str(refusal.value)


def test_two_objectives_within_one_set_are_refused(tmp_path):
    both = [
        str(write_set(tmp_path / objective, sentence_objective=objective, seed=seed))
        for seed, objective in enumerate(("nsp", "sop"))
    ]
    with pytest.raises(UserError, match="different sentence_objective: nsp, sop"):
        open_sets(tmp_path, train_records=",".join(both))


def test_an_unknown_sentence_objective_agrees_with_any(data, tmp_path):
    sop = write_set(tmp_path / "sop", long=True, sentence_objective="sop")
    opened = open_sets(tmp_path, **data | {"long_train_records": sop}, **LONG)
    assert opened.identity()["objective"] == "mlm+sop"
    foreign = write_set(tmp_path / "foreign", described=False)
    flags = {"train_records": foreign, "long_train_records": sop}
    assert open_sets(tmp_path, **flags, **LONG).identity()["objective"] == "mlm+sop"
    alone = open_sets(tmp_path, train_records=foreign, method="original")
    assert alone.identity()["objective"] == "mlm+unknown"


def test_identity_tells_the_training_records_of_each_length(data, tmp_path):
    identity = open_sets(tmp_path, **data, **LONG).identity()
    assert identity["data"].keys() == {"16", "32"}
    for name, length in (("train_records", "16"), ("long_train_records", "32")):
        other = write_set(tmp_path / name, long=length == "32", source_sha256="another")
        found = open_sets(tmp_path, **data | {name: other}, **LONG).identity()["data"]
        assert {n for n in found if found[n] != identity["data"][n]} == {length}
    held_out = write_set(tmp_path / "eval", long=True, source_sha256="another")
    assert open_sets(tmp_path, **data | {"long_eval_records": held_out}, **LONG).identity() == (
        identity
    )


@pytest.mark.parametrize("name", SETS)
def test_workers_compare_each_set_by_content(tmp_path, name):
    def facts(changed=""):
        flags = {
            each: write_set(
                tmp_path / str(each == changed) / each,
                described=False,
                long=each.startswith("long"),
                seed=10 * (each == changed) + number,
            )
            for number, each in enumerate(SETS)
        }
        return open_sets(tmp_path, **flags, **LONG).facts()

    mine, others = facts(), facts(changed=name)
    length = 32 if name.startswith("long") else 16
    use = "records of {} tokens to train on" if "train" in name else "records to evaluate on at {}"
    (differing,) = (key for key in mine if mine[key] != others[key])
    assert differing.startswith(use.format(length))


def test_settings_tell_what_each_length_is_evaluated_on(data, tmp_path):
    names = ("evaluation records at 16 tokens", "evaluation records at 32 tokens")
    short, long = names
    files = {
        name: write_set(tmp_path / name, described=False, long=name.startswith("long"), seed=seed)
        for seed, name in enumerate(SETS)
    }
    settings = open_sets(tmp_path, **files, **LONG).settings()
    assert settings.pop("vocabulary") == ""
    assert tuple(settings) == names
    assert all(text.startswith("5 records in 1 file (") for text in settings.values())
    assert settings[short] != settings[long]
    files["train_records"] = write_set(tmp_path / "another", described=False, seed=8)
    assert open_sets(tmp_path, **files, **LONG).settings() == {"vocabulary": "", **settings}
    files["eval_records"] = write_set(tmp_path / "other", described=False, seed=9)
    changed = open_sets(tmp_path, **files, **LONG).settings()
    assert changed[long] == settings[long]
    assert changed[short] != settings[short]
    none = open_sets(tmp_path, train_records=data["train_records"], method="original").settings()
    assert none[short] == "none"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"max_seq_length": 15}, r"16 tokens and 4 predictions, stage \w+ needs 15 and 4"),
        ({"max_predictions_per_seq": 3}, "needs 16 and 3"),
        ({"vocab_size": 49}, "made with a vocabulary of 50, the model has vocab_size 49"),
        ({"vocab_size": 51}, "made with a vocabulary of 50, the model has vocab_size 51"),
    ],
)
def test_records_that_do_not_fit_the_run_are_refused(data, tmp_path, flags, message):
    open_sets(tmp_path, train_records=data["train_records"])
    with pytest.raises(UserError, match=message):
        open_sets(tmp_path, train_records=data["train_records"], **flags)


def test_foreign_records_may_use_less_than_the_vocabulary_but_not_more(tmp_path):
    record = tiny.record(np.random.default_rng(0), input_ids=[30] * tiny.SEQ_LENGTH)
    tiny.write_shard(tmp_path / "a", [record])
    open_sets(tmp_path, train_records=tmp_path / "a", vocab_size=100)
    with pytest.raises(UserError, match="token ids that need a vocabulary of"):
        open_sets(tmp_path, train_records=tmp_path / "a", vocab_size=20)


def test_another_vocabulary_than_the_records_is_refused(data, tmp_path):
    vocab_file = tmp_path / "vocab.txt"

    def check():
        open_sets(tmp_path, train_records=data["train_records"], vocab_file=vocab_file)

    with pytest.raises(UserError, match="is no file"):
        check()
    vocab_file.write_text("\r\n".join(tiny.vocabulary()))
    check()
    vocab_file.write_text("\n".join(reversed(tiny.vocabulary())))
    with pytest.raises(UserError, match="its hash differs"):
        check()
    vocab_file.write_text("\n".join(tiny.vocabulary()[:-1]))
    with pytest.raises(UserError, match="has 49 tokens"):
        check()


@pytest.mark.parametrize("is_given", [True, False])
def test_settings_tell_the_vocabulary_that_is_given_or_that_the_records_name(tmp_path, is_given):
    expected = hash_vocabulary(tiny.vocabulary())
    vocab_file = tmp_path / "vocabulary.txt"
    vocab_file.write_text("\n".join(tiny.vocabulary()), "utf-8")
    train = write_set(tmp_path / "train", described=not is_given)
    flags = {"train_records": train, "vocab_file": vocab_file if is_given else ""}
    assert open_sets(tmp_path, **flags).settings()["vocabulary"] == expected
