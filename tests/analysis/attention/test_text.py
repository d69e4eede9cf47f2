"""The text whose attention is shown: what a model reads of it, and what is refused."""

import dataclasses
from pathlib import Path

import pytest

from mslt_tf.analysis.attention import text
from mslt_tf.errors import UserError
from mslt_tf.model_config import ModelConfig
from tests.conversion.trained_models import trained_model
from tests.modeling.small_models import tiny_config


def write(folder: Path, content: bytes) -> str:
    (folder / "text.txt").write_bytes(content)
    return str(folder / "text.txt")


def tokenize(*lines: str, config: ModelConfig | None = None, **changes: object):
    return text.tokenize(lines, trained_model(config, **changes), run="runs/a")


def test_a_line_is_a_sentence_and_a_tab_parts_its_segments(tmp_path: Path):
    path = write(tmp_path, b"\xef\xbb\xbfAb c\tb\r\n\n  \nb\n")
    one, two = tokenize(*text.read(path))
    assert one.tokens == ("[CLS]", "a", "##b", "c", "[SEP]", "b", "[SEP]")
    # By the vocabulary: five special tokens, the letters, then those that go on with a word.
    assert one.input_ids == (2, 5, 31 + 1, 7, 3, 6, 3)
    assert one.segment_ids == (0, 0, 0, 0, 0, 1, 1)
    assert one.is_sep.tolist() == [False, False, False, False, True, False, True]
    assert two.tokens == ("[CLS]", "b", "[SEP]")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "text.txt is empty"),
        (b" \n\t\n", "text.txt is empty"),
        (b"ab \xff", "not UTF-8 text: byte 3 is 0xff"),
        (b"a" * 10_001, "more than 10,000 bytes"),
        (b"a\n\na\tb\tc\n", "line 3 has 3 segments"),
        (b"a\t \n", "line 1 has 2 segments .* none is blank"),
    ],
)
def test_a_file_that_holds_no_sentences_is_refused(tmp_path: Path, content: bytes, message: str):
    with pytest.raises(UserError, match=message):
        text.read(write(tmp_path, content))


def test_what_is_no_file_is_refused(tmp_path: Path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UserError, match=f"--attention_text {path} is no file"):
            text.read(str(path))


def test_a_line_that_the_model_cannot_take_is_refused():
    config = dataclasses.replace(tiny_config(), max_position_embeddings=6)
    assert len(tokenize("a b c d", config=config)[0].tokens) == 6
    with pytest.raises(UserError, match=r"has 7 tokens with .* model of runs/a has 6 positions"):
        tokenize("a", "a b c d e", config=config)
    config = dataclasses.replace(config, type_vocab_size=1)
    with pytest.raises(UserError, match="has 2 segments, the model of runs/a takes 1"):
        tokenize("a\tb", config=config)
    with pytest.raises(UserError, match="has a segment without a token"):
        tokenize("\u200b")
    with pytest.raises(UserError, match="runs/a was trained without --vocab_file"):
        tokenize("a", vocabulary=None)
