"""What is told of submissions that are wrong, whoever made them."""

import io
import random
import struct
import tracemalloc
import zipfile

import pytest

from mslt_tf.errors import UserError
from mslt_tf.finetuning.glue.glue_submission_check import validate
from tests import real_text
from tests.finetuning.glue.submissions import right_texts, write_zip


@pytest.fixture
def faults_of(tmp_path):
    """Returns what is told of a zip file of the right texts with changes; None takes one out."""

    def find(changes, compression=zipfile.ZIP_DEFLATED):
        texts = {k: v for k, v in (right_texts() | changes).items() if v is not None}
        path = write_zip(tmp_path / "submission.zip", texts, compression)
        return validate(path, str(tmp_path / "no_glue_dir"))

    return find


def wnli(*, header="index\tprediction", rows=146, changed=None, end="\n"):
    lines = [header] + [f"{i}\t1" for i in range(rows)]
    for row, line in (changed or {}).items():
        lines[row + 1] = line
    return end.join([*lines, ""])


def test_of_the_real_submission_the_old_qnli_is_told_and_nothing_else(tmp_path):
    folder = real_text.path("glue_submission")
    texts = {path.name: path.read_text() for path in folder.iterdir()}
    path = write_zip(tmp_path / "s.zip", texts)
    for glue_dir in (str(real_text.path("glue")), str(tmp_path)):
        (fault,) = validate(path, glue_dir)
        assert fault == "QNLI.tsv: it has 5,740 rows below its header, and must have 5,463."


def test_no_glue_dir_is_not_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "WNLI").mkdir()
    (tmp_path / "WNLI/test.tsv").write_text("nonsense")
    monkeypatch.chdir(tmp_path)
    assert validate(write_zip(tmp_path / "s.zip", right_texts()), "") == []


def test_stored_files_are_as_good(faults_of):
    assert faults_of({}, zipfile.ZIP_STORED) == []


def test_a_last_line_may_lack_its_end(faults_of):
    assert faults_of({"WNLI.tsv": wnli().removesuffix("\n")}) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["line 1 is ''", "0 rows below its header, and must have 146"]),
        (wnli(rows=145), ["145 rows below its header, and must have 146"]),
        (wnli(rows=147), ["147 rows below its header, and must have 146"]),
        (wnli(header="id\tlabel"), ["line 1 is 'id\\tlabel', and must be 'index\\tprediction'"]),
        ("\ufeff" + wnli(), ["line 1 is '\\ufeffindex"]),
        (wnli(end="\r\n"), ["CR LF"]),
        (wnli(changed={3: "3\tentailment"}), ["line 5 says 'entailment', and must say one of 0, "]),
        (wnli(changed={0: "0\t2"}), ["line 2 says '2'"]),
        (wnli(changed={0: "0\t1.0"}), ["line 2 says '1.0'"]),
        (wnli(changed={0: "0\t"}), ["line 2 says ''"]),
        (wnli(changed={7: "7"}), ["line 9 is '7', and must be an index, a tab"]),
        (wnli(changed={7: "7\t1\t"}), ["line 9 is '7\\t1\\t'"]),
        (wnli(changed={7: ""}), ["line 9 is ''"]),
        (
            wnli(changed={1: "2\t1", 2: "1\t1"}),
            ["line 3 has the index '2', and must have 1", "line 4 has the index '1'"],
        ),
        (wnli(changed={0: "00\t1"}), ["line 2 has the index '00'"]),
        (wnli(changed={5: "5\t" + "9" * 5000}), ["line 7 says '9999"]),
    ],
)
def test_a_fault_in_a_file_is_told_with_its_line(faults_of, text, expected):
    faults = faults_of({"WNLI.tsv": text})
    assert len(faults) == len(expected)
    for fault, part in zip(faults, expected, strict=True):
        assert fault.startswith("WNLI.tsv: ")
        assert part in fault
        assert len(fault) < 300


@pytest.mark.parametrize("word", ["5.001", "-0.1", "nan", "1e0", "", "1_0", "٣", "entailment"])
def test_a_score_is_a_number_of_0_to_5(faults_of, word):
    text = right_texts()["STS-B.tsv"].replace("0\t0.000\n", f"0\t{word}\n", 1)
    (fault,) = faults_of({"STS-B.tsv": text})
    assert f"line 2 says {word!r}, and must say a number of 0 to 5" in fault


def test_labels_of_another_task_are_told_and_many_faults_are_counted(faults_of):
    faults = faults_of({"RTE.tsv": right_texts()["AX.tsv"]})
    assert "1,104 rows" in faults[0]
    assert all(
        f"line {line} says" in fault
        for line, fault in zip((3, 4, 6, 7, 9), faults[1:6], strict=True)
    )
    assert len(faults) == 7
    assert faults[-1] == "RTE.tsv: There are 731 more of this kind."  # 736 of 1104 are not RTE's


def test_missing_foreign_and_nested_files_are_told(faults_of):
    nested = right_texts()["AX.tsv"]
    faults = faults_of({"AX.tsv": None, "sub/AX.tsv": nested, "../x": "", "/etc/y": "", "a\\b": ""})
    assert len(faults) == 5
    assert faults[0].startswith("AX.tsv is missing")
    assert faults[1].startswith("It has files of a submission in a folder. Zip the files themselv")
    for name in ("'../x'", "'/etc/y'", "'a\\\\b'"):
        assert any(fault.startswith(f"{name} is no file of a submission") for fault in faults)


def test_a_name_that_ends_early_is_not_the_right_one(tmp_path):
    path = write_zip(tmp_path / "s.zip", right_texts() | {"AX.tsv": "", "WNLI.tsvX": wnli()})
    content = (tmp_path / "s.zip").read_bytes().replace(b"WNLI.tsvX", b"WNLI.tsv\0")
    (tmp_path / "s.zip").write_bytes(content)
    assert any(r"'WNLI.tsv\x00' is no file" in fault for fault in validate(path, str(tmp_path)))


def test_a_doubled_file_is_told(tmp_path):
    path = tmp_path / "s.zip"
    write_zip(path, right_texts())
    with (
        zipfile.ZipFile(path, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("WNLI.tsv", wnli())
    assert validate(str(path), "") == ["WNLI.tsv is there 2 times. Leave one."]


def test_what_unpacks_to_much_is_not_unpacked(tmp_path):
    path = write_zip(tmp_path / "bomb.zip", {"WNLI.tsv": bytes(64 << 20)})
    validate(path, "")  # what is made once
    tracemalloc.start()
    try:
        fault = validate(path, "")[-1]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "it has more than 9,408 bytes" in fault
    assert peak < 4 << 20


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_told(faults_of, compression):
    faults = faults_of({}, compression)
    assert len(faults) == 11
    assert all("compressed otherwise than by Deflate" in fault for fault in faults)


def test_an_encrypted_file_is_told(tmp_path):
    path = tmp_path / "s.zip"
    write_zip(path, right_texts())
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"WNLI.tsv") - 46  # of the central directory
    struct.pack_into("<H", content, entry + 8, 1)
    path.write_bytes(content)
    (fault,) = validate(str(path), "")
    assert fault == "WNLI.tsv: it is encrypted. Write it anew."


def test_a_place_beyond_any_file_is_told(tmp_path):
    path = tmp_path / "s.zip"
    with zipfile.ZipFile(path, "w") as archive:
        entry = zipfile.ZipInfo("WNLI.tsv")
        archive.writestr(entry, wnli())
        entry.extra = struct.pack("<HHQ", 1, 8, 2**64 - 1)  # the real place, of 64 bits
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.rindex(b"WNLI.tsv") - 4, 2**32 - 1)
    path.write_bytes(content)
    assert validate(str(path), "")[-1] == "WNLI.tsv: it is damaged or cut off. Write it anew."


def test_a_file_that_is_no_text_is_told(faults_of):
    (fault,) = faults_of({"WNLI.tsv": b"\xff\xfe"})
    assert fault == "WNLI.tsv: it is no UTF-8 text. Write it anew."


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04" + bytes(100), b"PK\5\6" * 9])
def test_what_is_no_zip_file_is_told(tmp_path, content):
    path = tmp_path / "s.zip"
    path.write_bytes(content)
    (fault,) = validate(str(path), "")
    assert fault == "It is no zip file, or it is damaged or cut off. Write it anew."


def test_damage_anywhere_is_told_and_never_breaks(tmp_path):
    content = io.BytesIO()
    small = {name: text[:200] for name, text in right_texts().items()}
    write_zip(content, small)
    intact = content.getvalue()
    path = tmp_path / "s.zip"
    path.write_bytes(intact)
    expected = validate(str(path), "")
    changed = 0
    for seed in range(400):
        damaged = bytearray(intact)
        chosen = random.Random(seed)
        for _ in range(chosen.choice((1, 1, 8))):
            damaged[chosen.randrange(len(damaged))] = chosen.randrange(256)
        path.write_bytes(damaged[: chosen.choice((len(damaged), chosen.randrange(len(damaged))))])
        faults = validate(str(path), "")
        assert faults
        changed += faults != expected
    assert changed > 200


def test_a_missing_and_a_huge_zip_file_are_errors(tmp_path):
    with pytest.raises(UserError, match=r"gone\.zip cannot be read"):
        validate(str(tmp_path / "gone.zip"), "")
    with open(tmp_path / "huge.zip", "wb") as file:
        file.truncate(17 << 20)
    with pytest.raises(UserError, match="has 17,825,792 bytes"):
        validate(str(tmp_path / "huge.zip"), "")


def test_an_old_or_a_damaged_test_file_is_told(tmp_path):
    path = write_zip(tmp_path / "s.zip", right_texts())
    (tmp_path / "WNLI").mkdir()
    test_file = tmp_path / "WNLI/test.tsv"
    header = "index\tsentence1\tsentence2\n"
    rows = [f"{i}\ta\tb\n" for i in range(147)]
    test_file.write_text(header + "".join(rows[:146]))
    assert validate(path, str(tmp_path)) == []
    test_file.write_text(header + "".join(rows))
    (fault,) = validate(path, str(tmp_path))
    assert "WNLI.tsv: its test file WNLI/test.tsv in --glue_dir has 147 rows, GLUE's has" in fault
    test_file.write_text(header + rows[0] + "1\n")
    (fault,) = validate(path, str(tmp_path))
    assert f"cannot be compared with its test file: {test_file}:3 must have 3 fields" in fault
