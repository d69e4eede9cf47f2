"""The tokenizer's files as transformers reads them, with the tokens of `mslt_tf.tokenization`.

They say in regular expressions what is done to text, from the definition of characters that this
program has. The steps that the tokenizers library names after BERT are others: they drop characters
for private use, know no final sigma, and stop at words of 100 characters.

Capitals that came with Unicode 15 and later are lower-cased by the library, and kept by this
program, whose tables are older.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mslt_tf import json_values
from mslt_tf.errors import UserError
from mslt_tf.text_case import TextCase
from mslt_tf.tokenization import characters
from mslt_tf.tokenization.normalization import MAX_WORD_CHARACTERS
from mslt_tf.tokenization.wordpiece import UNKNOWN
from mslt_tf.vocabulary import CONTINUATION, SPECIAL_TOKENS

VOCAB_FILE: Final = "vocab.txt"
TOKENIZER_FILE: Final = "tokenizer.json"
TOKENIZER_CONFIG_FILE: Final = "tokenizer_config.json"
SPECIAL_TOKENS_FILE: Final = "special_tokens_map.json"

_SIGMA, _FINAL_SIGMA = "\u03a3", "\u03c2"
# Of Unicode 13; the tables of the tokenizers library are older in this.
_RECENT_COMPOSED, _ITS_PARTS = "\U00011938", "\U00011935\U00011930"
_NAMES: Final = {f"{token[1:-1].lower()}_token": token for token in SPECIAL_TOKENS}


def files(
    vocabulary: Sequence[str], case: TextCase, *, max_length: int, num_segments: int
) -> dict[str, str]:
    """Returns the content of each file, by its name.

    Args:
        vocabulary: the tokens by id, the special ones among them.
        case: what is done to letters.
        max_length: of a sequence.
        num_segments: that the model tells apart.
    """
    return {
        VOCAB_FILE: "\n".join(vocabulary) + "\n",
        TOKENIZER_FILE: _to_json(_tokenizer(vocabulary, case, second=min(1, num_segments - 1))),
        TOKENIZER_CONFIG_FILE: _to_json(_tokenizer_config(case, max_length)),
        SPECIAL_TOKENS_FILE: _to_json(_NAMES),
    }


def tokens_of(content: bytes, *, path: str) -> list[str] | None:
    """Returns the tokens of a `tokenizer.json` by id; None where they are no word pieces.

    transformers 5 saves no other file with them.

    Args:
        content: of the file.
        path: for messages.

    Raises:
        UserError: it is damaged, or an id has no token.
    """
    try:
        tokenizer = json_values.parse(Mapping[str, Any], json_values.loads(content))
        model = json_values.parse(Mapping[str, Any], tokenizer.get("model"), name="model")
        if model.get("type") != "WordPiece":
            return None
        id_of = json_values.parse(Mapping[str, int], model.get("vocab"), name="model.vocab")
    except json_values.JsonValueError as error:
        raise UserError(f"{path} is no tokenizer: {error}. Fetch it again.") from error
    tokens = sorted(id_of, key=id_of.__getitem__)
    absent = next((index for index, token in enumerate(tokens) if id_of[token] != index), None)
    if absent is not None:
        raise UserError(f"{path} has no one token of id {absent}. Put a whole vocab.txt beside it.")
    return tokens


def text_case_of_config(content: bytes, *, path: str) -> TextCase | None:
    """Returns what a `tokenizer_config.json` says of letters; None where it says nothing.

    Raises:
        UserError: it is damaged; `path` is for the message.
    """
    try:
        return _text_case(json_values.loads(content), "do_lower_case")
    except json_values.JsonValueError as error:
        raise UserError(f"{path} is no tokenizer's: {error}. Fetch it again.") from error


def text_case_of_tokenizer(content: bytes, *, path: str) -> TextCase | None:
    """Returns what a `tokenizer.json` says of letters; None unless it has BERT's own step for it.

    Raises:
        UserError: as above.
    """
    try:
        tokenizer = json_values.parse(Mapping[str, Any], json_values.loads(content))
        steps = json_values.parse(Mapping[str, Any] | None, tokenizer.get("normalizer")) or {}
        return _text_case(steps, "lowercase") if steps.get("type") == "BertNormalizer" else None
    except json_values.JsonValueError as error:
        raise UserError(f"{path} is no tokenizer: {error}. Fetch it again.") from error


def _text_case(content: Any, lower_case: str) -> TextCase | None:
    """Returns the case that two values of an object tell; `lower_case` is the name of the first."""
    values = json_values.parse(Mapping[str, Any], content)
    told = [
        json_values.parse(bool | None, values.get(name), name=name)
        for name in (lower_case, "strip_accents")
    ]
    return None if told[0] is None else TextCase.of(told[0], told[1])


def _to_json(content: Any) -> str:
    return json.dumps(content, indent=1) + "\n"


def _tokenizer_config(case: TextCase, max_length: int) -> dict[str, Any]:
    return {
        # The class that takes tokenizer.json as it is. BertTokenizerFast would rebuild it.
        "tokenizer_class": "PreTrainedTokenizerFast",
        **_NAMES,
        "model_max_length": max_length,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "clean_up_tokenization_spaces": True,
        # For who loads vocab.txt by BertTokenizer.
        "do_lower_case": case.do_lower_case,
        "strip_accents": case.strip_accents,
        "tokenize_chinese_chars": True,
    }


def _tokenizer(vocabulary: Sequence[str], case: TextCase, *, second: int) -> dict[str, Any]:
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": vocabulary.index(token),
                "content": token,
                **dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False),
                "special": True,
            }
            for token in sorted(SPECIAL_TOKENS, key=vocabulary.index)
        ],
        "normalizer": {"type": "Sequence", "normalizers": _normalizers(case)},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": _pretokenizers()},
        "post_processor": _post_processor(vocabulary, second),
        "decoder": {"type": "WordPiece", "prefix": CONTINUATION, "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": UNKNOWN,
            "continuing_subword_prefix": CONTINUATION,
            "max_input_chars_per_word": MAX_WORD_CHARACTERS,
            "vocab": {token: index for index, token in enumerate(vocabulary)},
        },
    }


def _normalizers(case: TextCase) -> list[dict[str, Any]]:
    """Returns the steps of `mslt_tf.tokenization.normalization.clean`."""
    steps = [_replace(_any(characters.is_dropped), "")]
    if case.do_lower_case:
        steps += [_replace(_final_sigma(), _FINAL_SIGMA), {"type": "Lowercase"}]
    if case.strip_accents:
        steps += [
            _replace(_RECENT_COMPOSED, _ITS_PARTS),
            {"type": "NFD"},
            _replace(_any(characters.is_accent), ""),
        ]
    return steps


def _pretokenizers() -> list[dict[str, Any]]:
    """Returns what cuts text into words: at blanks, and around characters that are words."""
    return [_split(_any(characters.is_space), "Removed"), _split(_any(_is_word), "Isolated")]


def _post_processor(vocabulary: Sequence[str], second: int) -> dict[str, Any]:
    """Returns the template [CLS] A [SEP] B [SEP]; `second` is the segment of what follows A."""

    def special(token: str, segment: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": token, "type_id": segment}}

    def text(name: str, segment: int) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": segment}}

    single = [special("[CLS]", 0), text("A", 0), special("[SEP]", 0)]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, text("B", second), special("[SEP]", second)],
        "special_tokens": {
            token: {"id": token, "ids": [vocabulary.index(token)], "tokens": [token]}
            for token in ("[CLS]", "[SEP]")
        },
    }


def _replace(pattern: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def _split(pattern: str, behavior: str) -> dict[str, Any]:
    return {
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": behavior,
        "invert": False,
    }


def _any(is_member: characters.Test) -> str:
    return f"[{characters.class_of(is_member)}]"


def _is_word(character: str) -> bool:
    return characters.is_punctuation(character) or characters.is_chinese(character)


def _final_sigma() -> str:
    """Returns a pattern of the capital sigmas that become a final one, as in `str.lower`.

    Those behind a letter and before none. The library lower-cases each character by itself.
    """
    cased, ignored = _any(_is_cased), _any(_is_ignored)
    return f"(?<={cased}{ignored}*){_SIGMA}(?!{ignored}*{cased})"


def _is_cased(character: str) -> bool:
    """Returns whether a sigma right behind the character is a final one."""
    return (character + _SIGMA).lower().endswith(_FINAL_SIGMA)


def _is_ignored(character: str) -> bool:
    """Returns whether the character may stand between a letter and its final sigma."""
    is_final = ("A" + character + _SIGMA).lower().endswith(_FINAL_SIGMA)
    return is_final and not _is_cased(character)
