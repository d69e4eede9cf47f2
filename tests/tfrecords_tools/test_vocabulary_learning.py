"""Vocabularies that are learned from a text."""

import dataclasses
import gzip
from collections import Counter
from pathlib import Path

import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.text_case import TextCase
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer
from tests.tfrecords_tools.numbered_text import SPECIAL_TOKENS
from tfrecords_tools import tokenization, vocabulary_learning
from tfrecords_tools.settings import VocabularySettings
from tfrecords_tools.text.text_input import TextInput

TEXT = [
    "The café's naïve CAT sat; it's $5 a^b, 中文x-y\u00a0z\x01q!",
    "Ünlü ŞEHİR ﬁne Ⅷ ½ x² \u200b joined… “quotes” — dash",
    "",
    "[MASK] and ##s are punctuation here, not tokens.",
] * 3
UNCASED, CASED = TextCase(), TextCase(do_lower_case=False, strip_accents=False)


@pytest.mark.parametrize("case", [UNCASED, CASED, TextCase(strip_accents=False)])
def test_words_are_counted_as_the_tokenizer_splits_them(case: TextCase):
    counts = vocabulary_learning.count_words(TEXT, case)
    vocabulary = ["[UNK]", *counts]
    tokenizer = WordpieceTokenizer(vocabulary, case)
    tokens = Counter(vocabulary[token] for token in tokenizer.tokenize(TEXT).values.numpy())
    assert tokens == counts


def test_lower_casing_strips_accents_and_marks_stand_alone():
    counts = vocabulary_learning.count_words(TEXT, UNCASED)
    assert counts["cafe"] == counts["naive"] == counts["中"] == counts["文"] == 3
    assert counts["cat"] == counts["$"] == counts["^"] == 3
    assert counts["#"] == 6
    cased = vocabulary_learning.count_words(TEXT, CASED)
    assert cased["café"] == cased["CAT"] == cased["The"] == 3
    assert "cafe" not in cased


def word_counts() -> Counter[str]:
    stems = ["walk", "talk", "play", "jump", "look", "cook", "help", "work"]
    ends = ["", "ed", "ing", "s", "er", "able"]
    counts = Counter(
        {stem + end: 10 * (place + 1) for place, stem in enumerate(stems) for end in ends}
    )
    return counts + Counter({",": 900, "中": 50, "the": 5_000, "abcdefghijklmnopqrstuvwxyz": 2})


def test_a_vocabulary_begins_with_special_tokens_and_holds_frequent_words():
    vocabulary = vocabulary_learning.learn(word_counts(), vocab_size=200)
    assert vocabulary[:5] == SPECIAL_TOKENS
    assert len(vocabulary) == len(set(vocabulary)) <= 200
    assert {"the", "working", ",", "中", "a", "##a"} <= set(vocabulary)


def test_pieces_that_no_text_can_need_are_left_out():
    assert {"##,", "##中"}.isdisjoint(vocabulary_learning.learn(word_counts(), vocab_size=200))


def test_every_word_can_be_written_in_pieces():
    vocabulary = vocabulary_learning.learn(word_counts(), vocab_size=90)
    assert len(vocabulary) <= 90
    tokenizer = WordpieceTokenizer(vocabulary, UNCASED)
    tokens = tokenizer.tokenize([*word_counts(), "zebra"]).values.numpy()
    assert vocabulary.index("[UNK]") not in tokens


def test_the_order_of_reading_does_not_matter():
    counts = word_counts()
    backwards = Counter(dict(reversed(counts.items())))
    assert vocabulary_learning.learn(counts, vocab_size=150) == vocabulary_learning.learn(
        backwards, vocab_size=150
    )


def chinese_text(num_characters: int) -> list[str]:
    """Lines of that many different characters, the first ones more often than the others."""
    characters = [chr(0x4E00 + number) for number in range(num_characters)]
    return ["".join(characters[:stop]) for stop in range(100, num_characters + 1, 100)]


def unknown_share(vocabulary: list[str], text: list[str]) -> float:
    tokenizer = WordpieceTokenizer(vocabulary, UNCASED)
    tokens = tokenizer.tokenize(text).values.numpy()
    return (tokens == vocabulary.index("[UNK]")).mean()


def test_a_large_alphabet_has_no_unknown_character_where_there_is_room():
    text = chinese_text(3_000)
    counts = vocabulary_learning.count_words(text, UNCASED)
    vocabulary = vocabulary_learning.learn(counts, vocab_size=8_192)
    assert unknown_share(vocabulary, text) == 0
    assert len(vocabulary) == len(SPECIAL_TOKENS) + 3_000


def test_without_room_the_rarest_characters_are_unknown_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    text = chinese_text(300)
    vocabulary = vocabulary_learning.build(settings_for(tmp_path, "\n".join(text)))
    assert len(vocabulary) == len(SPECIAL_TOKENS) + 200  # two thirds of 300
    assert round(unknown_share(vocabulary, text), 4) == 0.1667
    said = capsys.readouterr().out
    assert "note: 100 of 300 different characters, the rarest, got no token" in said
    assert "16.67% of the text's, become [UNK]" in said


def test_words_with_a_cut_character_leave_their_place_to_others():
    stems, ends = ["walk", "talk", "play", "jump"], ["", "ed", "ing", "s", "er", "able"]
    counts = Counter({stem + end: 5 for stem in stems for end in ends})
    # More frequent than these words, but of far more characters than the vocabulary can have.
    foreign = Counter({f"{chr(0xAC00 + 2 * n)}{chr(0xAC01 + 2 * n)}": 12 for n in range(1_000)})
    vocabulary = vocabulary_learning.learn(counts + foreign, vocab_size=300)
    assert set(counts) <= set(vocabulary)


def test_an_alphabet_that_leaves_no_word_is_refused():
    with pytest.raises(UserError, match=r"--vocab_size=200 has room for \d+ different characters"):
        vocabulary_learning.learn(
            Counter(["".join(chr(0x3B1 + n) for n in range(200))]), vocab_size=200
        )


def settings_for(tmp_path: Path, text: str) -> VocabularySettings:
    (tmp_path / "text.txt").write_text(text)
    return VocabularySettings(
        TextInput(str(tmp_path / "text.txt")),
        vocab_file=str(tmp_path / "new" / "vocab.txt"),
        vocab_size=300,
    )


def test_the_file_is_a_vocabulary_and_fewer_tokens_are_admitted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    settings = settings_for(tmp_path, "the cat sat on the mat\nand the dog sat too\n")
    vocabulary = vocabulary_learning.build(settings)
    assert tokenization.read_vocabulary(settings.vocab_file) == vocabulary
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["vocab.txt"]
    assert len(vocabulary) < 300
    said = capsys.readouterr().out
    assert "fewer than --vocab_size=300" in said
    assert f"Give run_pretraining --vocab_size={len(vocabulary)}." in said
    assert "[UNK]" not in said  # as every character has a token


def test_an_existing_vocabulary_is_never_overwritten(tmp_path: Path):
    settings = settings_for(tmp_path, "the cat sat")
    (tmp_path / "new").mkdir()
    Path(settings.vocab_file).write_text("precious")
    with pytest.raises(UserError, match=r"vocab\.txt exists already"):
        vocabulary_learning.build(settings)
    assert Path(settings.vocab_file).read_text() == "precious"


def test_files_beside_the_vocabulary_are_left_alone(tmp_path: Path):
    settings = settings_for(tmp_path, "the cat sat")
    (tmp_path / "new").mkdir()
    others = [tmp_path / "new" / f"vocab.txt{end}" for end in (".partial", ".tmp", ".0.partial")]
    for path in others:
        path.write_text("precious")
    vocabulary_learning.build(settings)
    assert [path.read_text() for path in others] == ["precious"] * 3
    assert len(list((tmp_path / "new").iterdir())) == 4


def test_a_vocabulary_that_came_there_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = settings_for(tmp_path, "the cat sat")
    learn = vocabulary_learning.learn

    def learn_slowly(*args: object, **kwargs: object) -> list[str]:
        Path(settings.vocab_file).write_text("precious")
        return learn(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(vocabulary_learning, "learn", learn_slowly)
    with pytest.raises(UserError, match=r"vocab.txt was made by another program while") as raised:
        vocabulary_learning.build(settings)
    assert Path(settings.vocab_file).read_text() == "precious"
    (other,) = [path for path in (tmp_path / "new").iterdir() if path.name != "vocab.txt"]
    assert f"learned here is {other}. Remove one" in str(raised.value)
    assert tokenization.read_vocabulary(str(other))[:5] == SPECIAL_TOKENS


def test_a_file_that_cannot_be_written_is_told_before_the_text_is_read(tmp_path: Path):
    (tmp_path / "file").touch()
    settings = dataclasses.replace(
        settings_for(tmp_path, "the cat sat"),
        text=TextInput(str(tmp_path / "no_such_text")),
        vocab_file=str(tmp_path / "file" / "vocab.txt"),
    )
    with pytest.raises(UserError, match=r"--vocab_file .*file/vocab\.txt cannot be written"):
        vocabulary_learning.build(settings)


def test_a_disk_that_fills_up_meanwhile_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def write(path: str, text: str) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    settings = settings_for(tmp_path, "the cat sat")
    monkeypatch.setattr(vocabulary_learning.new_file, "write", write)
    message = r"cannot be written \(No space left on device\)\. Make room\."
    with pytest.raises(UserError, match=message):
        vocabulary_learning.build(settings)


def test_any_input_can_be_read_and_mistakes_can_be_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    settings = settings_for(tmp_path, "")
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "_hidden").write_text("hidden hidden hidden")
    lines = ['{"body": "walking walking walking"}', "wrong", '{"body": "talking talking"}']
    (folder / "a.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    settings = dataclasses.replace(settings, text=TextInput(str(folder), text_field="body"))
    with pytest.raises(UserError, match="line 2, is no JSON object"):
        vocabulary_learning.build(settings)
    vocabulary = vocabulary_learning.build(dataclasses.replace(settings, on_error="skip"))
    assert {"walking", "talking"} <= set(vocabulary)
    assert not {"hidden", "wrong"} & set(vocabulary)
    said = capsys.readouterr().out
    assert "1 line(s) left out as unreadable" in said
    assert "1 hidden file(s) left out" in said


def test_batches_of_long_lines_are_small(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(vocabulary_learning, "_BATCH_CHARACTERS", 10)
    batches = list(vocabulary_learning._batches(["aaaa", "bbbbbb", "c" * 20, "d"]))
    assert batches == [["aaaa", "bbbbbb"], ["c" * 20], ["d"]]


def test_an_input_without_words_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="holds no words"):
        vocabulary_learning.build(settings_for(tmp_path, "\n \n\x01\n"))


@pytest.mark.parametrize("wrong", [{"vocab_file": ""}, {"vocab_size": 199}])
def test_a_setting_out_of_range_is_refused_by_its_flag(wrong: dict[str, object]):
    values = {"vocab_file": "b"} | wrong
    with pytest.raises(UserError, match=f"--{next(iter(wrong))} is "):
        VocabularySettings(TextInput("a"), **values)  # type: ignore[arg-type]


def test_a_real_text_gets_a_vocabulary_of_about_the_size_asked_for(tmp_path: Path, real_data: Path):
    text = (real_data / "wikitext2_valid.txt").read_text("utf-8")[:200_000]
    settings = dataclasses.replace(settings_for(tmp_path, text), vocab_size=1_000)
    vocabulary = vocabulary_learning.build(settings)
    assert 900 <= len(vocabulary) <= 1_000
    assert {"the", "##ing", "##s", "."} <= set(vocabulary)
