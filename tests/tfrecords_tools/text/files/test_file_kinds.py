"""What is no text is known by its first bytes, and text that is like it is not."""

import struct
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from tfrecords_tools.text.files import file_kinds
from tfrecords_tools.text.pieces.text_pieces import list_pieces, read_piece
from tfrecords_tools.text.read_report import ReadReport
from tfrecords_tools.text.text_input import TextInput

# The same bytes as in a real file of the kind, up to where text would show.
KINDS: dict[str, bytes] = {
    "a raw MediaWiki dump": b'<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/">\n',
    "an HTML page": b"<!-- saved -->\n<!DOCTYPE HTML PUBLIC '-//W3C//DTD'>\n<p>Text.</p>",
    "an XML file": b'\xef\xbb\xbf<?xml version="1.0"?>\n<TEI>\n',
    "a PDF file": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "an image (PNG)": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "an image (JPEG)": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    "an image (GIF)": b"GIF89a\x01\0\x01\0\x80\0\0",
    "an image (WebP)": b"RIFF\x24\0\0\0WEBPVP8 ",
    "an image (TIFF)": b"II*\0\x08\0\0\0",
    "a program (ELF)": b"\x7fELF\x02\x01\x01\0",
    "a program (Windows)": b"MZ\x90\0\x03\0\0\0",
    "an old office document": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16),
    "a document in rich text (RTF)": rb"{\rtf1\ansi Text.}",
    "a PostScript file": b"%!PS-Adobe-3.0\n",
    "a 7z archive": b"7z\xbc\xaf'\x1c\0\4",
    "a RAR archive": b"Rar!\x1a\x07\x01\0",
    "an Arrow file": b"ARROW1\0\0",
    "a database (SQLite)": b"SQLite format 3\0",
    "a TFRecord file": struct.pack("<QI", 90, 0xA1B2C3D4) + b"\x0a\x58",
    "a binary file (it has zero bytes)": b"A text\nwith a zero \0 byte.\n",
    "a tar archive": bytes(257) + b"ustar\0" + b"00",
}


def list_of(path: Path, content: bytes, **settings: str):
    path.write_bytes(content)
    return list_pieces(TextInput(input=str(path), **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("text_format", ["auto", "plain"])
def test_a_file_of_another_kind_is_refused_by_its_name_with_what_to_do(
    tmp_path: Path, name: str, text_format: str
):
    with pytest.raises(UserError) as raised:
        list_of(tmp_path / "a.txt", KINDS[name], text_format=text_format)
    told = str(raised.value)
    assert told.startswith(f"{tmp_path}/a.txt is {name}, not text. ")
    assert told.endswith(". --on_error=skip leaves such files out.")
    assert "LATIN1" not in told


def test_the_advice_for_a_dump_names_what_to_take_instead(tmp_path: Path):
    with pytest.raises(UserError, match=r"wikimedia/wikipedia .*WikiExtractor .*Python 3\.10"):
        list_of(tmp_path / "a", KINDS["a raw MediaWiki dump"])


@pytest.mark.parametrize("name", KINDS)
def test_with_skip_it_is_left_out_whole_counted_and_named(tmp_path: Path, name: str):
    (tmp_path / "a").write_bytes(KINDS[name] + b"\n\nSome text.\n\nMore of it.\n" * 99)
    (tmp_path / "b").write_text("Text.")
    report = ReadReport()
    pieces = list_pieces(TextInput(input=str(tmp_path)), on_error="skip", report=report)
    assert [list(read_piece(piece)) for piece in pieces] == [[["Text."]]]
    assert report.refused_files == 1
    (reason,) = report.reasons
    assert reason.startswith(f"{tmp_path}/a is {name}, not text. ")
    assert "--on_error" not in reason


def test_an_input_of_nothing_else_is_refused_with_skip_too(tmp_path: Path):
    (tmp_path / "a").write_bytes(KINDS["a PDF file"])
    with pytest.raises(UserError, match=r"holds no text to read\..* 1 file\(s\) left out .*PDF"):
        list_pieces(TextInput(input=str(tmp_path)), on_error="skip")


@pytest.mark.parametrize(
    "text",
    [
        "<mediawiki-like> things are in this line",
        "We write <html> first.",
        "<p>One paragraph of a corpus with tags.</p>",
        "%PDF is how such a file begins.",
        "GIF89a is a format of images.",
        "MZ are the initials of Mark Zbikowski.",
        "RIFF is a container, WEBP an image in it.",
        "BM stands for British Museum.",
        "PK is a city code.",
        "7z and Rar! pack files.",
        "ARROW1 is a name.",
        "%!PS",
    ],
)
def test_text_about_such_files_is_text(tmp_path: Path, text: str):
    if text == "%!PS":  # the mark itself, further down
        text = "first\n%!PS"
    (piece,) = list_of(tmp_path / "a", text.encode())
    assert list(read_piece(piece)) == [text.split("\n")]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize(
    "text",
    [
        "Some words of a text.\nAnd a line.\n",
        "Ein Satz, größer.\r\n",
        "Привет, как дела?\n",
        "你好，世界。\n一二三\n",
        "नमस्ते दुनिया\n",
        "สวัสดี ชาวโลก\n",
        "مرحبا بالعالم\n",
        "한국어 문장입니다.\n",
        "😀 text\n",
    ],
)
def test_wide_characters_without_a_mark_are_known_with_their_order(codec: str, text: str):
    kind = file_kinds.find_kind((text * 40).encode(codec), path="a b")
    name = codec.upper().replace("-LE", "LE").replace("-BE", "BE")
    assert kind is not None
    assert kind.name == f"{name} text without a byte order mark"
    assert kind.advice == f"Convert it: iconv -f {name} -t UTF-8 'a b'."


@pytest.mark.parametrize(
    "content",
    [
        b"Many words of a text. " * 99 + b"\0",
        struct.pack("<200d", *range(200)),
        bytes(range(256)) * 9,
        bytes(1_000),
    ],
)
def test_other_zero_bytes_make_a_binary_file(content: bytes):
    kind = file_kinds.find_kind(content, path="a")
    assert kind is not None
    assert kind.name == "a binary file (it has zero bytes)"


def test_a_hostile_beginning_takes_little_time():
    for head in (b"<!--" * 16_384, b"<?" * 32_768, b" " * 65_536, b"<!-- -->" * 8_192):
        assert file_kinds.find_kind(head, path="a") is None


@pytest.mark.parametrize(
    "content",
    [
        '{\n  "text": "one",\n  "title": "two"\n}\n',
        '["a text", "another text"]\n',
        '{\n "data": [{"text": "one"}]\n}\n',
        "[]\n",
        "[null, {}]\n",
    ],
)
def test_other_json_is_refused_and_left_out_and_taken_as_it_is_where_told(tmp_path, content):
    path = tmp_path / "a.txt"
    path.write_text(content)
    with pytest.raises(UserError, match=r"a\.txt begins like JSON, but is neither"):
        list_pieces(TextInput(str(path)))
    (tmp_path / "b.txt").write_text("[1] A note.\n")
    report = ReadReport()
    pieces = list_pieces(TextInput(str(tmp_path)), on_error="skip", report=report)
    assert [piece.path for piece in pieces] == [str(tmp_path / "b.txt")]
    assert report.refused_files == 1
    (piece,) = list_pieces(TextInput(str(path), text_format="plain"))
    assert list(read_piece(piece)) == [content.strip().split("\n")]
