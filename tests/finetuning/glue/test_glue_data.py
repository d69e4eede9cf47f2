"""GLUE's files: as other readers have them, their traps, and what is told of wrong ones."""

import csv

import pytest
import tensorflow_datasets as tfds

from mslt_tf.errors import UserError
from mslt_tf.finetuning.glue import glue_data, glue_tasks
from mslt_tf.finetuning.glue.glue_data import Example
from tests import real_text

MRPC_HEADER = b"Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
QQP_HEADER = b"id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
STSB_HEADER = b"index\tsentence1\tsentence2\tscore\n"


def read(folder, name, split, report=None):
    def refuse(line):
        raise AssertionError(line)

    task = glue_tasks.find(name)
    return glue_data.read(task, split, str(folder), report=report or refuse)


@pytest.fixture
def write(tmp_path):
    """Writes the content of a split's file; returns --glue_dir."""

    def write_split(name, split, content):
        path = tmp_path / glue_tasks.find(name).splits[split].file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return tmp_path

    return write_split


def told(folder, name, split):
    with pytest.raises(UserError) as caught:
        read(folder, name, split)
    return str(caught.value)


def as_ours(task, split, label):
    """Returns a label of tensorflow-datasets as a place or a score."""
    if split.startswith("test"):
        return None
    if task.is_regression:
        return pytest.approx(label, rel=1e-6)  # theirs is rounded to float32
    return task.label_names.index(label) if label in task.label_names else label


REAL = {
    "cola": {"train": 8551, "dev": 1043, "test": 1063},
    "sst2": {"dev": 872, "test": 1821},
    "stsb": {"train": 5749, "dev": 1500, "test": 1379},
    "qqp": {"dev": 2320},
    "mnli": {"dev_matched": 1000},
    "qnli": {"dev": 5463, "test": 5463},
    "wnli": {"train": 635, "dev": 71, "test": 146},
}


@pytest.mark.parametrize(
    ("name", "split"), [(name, split) for name, splits in REAL.items() for split in splits]
)
def test_a_real_file_is_as_tensorflow_datasets_reads_it(name, split, tmp_path):
    folder = real_text.path("glue")
    task = glue_tasks.find(name)
    builder = tfds.text.Glue(config=name, data_dir=str(tmp_path))
    theirs = [
        example
        for _, example in builder._generate_examples(
            str(folder / task.splits[split].file), split, None
        )
    ]
    ours = read(folder, name, split)
    assert len(ours) == len(theirs) == REAL[name][split]
    texts = list(builder.builder_config.text_features)
    for example, reference in zip(ours, theirs, strict=True):
        assert example.index == reference["idx"]
        assert example.text == reference[texts[0]]
        assert example.text_pair == (reference[texts[1]] if len(texts) == 2 else None)
        assert example.label == as_ours(task, split, reference["label"])


@pytest.mark.parametrize(("split", "num_rows"), [("train", 3668), ("dev", 408), ("test", 1725)])
def test_quotes_of_mrpc_are_letters_and_its_byte_order_mark_is_none(split, num_rows):
    folder = real_text.path("glue")
    with open(folder / f"MRPC/{split}.tsv", encoding="utf-8-sig", newline="\n") as file:
        theirs = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    ours = read(folder, "mrpc", split)
    assert len(ours) == len(theirs) == num_rows
    assert [(e.text, e.text_pair) for e in ours] == [
        (row["#1 String"], row["#2 String"]) for row in theirs
    ]
    if split != "test":
        assert [e.label for e in ours] == [int(row["Quality"]) for row in theirs]
    assert sum(e.text.startswith('"') or e.text_pair.startswith('"') for e in ours) > 40


def test_each_label_occurs_in_a_real_file():
    folder = real_text.path("glue")
    for name in ("cola", "mrpc", "mnli", "qnli", "wnli"):
        task = glue_tasks.find(name)
        found = {example.label for example in read(folder, name, task.dev_splits[0])}
        assert found == set(range(len(task.labels)))


def test_what_looks_like_csv_or_a_line_end_is_text(write):
    rows = '1\t1\t2\t"He said ""no\t" end"\n0\t3\t4\tone\u2028line\x0b\x85\tb\\"\n'
    folder = write("mrpc", "dev", b"\xef\xbb\xbf" + MRPC_HEADER + rows.encode())
    assert read(folder, "mrpc", "dev") == [
        Example(0, '"He said ""no', '" end"', 1),
        Example(1, "one\u2028line\x0b\x85", 'b\\"', 0),
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("is_ended", [True, False])
def test_line_ends_do_not_matter(write, end, is_ended):
    lines = (b"index\tsentence1\tsentence2\tscore", b"7\ta \tb\t2.5", b"9\tc\td\t5")
    content = end.join(lines) + (end if is_ended else b"")
    expected = [Example(0, "a ", "b", 2.5), Example(1, "c", "d", 5.0)]
    assert read(write("stsb", "dev", content), "stsb", "dev") == expected


def test_columns_are_found_by_name_wherever_they_stand(write):
    content = b"score\tnew\tsentence2\tindex\tsentence1\n0.25\tx\tb\t0\ta\n"
    assert read(write("stsb", "dev", content), "stsb", "dev") == [Example(0, "a", "b", 0.25)]


def test_cola_has_no_header_but_for_its_test_file(write):
    folder = write("cola", "dev", b"gj04\t0\t*\tThem left.\n")
    write("cola", "test", b"index\tsentence\n1\tb\n0\ta\n")
    assert read(folder, "cola", "dev") == [Example(0, "Them left.", None, 0)]
    assert read(folder, "cola", "test") == [
        Example(1, "b", None, None),
        Example(0, "a", None, None),
    ]


def test_the_diagnostic_has_its_labels_in_a_file_of_its_own(write):
    header = (
        b"Lexical Semantics\tPredicate-Argument Structure\tLogic\tKnowledge\tDomain\tPremise\t"
        b"Hypothesis\tLabel\n"
    )
    folder = write("ax", "dev", header + b"\t\tNegation\t\tArtificial\ta\tb\tcontradiction\n")
    write("ax", "test", b"index\tsentence1\tsentence2\n0\ta\tb\n")
    assert read(folder, "ax", "dev") == [Example(0, "a", "b", 2)]
    assert read(folder, "ax", "test") == [Example(0, "a", "b", None)]


def test_a_label_in_a_test_file_is_not_read(write):
    folder = write("sst2", "test", b"index\tsentence\tlabel\n0\ta\t\n1\tb\tnonsense\n")
    assert [example.label for example in read(folder, "sst2", "test")] == [None, None]


def test_a_blank_text_stays_beside_another(write):
    folder = write("qqp", "dev", QQP_HEADER + b"1\t2\t3\tWhat?\t\t0\n4\t5\t6\t \tWho?\t1\n")
    assert read(folder, "qqp", "dev") == [Example(0, "What?", "", 0), Example(1, " ", "Who?", 1)]


def test_rows_of_qqp_that_a_line_end_tears_are_passed_over_and_told(write):
    whole = b"".join(b"%d\t2\t3\ta%d\tb\t1\n" % (i, i) for i in range(200))
    torn = b"7\t2\t3\ta\n"
    told = []
    folder = write("qqp", "train", QQP_HEADER + torn + b"more\tb\t1\n" + whole)
    examples = read(folder, "qqp", "train", told.append)
    assert [example.text for example in examples] == [f"a{i}" for i in range(200)]
    assert [example.index for example in examples] == list(range(200))
    (line,) = told
    assert "torn rows: 2, " in line
    assert "QQP/train.tsv:2." in line


def test_more_torn_rows_than_qqp_has_are_another_file(write):
    content = QQP_HEADER + b"1\t2\t3\ta\tb\t1\n" * 200 + b"1\t2\n" * 3
    message = told(write("qqp", "train", content), "qqp", "train")
    assert "200 whole rows" in message
    assert ": 3, the first" in message
    assert "train.tsv:202" in message
    assert ": 1, the first" in told(write("qqp", "dev", QQP_HEADER + b"torn\n"), "qqp", "dev")


def test_torn_rows_of_a_test_file_are_an_error(write):
    whole = b"".join(b"%d\ta\tb\n" % i for i in range(300))
    content = b"id\tquestion1\tquestion2\n" + whole + b"300\ta\n"
    assert "test.tsv:302 must have 3 fields between tabs, and has 2." in told(
        write("qqp", "test", content), "qqp", "test"
    )


@pytest.mark.parametrize(
    ("name", "split", "content", "messages"),
    [
        ("stsb", "dev", b"", ["dev.tsv is empty"]),
        ("stsb", "dev", b"\n", ["dev.tsv:1", "'sentence1' once", "0 times"]),
        ("stsb", "dev", STSB_HEADER, ["dev.tsv has no rows"]),
        (
            "stsb",
            "dev",
            STSB_HEADER + b"0\ta\tb\n",
            ["dev.tsv:2", "must have 4", "has 3.", "'score'"],
        ),
        ("stsb", "dev", STSB_HEADER + b"0\ta\tb\t1\n\n", ["dev.tsv:3", "has 1."]),
        ("stsb", "dev", STSB_HEADER + b"0\ta\tb\t1\tc\n", ["dev.tsv:2", "has 5."]),
        ("stsb", "dev", STSB_HEADER + b"0\ta\tb\t\n", ["dev.tsv:2 has no label"]),
        ("stsb", "dev", STSB_HEADER + b"0\t \t\t1\n", ["dev.tsv:2 has no text"]),
        ("stsb", "dev", STSB_HEADER + b"0\ta\tb\t5.01\n", ["dev.tsv:2", "'5.01'", "0 to 5"]),
        ("stsb", "dev", STSB_HEADER + b"0\ta\tb\tnan\n", ["dev.tsv:2", "'nan'", "0 to 5"]),
        ("stsb", "dev", STSB_HEADER + b"0\ta\tb\t-0\n", ["'-0'"]),
        ("stsb", "dev", STSB_HEADER + b"0\ta\tb\t1_0\n", ["'1_0'"]),
        ("stsb", "dev", STSB_HEADER.replace(b"2", b"1"), ["'sentence1' once", "2 times"]),
        ("mrpc", "dev", MRPC_HEADER + b"1\t1\t2\ta\t\xff\n", ["dev.tsv:2 is no UTF-8"]),
        ("mrpc", "dev", b"\xff" + MRPC_HEADER, ["dev.tsv:1 is no UTF-8"]),
        ("mrpc", "dev", MRPC_HEADER + b"2\t1\t2\ta\tb\n", ["dev.tsv:2", "'2'", "one of 0, 1"]),
        ("mrpc", "dev", MRPC_HEADER + b"1 \t1\t2\ta\tb\n", ["'1 '"]),
        ("mrpc", "dev", MRPC_HEADER.replace(b"\n", b"\r"), ["no rows"]),
        ("cola", "train", b"source\tlabel\tmark\tsentence\n", ["train.tsv:1", "'label'"]),
        ("rte", "dev", b"index\tsentence1\tsentence2\tlabel\n0\ta\tb\tneutral\n", ["'neutral'"]),
        ("wnli", "test", b"index\tsentence1\tsentence2\nx\ta\tb\n", ["test.tsv:2", "index 'x'"]),
        ("wnli", "test", b"index\tsentence1\tsentence2\n-1\ta\tb\n", ["'-1'"]),
        ("wnli", "test", b"index\tsentence1\tsentence2\n0\ta\tb\n0\ta\tb\n", ["0 is double"]),
        ("wnli", "test", b"index\tsentence1\tsentence2\n0\ta\tb\n2\ta\tb\n", ["1 is absent"]),
        ("sst2", "test", b"sentence\nword\n", ["'index' once", "0 times", "'sentence'"]),
    ],
)
def test_a_wrong_file_is_told_with_its_place_and_a_way_out(write, name, split, content, messages):
    message = told(write(name, split, content), name, split)
    for part in messages:
        assert part in message
    assert message.endswith("mend it.")


def test_a_field_of_any_length_makes_a_short_message(write):
    message = told(write("stsb", "dev", STSB_HEADER + b"0\ta\tb\t" + b"9" * 10**6), "stsb", "dev")
    assert len(message) < 400


def test_a_missing_split_is_told_with_the_folders_that_must_be_there(write, tmp_path):
    write("mnli", "train", b"")
    message = told(tmp_path, "mnli", "dev_mismatched")
    assert message.startswith(f"--glue_dir {tmp_path} lacks MNLI/dev_mismatched.tsv. Give ")
    assert "CoLA, MNLI, MRPC, QNLI, QQP, RTE, SST-2, STS-B, WNLI, diagnostic" in message


def test_splits_are_there_or_not(write, tmp_path):
    write("mnli", "train", b"")
    (tmp_path / "MNLI/dev_matched.tsv").mkdir()
    mnli = glue_tasks.find("mnli")
    there = [split for split in mnli.splits if glue_data.has(mnli, split, str(tmp_path))]
    assert there == ["train"]
