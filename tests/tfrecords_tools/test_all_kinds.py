"""One folder with every kind of input at once: each has its outcome, and none disturbs another."""

import bz2
import codecs
import dataclasses
import gzip
import io
import json
import lzma
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from mslt_tf.errors import UserError
from tests.tfrecords_tools.numbered_text import SPECIAL_TOKENS
from tests.tfrecords_tools.record_reading import contents
from tfrecords_tools.dataset import pretraining_dataset
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings
from tfrecords_tools.text.pieces import text_pieces
from tfrecords_tools.text.read_report import ReadReport
from tfrecords_tools.text.text_input import TextInput

# Two documents for each file that is read. The first word tells which file it was.
BODY = "{0} one.\n{0} two.\n\n{0} three.\n{0} four.\n"


def objects_of(name: str) -> list[dict[str, str]]:
    return [{"text": part} for part in BODY.format(name).strip().split("\n\n")]


def parquet(name: str) -> bytes:
    content = io.BytesIO()
    texts = [each["text"] for each in objects_of(name)]
    pq.write_table(pa.table({"id": [1, 2, 3], "text": [*texts, None]}), content, row_group_size=1)
    return content.getvalue()


def archive(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as written:
        for member, data in members.items():
            written.writestr(member, data)
    return content.getvalue()


def tar(name: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as written:
        written.addfile(tarfile.TarInfo(name), io.BytesIO())
    return content.getvalue()


def book(name: str) -> str:
    words = f"{name} walked and slept under a grey house of the small river " * 90
    return "\n".join(words[begin : begin + 70].strip() for begin in range(0, len(words), 70))


def plain(name: str) -> bytes:
    return BODY.format(name).encode()


READ: dict[str, Callable[[str], bytes]] = {
    "plain": plain,
    "windows": lambda name: codecs.BOM_UTF8 + plain(name).replace(b"\n", b"\r\n"),
    "oldmac": lambda name: plain(name).replace(b"\n", b"\r"),
    "invisible": lambda name: plain(name).replace(b"\n\n", "\n\u200b\xa0\n".encode()),
    "utfsixteen": lambda name: BODY.format(name).encode("utf-16"),
    "utfthirtytwo": lambda name: BODY.format(name).encode("utf-32"),
    "gz": lambda name: gzip.compress(plain(name)),
    "bz": lambda name: bz2.compress(plain(name)),
    "xz": lambda name: lzma.compress(plain(name)),
    "zst": lambda name: zstandard.ZstdCompressor().compress(plain(name)),
    "zip": lambda name: archive({"a.txt": plain(name), "__MACOSX/._a.txt": b"\0"}),
    "wiki": lambda name: "".join(
        f'<doc id="1" title="t">\nt\n{each["text"]}\n</doc>\n' for each in objects_of(name)
    ).encode(),
    "jsonl": lambda name: "\n".join(map(json.dumps, objects_of(name))).encode(),
    "json": lambda name: json.dumps(objects_of(name), indent=1).encode(),
    "parquet": parquet,
}
DUMP = '<mediawiki xml:lang="en">\n<page><title>A</title>\n\n<text>Some text.\n\nMore.</text>\n'
REFUSED: dict[str, tuple[bytes, str]] = {
    "dump.xml": (DUMP.encode(), "a raw MediaWiki dump"),
    "dump.xml.bz2": (bz2.compress(DUMP.encode()), "a raw MediaWiki dump"),
    "page.html": (b"<!doctype html>\n<p>Text.\n\n<p>More.", "an HTML page"),
    "paper.pdf": (b"%PDF-1.5\nText.\n\nMore.", "a PDF file"),
    "picture": (b"\x89PNG\r\n\x1a\n\0\n\nText.", "an image (PNG)"),
    "photo.txt": (b"\xff\xd8\xff\xe1\n\nText.", "an image (JPEG)"),
    "program": (b"\x7fELF\x02\x01\x01\n\nText.", "a program (ELF)"),
    "letter.docx": (archive({"[Content_Types].xml": b"<x/>"}), "an office document (docx"),
    "numbers": (
        b"Text.\n\n" + struct.pack("<99d", *range(99)),
        "a binary file (it has zero bytes)",
    ),
    "texts.tar": (tar("a.txt"), "a tar archive"),
    "texts.tgz": (gzip.compress(tar("a.txt")), "a tar archive"),
    "unmarked.txt": ("Text.\n\nMore.".encode("utf-16-be"), "UTF-16BE text without"),
    "cut.parquet": (parquet("x")[:99], "no whole Parquet file"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    below = tmp_path / "input"
    below.mkdir()
    for name, make in READ.items():
        (below / name).write_bytes(make(name))
    for name, (content, _) in REFUSED.items():
        (below / name).write_bytes(content)
    (below / "book").write_text(book("book"))
    (below / "empty").write_bytes(b"")
    (below / ".hidden").write_text("Hidden.")
    os.mkfifo(below / "pipe")
    return below


def test_each_kind_has_its_outcome(folder: Path):
    for name in READ:
        pieces = text_pieces.list_pieces(TextInput(input=f"{folder}/{name}"))
        documents = [document for piece in pieces for document in text_pieces.read_piece(piece)]
        expected = [part.split("\n") for part in BODY.format(name).strip().split("\n\n")]
        assert documents == expected, name
    for name, (_, kind) in REFUSED.items():
        with pytest.raises(UserError) as raised:
            text_pieces.list_pieces(TextInput(input=f"{folder}/{name}"))
        assert f"{folder}/{name} is {kind}" in str(raised.value)


def test_all_of_them_at_once_by_any_number_of_processes(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = [*BODY.replace(".", " . ").split(), *book("book").split(), *READ]
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIAL_TOKENS, *dict.fromkeys(words)]))
    settings = DatasetSettings(
        text=TextInput(input=str(folder)),
        vocab_file=f"{tmp_path}/vocab.txt",
        output_dir=f"{tmp_path}/by_1",
        heldout_fraction=0.1,
        recipes=(Recipe(max_seq_length=32, max_predictions_per_seq=5),),
    )
    with pytest.raises(UserError, match="is no whole Parquet file"):  # the first one by name
        pretraining_dataset.create(settings)
    settings = dataclasses.replace(settings, on_error="skip")
    (info,) = pretraining_dataset.create(settings)
    said = capsys.readouterr().out
    other = dataclasses.replace(settings, output_dir=f"{tmp_path}/by_2", num_processes=2)
    pretraining_dataset.create(other)
    assert contents(settings.output_dir) == contents(other.output_dir)
    assert info.statistics["documents"] == 2 * len(READ) + 1
    assert info.statistics["unknown_token_rate"] == 0
    assert "input: 1 book, 1 json, 1 jsonl, 1 parquet, 12 plain, 1 wiki\n" in said
    assert "2 hidden file(s) left out" in said  # one of them in the archive
    assert "1 empty file(s)" in said
    assert f"{len(REFUSED)} file(s) left out whole, being no text that can be read" in said
    assert "1 row(s) or object(s) without a text (null)" in said
    assert f"{folder}/dump.xml is a raw MediaWiki dump, not text." in said


def test_a_report_of_what_is_refused_names_the_first_ones(folder: Path):
    report = ReadReport()
    text_pieces.list_pieces(TextInput(input=str(folder)), on_error="skip", report=report)
    assert report.refused_files == len(REFUSED)
    named = [reason.split(" is ")[0].rpartition("/")[2] for reason in report.reasons]
    assert named == sorted(REFUSED)[: len(named)]
