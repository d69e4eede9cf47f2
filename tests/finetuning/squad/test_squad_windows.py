"""Windows: what stands in them, where the answer is, and where a token has most context."""

import itertools
from fractions import Fraction

import pytest

from mslt_tf.finetuning.squad import squad_data, squad_windows
from mslt_tf.finetuning.squad.squad_data import Answer
from mslt_tf.finetuning.squad.squad_windows import OffsetTokens
from mslt_tf.squad_settings import WindowSizes
from tests import real_text
from tests.finetuning.squad import squad_texts
from tests.finetuning.squad.squad_texts import CLS, SEP

QUERY = [21, 22]


def windows(num_tokens, *, room, stride, answer=range(0)):
    """Returns the windows of a context whose ids are 100, 101 and so on."""
    sizes = WindowSizes(max_seq_length=room + 5, doc_stride=stride, max_query_length=2)
    context = range(100, 100 + num_tokens)
    return squad_windows.make_windows(
        QUERY, context, cls_id=CLS, sep_id=SEP, answer=answer, sizes=sizes
    )


def test_windows_overlap_as_written_by_hand():
    made = windows(12, room=5, stride=3, answer=range(6, 8))
    assert [w.tokens for w in made] == [range(5), range(3, 8), range(6, 11), range(9, 12)]
    assert made[1].input_ids.tolist() == [CLS, *QUERY, SEP, 103, 104, 105, 106, 107, SEP]
    assert made[1].type_ids.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    assert made[3].input_ids.tolist() == [CLS, *QUERY, SEP, 109, 110, 111, SEP]
    assert [w.context_begin for w in made] == [4] * 4
    assert [(w.start_position, w.end_position) for w in made] == [(0, 0), (7, 8), (4, 5), (0, 0)]


def test_maximum_context_is_as_in_the_example_of_the_source():
    text = "the man went to the store and bought a gallon of milk"
    tokens = text.split()
    made = windows(len(tokens), room=5, stride=3)
    best = [[i for i, k in zip(w.tokens, w.has_max_context, strict=True) if k] for w in made]
    assert best == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11]]
    assert "bought" in [tokens[i] for i in best[2]]


@pytest.mark.parametrize("room", [1, 2, 7, 318])
@pytest.mark.parametrize("stride", [1, 3, 128, 500])
@pytest.mark.parametrize("num_tokens", [1, 7, 8, 200, 460])
def test_each_token_is_in_windows_and_has_its_maximum_context_in_one(num_tokens, stride, room):
    made = windows(num_tokens, room=room, stride=stride)
    begins = [w.tokens.start for w in made]
    assert all(b - a == min(stride, room) for a, b in itertools.pairwise(begins))
    assert all(len(w.tokens) == room for w in made[:-1])
    assert made[-1].tokens.stop == num_tokens
    for token in {*range(0, num_tokens, 3), num_tokens - 1}:
        context = {
            i: min(token - w.tokens.start, w.tokens.stop - 1 - token) + Fraction(len(w.tokens), 100)
            for i, w in enumerate(made)
            if token in w.tokens
        }
        expected = min(i for i in context if context[i] == max(context.values()))
        kept = [i for i in context if made[i].has_max_context[token - made[i].tokens.start]]
        assert kept == [expected]


def test_an_answer_at_the_edge_of_a_window_is_in_it_only_as_a_whole():
    for first, limit in itertools.combinations(range(13), 2):
        for window in windows(12, room=5, stride=3, answer=range(first, limit)):
            span = (window.start_position, window.end_position)
            if set(range(first, limit)) <= set(window.tokens):
                ids = window.input_ids[span[0] : span[1] + 1]
                assert ids.tolist() == list(range(100 + first, 100 + limit))
            else:
                assert span == (0, 0)


def test_a_long_question_is_cut_and_a_context_without_tokens_has_one_window():
    sizes = WindowSizes(max_seq_length=9, doc_stride=2, max_query_length=3)
    (window,) = squad_windows.make_windows([5, 6, 7, 8], [], cls_id=CLS, sep_id=SEP, sizes=sizes)
    assert window.input_ids.tolist() == [CLS, 5, 6, 7, SEP, SEP]
    assert (window.tokens, window.has_max_context.tolist()) == (range(0), [])


@pytest.mark.parametrize(("context", "answer"), squad_texts.AWKWARD.items())
def test_tokens_of_an_answer_are_found_by_characters(context, answer):
    question = squad_texts.question(context, answer)
    tokens, (window,) = squad_windows.question_windows(
        question, squad_texts.tokenize, cls_id=CLS, sep_id=SEP
    )
    inside = [
        i
        for i, (start, limit) in enumerate(zip(tokens.starts, tokens.limits, strict=True))
        if set(range(start, limit)) & set(range(context.index(answer), len(context)))
        and start < context.index(answer) + len(answer)
    ]
    assert window.start_position == window.context_begin + inside[0]
    assert window.end_position == window.context_begin + inside[-1]
    assert context[tokens.starts[inside[0]] : tokens.limits[inside[-1]]] == answer


def test_part_of_a_token_means_the_token_and_dropped_characters_mean_none():
    tokens = OffsetTokens([1, 2, 3], [0, 4, 20], [3, 12, 25])
    assert squad_windows.answer_tokens(tokens, Answer("pan", 6)) == range(1, 2)
    assert squad_windows.answer_tokens(tokens, Answer("x" * 10, 11)) == range(1, 3)
    assert not squad_windows.answer_tokens(tokens, Answer(" " * 8, 12))
    assert not squad_windows.answer_tokens(tokens, Answer("x", 25))


def test_misplaced_and_impossible_answers_have_no_position():
    misplaced = squad_texts.question("north, south")._replace(answers=(Answer("south", 6),))
    for question in (misplaced, squad_texts.question("north, south", is_impossible=True)):
        _, (window,) = squad_windows.question_windows(
            question, squad_texts.tokenize, cls_id=CLS, sep_id=SEP
        )
        assert (window.start_position, window.end_position) == (0, 0)


@pytest.mark.parametrize(("max_length", "doc_stride"), [(384, 128), (96, 20)])
def test_windows_of_real_contexts_are_those_of_transformers(max_length, doc_stride):
    transformers = pytest.importorskip("transformers")
    vocabulary = real_text.path("vocab/bert-base-uncased-vocab.txt")
    theirs = transformers.BertTokenizerFast(str(vocabulary))
    questions = squad_data.read(str(real_text.path("squad/dev-v1.1.json"))).questions[::97]
    sizes = WindowSizes(max_length, doc_stride, 64)
    num_windows = 0

    def tokenize(text):
        found = theirs(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        starts, limits = zip(*found["offset_mapping"], strict=True)
        return OffsetTokens(found["input_ids"], starts, limits)

    for question in questions:
        context, made = squad_windows.question_windows(
            question,
            tokenize,
            cls_id=theirs.cls_token_id,
            sep_id=theirs.sep_token_id,
            sizes=sizes,
        )
        room = max_length - 3 - len(tokenize(question.question).ids)
        expected = theirs(
            question.question,
            question.context,
            max_length=max_length,
            truncation="only_second",
            stride=max(room - doc_stride, 0),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        assert [w.input_ids.tolist() for w in made] == expected["input_ids"]
        assert [w.type_ids.tolist() for w in made] == expected["token_type_ids"]
        for window, offsets in zip(made, expected["offset_mapping"], strict=True):
            here = slice(window.tokens.start, window.tokens.stop)
            ours = list(zip(context.starts[here], context.limits[here], strict=True))
            assert ours == offsets[window.context_begin : -1]
        num_windows += len(made)
    assert num_windows > len(questions)
