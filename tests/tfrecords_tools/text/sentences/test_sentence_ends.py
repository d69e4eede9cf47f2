"""Ends of sentences in all scripts, against Unicode's table as another library has it."""

import re
import sys

import pytest
import regex

from tfrecords_tools.text.sentences import sentence_ends

TIBETAN = set("\u0f0d\u0f0e\u0f0f\u0f10\u0f11\u0f12")  # shad: Unicode calls it punctuation only
ALL = "".join(chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000)


def sentences(line: str) -> list[str]:
    return [sentence + end for sentence, end in sentence_ends.cut_at_ends(line)]


def test_the_table_is_that_of_unicode():
    table = set(re.findall(f"[{sentence_ends.SENTENCE_ENDS}]", ALL))
    known = set(regex.findall(r"\p{Sentence_Terminal}", ALL))
    assert table | set(sentence_ends.LATIN_ENDS) == known | TIBETAN
    assert not table & set(sentence_ends.LATIN_ENDS)


def test_every_end_is_found_without_a_blank_after_it_and_with_one():
    for end in re.findall(f"[{sentence_ends.SENTENCE_ENDS}]", ALL):
        text = f"क{end}ख {end} ग"
        assert sentence_ends.has_other_script(end)
        assert sentences(text) == [f"क{end}", f"ख {end}", " ग"], hex(ord(end))


@pytest.mark.parametrize("text", ["Ça va? „Ja“ – да; τι; ½ … ™ € ‘x’", "plain", "", "Ǆ ẞ ἄ"])
def test_latin_cyrillic_and_greek_are_left_to_blingfire(text: str):
    assert not sentence_ends.has_other_script(text)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("他说。”“好。”」下一句！？再来", ["他说。”", "“好。”」", "下一句！？", "再来"]),
        ('他说:"你好。"然后走了。"再见。"', ['他说:"你好。"', "然后走了。", '"再见。"']),
        ("你好!我好? 他好.我", ["你好!", "我好?", " 他好.", "我"]),
        ("（好。）】再", ["（好。）】", "再"]),
        ("他说“好。”，走了。", ["他说“好。”，走了。"]),
        ("धर्म ॥ १ ॥ कर्म ॥२॥", ["धर्म ॥ १ ॥", " कर्म ॥२॥"]),
        ("« यह है। » वह", ["« यह है।", " » वह"]),
        ("الأول؟الثاني۔ تیسرا ۳۔۵", ["الأول؟", "الثاني۔", " تیسرا ۳۔۵"]),
        ("は３．５だ．次", ["は３．５だ．", "次"]),
        ("།དང་པོ། །གཉིས་པ།", ["།དང་པོ། །", "གཉིས་པ།"]),
        ("“。”", ["“。”"]),
        ("好。 ”", ["好。 ”"]),
        ("。", ["。"]),
        ("", [""]),
    ],
)
def test_ends_stay_with_their_sentence(line: str, expected: list[str]):
    assert sentences(line) == expected
