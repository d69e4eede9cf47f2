"""Vocabulary files as people have them: what is passed over, what is refused, and the way out."""

import pytest

from mslt_tf.errors import UserError
from mslt_tf.vocabulary import SPECIAL_TOKENS, parse_vocabulary

BERT_LIKE = ["[PAD]", *(f"[unused{n}]" for n in range(99)), *SPECIAL_TOKENS[1:], "the", "##s"]


def parse(tokens: list[str], end: str = "\n") -> list[str]:
    return parse_vocabulary(
        "".join(token + end for token in tokens).encode(), name="--vocab_file v.txt"
    )


@pytest.mark.parametrize("blank", ["\n", "\r\n", "\n\n\n", " \n\t\n", " "])
def test_blank_last_lines_are_no_tokens(blank: str):
    content = ("\n".join(BERT_LIKE) + "\n" + blank).encode()
    assert parse_vocabulary(content, name="--vocab_file v.txt") == BERT_LIKE


def test_rare_white_space_is_a_token_wherever_it_stands():
    for token in ("\u2028", "\x85", "\xa0", "\u3000"):
        assert parse([*BERT_LIKE, token])[-1] == token


@pytest.mark.parametrize("blank", ["", " ", "\t "])
def test_the_way_out_of_a_blank_line_is_a_name_that_is_free(blank: str):
    """Following the advice gives a vocabulary in which all other tokens keep their ids."""
    tokens = [*BERT_LIKE[:-1], blank, BERT_LIKE[-1]]
    with pytest.raises(UserError, match=r"line 106 is blank.* Write \[unused99\] there") as raised:
        parse(tokens)
    assert "v.txt" in str(raised.value)
    mended = ["[unused99]" if token == blank else token for token in tokens]
    assert parse(mended) == mended


@pytest.mark.parametrize("wrong", ["the", "e" * 257])
def test_so_is_that_of_a_token_that_is_there_twice_or_too_long(wrong: str):
    with pytest.raises(UserError, match=r"e\.g\. by \[unused99\]"):
        parse([*BERT_LIKE, wrong])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_special_tokens_alone_are_no_vocabulary(end: str):
    with pytest.raises(UserError, match=r"holds 5 tokens in brackets, such as \[PAD\], and none"):
        parse([*SPECIAL_TOKENS], end)
    assert parse([*SPECIAL_TOKENS, "["], end)[-1] == "["


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n", b" "])
def test_an_empty_file_is_told_what_it_lacks(content: bytes):
    with pytest.raises(UserError, match=r"lacks \[PAD\], \[UNK\], \[CLS\], \[SEP\], \[MASK\]"):
        parse_vocabulary(content, name="--vocab_file v.txt")
