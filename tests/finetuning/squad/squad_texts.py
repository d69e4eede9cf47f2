"""Questions and tokens for tests of SQuAD: small files, awkward texts, a simple tokenizer."""

import json
import re
import unicodedata
import zlib
from pathlib import Path

from mslt_tf.finetuning.squad.squad_data import Answer, Question
from mslt_tf.finetuning.squad.squad_windows import OffsetTokens
from mslt_tf.vocabulary import SPECIAL_TOKENS

CLS, SEP = 1, 2
# Words of up to four letters, as pieces are; each Chinese character is one.
_PIECE = re.compile(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]{1,4}|[^\w\s]")

AWKWARD = {  # context: an answer in it
    "Le café  de  la Régence, à Paris": "café  de  la Régence",
    "Zoë e\u0301tait  la\u0300": "e\u0301tait  la\u0300",
    "北京是中华人民共和国的首都。": "中华人民共和国",
    "one\u2028two\u2029three": "two\u2029three",
    "(1895-1943).": "1895",
    "a\u00a0b\r\n\tc 𝔘𝔫𝔦 code": "c 𝔘𝔫𝔦",
    "start and end": "start and end",
}


def tokenize(text: str) -> OffsetTokens:
    """Returns the pieces of a text; their ids are sums of their letters."""
    found = list(_PIECE.finditer(text))
    return OffsetTokens(
        ids=[100 + zlib.crc32(piece[0].encode()) % 1000 for piece in found],
        starts=[piece.start() for piece in found],
        limits=[piece.end() for piece in found],
    )


def vocabulary(*texts: str) -> list[str]:
    """Returns a vocabulary of letters that has each letter of texts, but for blanks and marks."""
    written = "".join(texts)
    letters = {*written, *written.lower(), *unicodedata.normalize("NFD", written.lower())}
    kept = sorted(c for c in letters if unicodedata.category(c)[0] in "LNPS")
    return [*SPECIAL_TOKENS, *kept, *(f"##{c}" for c in kept)]


def question(context: str, *answers: str, id: str = "q", is_impossible: bool = False) -> Question:
    """Returns a question whose answers stand where they first occur."""
    found = tuple(Answer(text, context.index(text)) for text in answers)
    return Question(id, "what is it?", context, found, is_impossible)


def layout(*questions: Question, has_impossible: bool = False) -> dict:
    """Returns questions as the official files have them, with fields that need no reading."""
    paragraphs = [
        {
            "context": each.context,
            "qas": [
                {
                    "id": each.id,
                    "question": each.question,
                    "answers": [{"text": a.text, "answer_start": a.start} for a in each.answers],
                    **({"is_impossible": each.is_impossible} if has_impossible else {}),
                }
            ],
        }
        for each in questions
    ]
    articles = [{"title": "a title", "paragraphs": [each]} for each in paragraphs]
    return {"version": "v2.0" if has_impossible else "1.1", "data": articles}


def write(path: Path, value: object) -> str:
    """Writes JSON; returns the path as text."""
    path.write_text(json.dumps(value))
    return str(path)
