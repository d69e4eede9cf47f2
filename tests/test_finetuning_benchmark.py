"""benchmarks/finetuning: what it measures of our side and of transformers', and what it prints."""

import dataclasses
import itertools
import os
import string
import types

import numpy as np
import pytest

from benchmarks.finetuning import comparison, ours, report
from benchmarks.finetuning.comparison import OURS, THEIRS, Comparison, Scored
from benchmarks.finetuning.job import Job
from benchmarks.step_time import pipes
from benchmarks.step_time.turns import Outcome
from mslt_tf.conversion import huggingface
from mslt_tf.errors import UserError
from mslt_tf.finetuning_settings import FineTuningSettings, TrainingSettings
from mslt_tf.squad_settings import SquadSettings, WindowSizes
from mslt_tf.vocabulary import SPECIAL_TOKENS
from tests.conversion.trained_models import trained_model
from tests.finetuning.squad import squad_texts
from tests.modeling.small_models import tiny_config

PYTHON = "MSLT_TORCH_PYTHON"  # names a Python that has torch and transformers 5
WORDS = (*SPECIAL_TOKENS, *string.ascii_lowercase)
NUM_WORDS = [1, 8, 1, 9, 3, 11, 4, 12]  # of the examples
BATCH_SIZE = 2


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """One trial on a tiny CoLA, from a tiny encoder in a Hugging Face folder."""
    folder = tmp_path_factory.mktemp("finetuning")
    config = tiny_config(vocab_size=len(WORDS))
    huggingface.write(trained_model(config, vocabulary=WORDS), str(folder / "encoder"))
    (folder / "CoLA").mkdir()
    rows = [f"gj04\t{n % 2}\t\t{' '.join('a' * n)}" for n in NUM_WORDS]
    for split in ("train", "dev"):
        (folder / "CoLA" / f"{split}.tsv").write_text("\n".join([*rows, ""]))
    return FineTuningSettings(
        training=TrainingSettings(train_batch_size=BATCH_SIZE, num_epochs=1),
        task=("cola",),
        encoder=str(folder / "encoder"),
        output_dir=str(folder / "trials"),
        glue_dir=str(folder),
        learning_rates=(1e-3,),
        num_seeds=1,
        max_seq_length=16,
    )


@pytest.fixture(scope="module")
def answers(settings, tmp_path_factory):
    """The same of a tiny SQuAD, of which every answer is the letter c."""
    folder = tmp_path_factory.mktemp("squad")
    questions = [
        squad_texts.question(" ".join("a" * n + "bc"), "c", id=f"q{index}")
        for index, n in enumerate(NUM_WORDS)
    ]
    for split in ("train", "dev"):
        squad_texts.write(folder / f"{split}-v1.1.json", squad_texts.layout(*questions))
    windows = WindowSizes(max_seq_length=16, doc_stride=4, max_query_length=4)
    return dataclasses.replace(
        settings,
        task=("squad_1.1",),
        squad_dir=str(folder),
        squad=SquadSettings(windows),
        max_seq_length=16,
    )


def compare(settings, folder, *, same_batches=True):
    return Comparison(settings, torch_compile=False, same_batches=same_batches, folder=folder)


def test_our_side_trains_whole_batches_and_tells_the_time_of_so_many_examples(
    settings, monkeypatch
):
    clock = iter([0.0, 6.0])
    monkeypatch.setattr(ours, "time", types.SimpleNamespace(perf_counter=lambda: next(clock)))
    train = ours.make_tasks(settings)["train"]
    assert train(5)["seconds"] == pytest.approx(6.0 * 5 / 6)  # three batches of two


def test_an_example_has_its_words_and_two_tokens_and_the_padding_of_its_batch(settings):
    facts = ours.make_tasks(settings)["facts"](1)
    # By length: 3 3 | 5 6 | 10 11 | 13 14; the longest is rounded up to a multiple of 2.
    assert facts["tokens"] == pytest.approx(np.mean(NUM_WORDS) + 2)
    assert facts["padded"] == pytest.approx((4 + 6 + 12 + 14) / 4)


def test_the_peer_is_told_the_same_texts_labels_batches_and_settings(settings, tmp_path):
    path = tmp_path / "job.json"
    compare(settings, tmp_path)._job.write(path)
    job = Job.read(str(path))
    assert job.train == {
        "texts": [" ".join("a" * n) for n in NUM_WORDS],
        "pairs": None,
        "labels": [n % 2 for n in NUM_WORDS],
    }
    assert (job.num_outputs, job.learning_rate, job.num_epochs) == (2, 1e-3, 1)
    (epoch,) = job.epochs
    assert sorted(itertools.chain(*epoch)) == list(range(8))
    assert [0, 2] in [sorted(batch) for batch in epoch]  # the shortest
    assert not compare(settings, tmp_path, same_batches=False)._job.epochs


def test_the_peer_is_told_the_windows_of_squad_and_where_their_answers_are(answers, tmp_path):
    job = compare(answers, tmp_path)._job
    assert job.train.keys() - job.scored["dev"].keys() == {"start_positions", "end_positions"}
    assert job.train["input_ids"] == job.scored["dev"]["input_ids"]
    assert sum(map(len, job.epochs[0])) == len(job.train["input_ids"])
    for ids, type_ids, start, end in zip(*job.train.values(), strict=True):
        assert len(ids) == len(type_ids) <= 16
        # A context ends in its answer, and so does a window that has it, but for [SEP].
        assert start == end == (len(ids) - 2 if WORDS[ids[-2]] == "c" else 0)


def test_the_peers_outputs_are_scored_as_answers(answers, tmp_path, monkeypatch):
    compared = compare(answers, tmp_path)
    job = compared._job

    def right(ids, start):
        return [[9.0 * (place == start)] * 2 for place in range(len(ids))]

    outputs = [
        right(*each)
        for each in zip(job.train["input_ids"], job.train["start_positions"], strict=True)
    ]
    child = types.SimpleNamespace(
        ask=lambda task: {"seconds": 3.0, "outputs": {"dev": outputs}},
        ready=lambda: None,
        hang_up=lambda **_: None,
        end=lambda: None,
    )
    monkeypatch.setattr(compared, "start_theirs", lambda python: child)
    scored = compared.score_theirs("python")
    assert scored == Scored({"dev": {"exact_match": 100.0, "f1": 100.0}}, 3.0)


def test_a_grid_of_trials_is_refused(settings, tmp_path):
    with pytest.raises(UserError, match="--task=cola with 2 trials is given"):
        compare(dataclasses.replace(settings, num_seeds=2), tmp_path)


def test_the_ratio_is_of_speeds_in_the_same_round():
    samples = {OURS: {"train": [0.1, 0.2, 0.4]}, THEIRS: {"train": [0.2, 0.5, 0.4]}}
    facts = {side: {"tokens": 50.0, "padded": 60.0} for side in (OURS, THEIRS)}
    lines = report.speed_text(Outcome(samples, facts)).splitlines()
    assert [line.split()[2:] for line in lines[1:4]] == [
        ["10.0", "5.0", "2.000"],
        ["5.0", "2.0", "2.500"],
        ["2.5", "2.5", "1.000"],
    ]
    assert "ours / transformers: 2 (1.5 - 2.25); above 1, ours is faster" in lines
    assert lines[-1].split() == ["transformers", "50.0", "60.0"]
    assert "transformers" not in report.speed_text(Outcome({OURS: samples[OURS]}, {}))


def test_scores_stand_side_by_side():
    sides = {OURS: Scored({"dev": {"f1": 0.5}}, 12.0), THEIRS: Scored({"dev": {"f1": 0.25}}, 9.0)}
    lines = report.score_text("mrpc", sides).splitlines()
    assert lines[1].split() == ["mrpc", "dev", "f1", "0.5000", "0.2500"]
    assert lines[2].split() == ["mrpc", "seconds", "12", "9"]


def train_and_tell(compared):
    """Lets the peer train on eight examples, and returns the facts that it tells."""
    child = compared.start_theirs(os.environ[PYTHON])
    with pipes.children([child]):
        assert child.ask(comparison.TRAIN, 8)["seconds"] > 0
        return child.ask("facts")


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get(PYTHON), reason=f"{PYTHON} names no Python with torch")
def test_the_peer_trains_on_windows_and_its_answers_are_scored(answers, tmp_path):
    compared = compare(answers, tmp_path)
    facts = train_and_tell(compared)
    lengths = [len(ids) for ids in compared._job.train["input_ids"]]
    assert facts["tokens"] == pytest.approx(np.mean(lengths))
    scores = compared.score_theirs(os.environ[PYTHON]).scores["dev"]
    assert list(scores) == ["exact_match", "f1"]


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get(PYTHON), reason=f"{PYTHON} names no Python with torch")
def test_the_peer_reads_the_same_tokens_trains_and_is_scored(settings, tmp_path):
    compared = compare(settings, tmp_path)
    facts = train_and_tell(compared)
    assert facts["tokens"] == pytest.approx(np.mean(NUM_WORDS) + 2)
    assert facts["padded"] == pytest.approx((3 + 6 + 11 + 14) / 4)
    scored = {OURS: compared.score_ours(), THEIRS: compared.score_theirs(os.environ[PYTHON])}
    assert {name: list(each.scores["dev"]) for name, each in scored.items()} == {
        OURS: ["matthews"],
        THEIRS: ["matthews"],
    }
