"""SQuAD as a task: what is trained, what a model's outputs become, and the scores."""

import json

import numpy as np
import pytest

from mslt_tf.errors import UserError
from mslt_tf.finetuning import score_squad
from mslt_tf.finetuning.squad import squad_data, squad_metrics, squad_splits, squad_windows
from mslt_tf.finetuning.squad.squad_answers import NBEST_FILE
from mslt_tf.finetuning.squad.squad_data import SquadData
from mslt_tf.finetuning.squad.squad_splits import SquadSplits
from mslt_tf.finetuning.squad.squad_task import SquadTask
from mslt_tf.finetuning.squad.squad_tokens import OffsetTokenizer
from mslt_tf.squad_settings import SquadSettings, WindowSizes
from mslt_tf.text_case import TextCase
from tests import real_text
from tests.finetuning.squad import squad_texts

QUESTIONS = tuple(
    squad_texts.question(f"{context} {context[::-1]}", answer, id=f"q{index}")
    for index, (context, answer) in enumerate(squad_texts.AWKWARD.items())
)
IMPOSSIBLE = tuple(
    each._replace(id=f"{each.id}-", answers=(), is_impossible=True) for each in QUESTIONS
)
VOCABULARY = squad_texts.vocabulary(*(each.context + each.question for each in QUESTIONS))
WINDOWS = WindowSizes(max_seq_length=34, doc_stride=7, max_query_length=10)


def refuse(line):
    raise AssertionError(line)


@pytest.fixture(scope="module")
def tokenizer():
    return OffsetTokenizer(VOCABULARY, TextCase())


def make_task(tokenizer, *, train=QUESTIONS, dev=QUESTIONS, name="squad_1.1", report=refuse):
    settings = SquadSettings(WINDOWS)
    return SquadTask(SquadSplits(name, train, dev), tokenizer, settings, report)


def make_2_0(tokenizer):
    questions = QUESTIONS + IMPOSSIBLE
    return make_task(tokenizer, train=questions, dev=questions, name="squad_2.0")


class OddModel:
    """Gives logits that depend on a whole sequence, in whole numbers, so that none is rounded."""

    def __init__(self, *, batch_size, multiple=1, seed=0):
        self.batch_size, self.multiple, self.seed = batch_size, multiple, seed

    def __call__(self, sequences):
        """Predicts in batches of any order; what stands in the padding is no number."""
        order = np.random.default_rng(self.seed).permutation(len(sequences))
        outputs = [None] * len(sequences)
        for begin in range(0, len(order), self.batch_size):
            batch = order[begin : begin + self.batch_size]
            logits = self._logits(**sequences.padded(batch, multiple=self.multiple))
            for index, row in zip(batch, logits, strict=True):
                outputs[index] = row[: sequences.lengths[index]]
        return outputs

    def _logits(self, input_ids, input_mask, segment_ids):
        weights = np.random.default_rng(1).integers(0, 97, [len(VOCABULARY), 2])
        ids = weights[input_ids] * input_mask[:, :, None]
        context = (ids * (1 + segment_ids)[:, :, None]).sum(axis=1, keepdims=True)
        logits = ids * (1 + context) % 97 / 8
        return np.where(input_mask[:, :, None] == 1, logits, np.nan).astype(np.float32)


def right_outputs(task):
    """Returns the outputs of a model that knows where the answers are: its targets are dev's."""
    sequences = task.training_sequences()
    outputs = [np.zeros([length, 2], np.float32) for length in sequences.lengths]
    for output, position in zip(outputs, sequences.targets, strict=True):
        output[position, [0, 1]] = 10
    return outputs


def test_all_windows_train_and_their_targets_are_the_answers_or_cls(tokenizer):
    task = make_2_0(tokenizer)
    sequences = task.training_sequences()
    assert task.training_sequences() is sequences  # what was tokenised is kept
    assert (sequences.targets.dtype, sequences.targets.shape) == (np.int32, (len(sequences), 2))
    assert sequences.lengths.max() == WINDOWS.max_seq_length
    rows = sequences.padded(np.arange(len(sequences)))["input_ids"]
    found = []
    for row, (first, last) in zip(rows, sequences.targets, strict=True):
        pieces = [VOCABULARY[id].removeprefix("##") for id in row[first : last + 1]]
        found.append("".join(pieces))
    answers = [tokenizer.tokenize([q.answers[0].text], report=refuse) for q in QUESTIONS]
    texts = {
        "".join(VOCABULARY[id].removeprefix("##") for id in tokens.ids)
        for each in answers
        for tokens in each.values()
    }
    assert set(found) == texts | {"[CLS]"}
    assert found.count("[CLS]") > len(IMPOSSIBLE)


def test_predictions_do_not_depend_on_batches_padding_or_order(tokenizer, tmp_path):
    task = make_2_0(tokenizer)
    scores = task.evaluate(OddModel(batch_size=1), str(tmp_path))
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(files) == 3
    for model in (OddModel(batch_size=5, seed=3), OddModel(batch_size=99, multiple=64, seed=4)):
        assert task.evaluate(model, str(tmp_path)) == scores
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    turned = make_task(tokenizer, dev=task.splits.dev[::-1], name="squad_2.0")
    turned.evaluate(OddModel(batch_size=7), str(tmp_path))
    contents = {name: json.loads(content) for name, content in files.items()}
    assert contents == {name: json.loads((tmp_path / name).read_bytes()) for name in files}
    listed = {tuple(each["text"] for each in q) for q in contents[NBEST_FILE].values()}
    assert len(listed) == len(QUESTIONS)


@pytest.mark.parametrize("name", ["squad_1.1", "squad_2.0"])
def test_a_model_that_is_right_scores_100(tokenizer, name, tmp_path):
    kept = [each for each in QUESTIONS if each.id != "q1"]  # ends with a mark of no token
    questions = (*kept, *IMPOSSIBLE) if name == "squad_2.0" else tuple(kept)
    task = make_task(tokenizer, train=questions, dev=questions, name=name)
    scores = task.evaluate(lambda sequences: right_outputs(task), str(tmp_path))
    assert list(scores) == ["dev"]
    assert scores["dev"]["exact" if name == "squad_2.0" else "exact_match"] == 100
    assert task.selection_score(scores) == 100
    texts = json.loads((tmp_path / "predictions.json").read_text())
    assert texts == {each.id: each.answers[0].text if each.answers else "" for each in questions}


@pytest.mark.parametrize(
    ("is_right", "bias"),
    [(True, 0), (True, 10), (True, -30), (False, -99)],  # at last it is best to answer nothing
)
def test_the_files_have_the_threshold_that_gives_the_best_f1(tokenizer, tmp_path, is_right, bias):
    task = make_2_0(tokenizer)

    def predict(sequences):
        outputs = right_outputs(task) if is_right else OddModel(batch_size=5)(sequences)
        rng = np.random.default_rng(5)
        noisy = [each + rng.normal(0, 2, each.shape).astype(np.float32) for each in outputs]
        for each in noisy:
            each[0] += bias
        return noisy

    scores = task.evaluate(predict, str(tmp_path))
    path = squad_texts.write(
        tmp_path / "data.json", squad_texts.layout(*task.splits.dev, has_impossible=True)
    )
    names = [str(tmp_path / f"{name}.json") for name in ("predictions", "null_odds")]
    of_files = score_squad.score(path, names[0], score_squad.ScoreSettings())
    assert of_files["f1"] == pytest.approx(scores["dev"]["best_f1"], abs=1e-9)
    assert task.selection_score(scores) == scores["dev"]["best_f1"] >= scores["dev"]["f1"]
    assert (scores["dev"]["f1"] < scores["dev"]["best_f1"]) == (bias != 0)
    odds = json.loads((tmp_path / "null_odds.json").read_text())
    nbest = json.loads((tmp_path / "nbest_predictions.json").read_text())
    at_zero = {
        key: "" if odds[key] > 0 else next(each["text"] for each in nbest[key] if each["text"])
        for key in odds
    }
    of_zero = squad_metrics.score_2_0(task.splits.dev, at_zero)
    assert of_zero.items() <= scores["dev"].items()
    texts = json.loads((tmp_path / "predictions.json").read_text())
    threshold = scores["dev"]["null_threshold"]
    assert {key for key in texts if not texts[key]} == {k for k in odds if odds[k] > threshold}


def test_answers_without_a_token_are_left_out_and_told_once(tokenizer):
    unseen = squad_texts.question("a\u200b\u200bb", "\u200b\u200b", id="unseen")
    lines = []
    task = make_task(tokenizer, train=(*QUESTIONS, unseen), report=lines.append)
    sequences = task.training_sequences()
    task.training_sequences()
    expected = make_task(tokenizer).training_sequences()
    assert sequences.input_ids.tolist() == expected.input_ids.tolist()
    assert sequences.targets.tolist() == expected.targets.tolist()
    assert lines == [
        "1 of 8 training questions of squad_1.1 have an answer of which the tokenizer drops every "
        "character: 'unseen'. They are left out."
    ]
    with pytest.raises(UserError, match=r"1 of 1 training questions.* Give other data"):
        make_task(tokenizer, train=(unseen,)).training_sequences()


def test_the_fingerprint_tells_data_and_identity_tells_settings(tokenizer):
    task = make_task(tokenizer)
    fingerprints = {
        make_task(tokenizer, **changes).fingerprint
        for changes in (
            {},
            {"train": QUESTIONS[::-1]},
            {"dev": QUESTIONS[:-1]},
            {"train": (*QUESTIONS, QUESTIONS[0]), "dev": QUESTIONS[1:]},
            {"train": (QUESTIONS[0]._replace(answers=()), *QUESTIONS[1:])},
        )
    }
    assert len(fingerprints) == 5
    assert make_task(tokenizer).fingerprint == task.fingerprint
    assert task.identity() == {
        "windows": {"max_seq_length": 34, "doc_stride": 7, "max_query_length": 10},
        "n_best": 20,
        "max_answer_length": 30,
    }


def test_outputs_that_are_no_numbers_are_told(tokenizer, tmp_path):
    task = make_task(tokenizer)
    outputs = right_outputs(task)
    outputs[-1][-1, 1] = np.nan
    with pytest.raises(UserError, match="not finite"):
        task.evaluate(lambda sequences: outputs, str(tmp_path))
    assert not list(tmp_path.iterdir())


def limits_of_the_tokenizer(task, questions):
    """Returns the ids of questions whose first answer no span of tokens can give."""
    texts = [text for each in questions for text in (each.context, each.question)]
    tokens = task.tokenizer.tokenize(texts, report=refuse)
    beyond = set()
    for question in questions:
        context, answer = tokens[question.context], question.answers[0]
        place = squad_windows.answer_tokens(context, answer)
        ends = (context.starts[place[0]], context.limits[place[-1]])
        if ends != (answer.start, answer.limit) or len(place) > task.settings.max_answer_length:
            beyond.add(question.id)
    return beyond


@pytest.mark.parametrize("version", ["1.1", "2.0"])
def test_a_model_that_is_right_has_real_answers_but_for_part_of_a_token(version, tmp_path):
    vocabulary = real_text.path("vocab/bert-base-uncased-vocab.txt").read_text("utf-8")
    data = squad_data.read(str(real_text.path(f"squad/dev-v{version}.json")))
    some = SquadData(data.questions[:900], data.has_impossible)
    sources = dict.fromkeys(("train", "dev"), "dev")
    splits = squad_splits.check(
        f"squad_{version}", dict.fromkeys(sources, some), sources, report=refuse
    )
    tokenizer = OffsetTokenizer(vocabulary.split("\n")[:-1], TextCase())
    task = SquadTask(splits, tokenizer, SquadSettings(), refuse)
    answers = task.find_answers(right_outputs(task))
    labelled = [each for each in splits.dev if each.answers]
    wrong = {q.id for q in labelled if answers[q.id].best.text != q.answers[0].text}
    assert wrong == limits_of_the_tokenizer(task, labelled)
    assert 0 < len(wrong) < 0.01 * len(splits.dev)
    scores = task.evaluate(lambda sequences: right_outputs(task), str(tmp_path))["dev"]
    exact = scores["exact" if data.has_impossible else "exact_match"]
    assert len(splits.dev) * exact / 100 >= len(splits.dev) - len(wrong) - 1e-6
