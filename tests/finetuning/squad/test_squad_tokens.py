"""Tokens and their characters, many texts at once, against another tokenizer."""

import pytest
import transformers

from mslt_tf.finetuning.squad import squad_data, squad_tokens
from mslt_tf.finetuning.squad.squad_tokens import OffsetTokenizer
from mslt_tf.text_case import TextCase
from tests import real_text
from tests.finetuning.squad import squad_texts

TEXTS = [
    *squad_texts.AWKWARD,
    *("", " ", "\0", "a\0b\0", "a\u200bb", "\ufeffab  c", "I \U0001f600 it\u2028", "a\u00adb"),
    *("\u0130stanbul \u00df", "\ufb01n", "\ud55c\uad6d\uc5b4 a", "y\u0301\u0302 z", "x" * 300),
]


def refuse(line):
    raise AssertionError(line)


def check(vocabulary, path, texts, *, do_lower_case=True):
    """Compares ids and offsets with those of transformers; returns the number of tokens."""
    theirs = transformers.BertTokenizerFast(str(path), do_lower_case=do_lower_case)
    expected = theirs(texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    ours = OffsetTokenizer(vocabulary, TextCase(do_lower_case, do_lower_case))
    found = ours.tokenize([*texts, *texts], report=refuse)
    assert list(found) == list(dict.fromkeys(texts))
    assert (ours.cls_id, ours.sep_id) == (theirs.cls_token_id, theirs.sep_token_id)
    columns = (texts, expected["input_ids"], expected["offset_mapping"])
    for text, ids, offsets in zip(*columns, strict=True):
        assert found[text].ids.tolist() == ids, text
        places = zip(found[text].starts.tolist(), found[text].limits.tolist(), strict=True)
        assert list(places) == offsets, text
    return sum(len(each.ids) for each in found.values())


@pytest.mark.parametrize("do_lower_case", [True, False])
def test_awkward_texts_have_the_tokens_and_characters_of_transformers(tmp_path, do_lower_case):
    vocabulary = squad_texts.vocabulary(*TEXTS)
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(vocabulary), "utf-8")
    assert check(vocabulary, path, TEXTS, do_lower_case=do_lower_case) > 100


def test_real_contexts_have_the_tokens_and_characters_of_transformers():
    path = real_text.path("vocab/bert-base-uncased-vocab.txt")
    questions = squad_data.read(str(real_text.path("squad/dev-v1.1.json"))).questions[::40]
    texts = [text for each in questions for text in (each.context, each.question)]
    vocabulary = path.read_text("utf-8").split("\n")[:-1]
    assert check(vocabulary, path, [*texts, *TEXTS]) > 15_000


def test_what_takes_long_is_told_and_batches_change_nothing(monkeypatch):
    tokenizer = OffsetTokenizer(squad_texts.vocabulary(*TEXTS), TextCase())
    whole = tokenizer.tokenize(TEXTS, report=refuse)
    monkeypatch.setattr(squad_tokens, "_BATCH", 8)
    monkeypatch.setattr(squad_tokens, "_SECONDS_BETWEEN_LINES", 0)
    lines = []
    parts = tokenizer.tokenize(TEXTS, report=lines.append)
    assert lines == [f"tokenised {min(n, 20)} of 20 texts" for n in (8, 16, 24)]
    assert [[c.tolist() for c in parts[t]] for t in TEXTS] == [
        [c.tolist() for c in whole[t]] for t in TEXTS
    ]
