"""The report as a whole: its files, its page, and what it refuses to replace."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mslt_tf.analysis import report
from mslt_tf.errors import UserError
from mslt_tf.report_settings import ReportSettings
from tests import tiny
from tests.analysis import finetuning_folders, run_folders

CURVES = ("loss_by_steps", "loss_by_time", "loss_by_flops")
SVG = "{http://www.w3.org/2000/svg}svg"
ODD_NAME = '<b>a|b</b> "$x$" & _1_ é 漢'


def make(output_dir: Path, **runs: Path) -> Path:
    """Writes a report of runs by their names, and returns its folder."""
    named = tuple(f"{name}={path}" for name, path in runs.items())
    report.write(ReportSettings(runs=named, output_dir=str(output_dir)))
    return output_dir


def body_of(folder: Path) -> ElementTree.Element:
    """Returns what a page shows; it is well-formed enough to be read as XML."""
    html = (folder / "report.html").read_text("utf-8")
    found = re.search("<body>.*</body>", html, re.DOTALL)
    assert found
    return ElementTree.fromstring(found[0].replace("<br>", "<br/>"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two stages."""
    folder = tmp_path_factory.mktemp("runs") / "mslt"
    held_out = {6: 3.2, 10: 3.0}
    return run_folders.write(
        folder, train={4: 3.4, 10: 3.1}, held_out=held_out, **run_folders.TWO_STAGES
    )


@pytest.fixture(scope="module")
def made(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a run whose name is hard on all formats, with a fine-tuning of it."""
    folder = tmp_path_factory.mktemp("reports")
    run_folders.write(run.parent / "other", train={10: 3.0})
    results = finetuning_folders.write(folder / "results", [finetuning_folders.MRPC])
    settings = ReportSettings(
        runs=(f"{ODD_NAME}={run}", f"_hidden={run}/../other"),
        finetuning=(f"{ODD_NAME}={results.path}",),
        output_dir=f"{folder}/report/",
    )
    report.write(settings)
    return folder / "report"


def test_it_is_a_page_a_text_and_a_file_of_each_figure_in_two_forms(made: Path):
    figures = {f"figures/{name}.{form}" for name in CURVES for form in ("png", "svg")}
    names = {"report.html", "report.md", "made_by_mslt_tf.json"}
    assert contents(made).keys() == names | figures


def test_the_page_needs_nothing_else(made: Path):
    html = (made / "report.html").read_text("utf-8")
    assert len(body_of(made).findall(f".//{SVG}")) == len(CURVES)
    assert not re.findall("<(?:script|img|link|iframe|object)|@import|url\\((?!#)", html)
    addresses = set(re.findall(r"https?://[^\s\"'<]*", html))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_figures_in_one_page_do_not_share_ids(made: Path):
    ids = [element.get("id") for element in body_of(made).iter() if element.get("id")]
    assert len(ids) == len(set(ids)) > 0
    html = (made / "report.html").read_text("utf-8")
    assert {*re.findall(r"url\(#([^)]*)\)", html), *re.findall('href="#([^"]*)"', html)} <= {*ids}


def test_odd_names_are_shown_as_they_are(made: Path):
    body = body_of(made)
    assert not body.findall(".//b")
    cells = ["".join(cell.itertext()) for cell in body.iter("th")]
    assert cells.count(ODD_NAME) >= 5  # a row in each table
    in_figures = [text.text for text in body.iter(f"{SVG[:-3]}text")]
    assert in_figures.count(ODD_NAME) == in_figures.count("_hidden (training)") == len(CURVES)
    markdown = (made / "report.md").read_text("utf-8")
    assert "\\<b\\>a\\|b\\</b\\>" in markdown
    assert "<b>" not in markdown


def test_the_text_says_the_same_as_the_page(made: Path):
    markdown = (made / "report.md").read_text("utf-8")
    plain = re.sub(r"\\(.)", r"\1", markdown.replace("<br>", ""))
    body = body_of(made)
    said = [*body.iter("p"), *body.iter("figcaption"), *body.iter("caption"), *body.iter("td")]
    assert len(said) > 40
    for element in said:
        assert "".join(element.itertext()) in plain
    for path in re.findall(r"\]\((.*?)\)", markdown):
        assert (made / path).is_file()


def test_a_report_of_ours_is_replaced_and_nothing_else(tmp_path: Path, run: Path):
    folder = make(tmp_path / "report", first=run)
    half_written = tmp_path / ".report.partial_of_mslt_tf" / "figures" / "loss_by_steps.svg"
    half_written.parent.mkdir(parents=True)
    half_written.touch()
    make(folder, second=run)
    assert "second" in (folder / "report.md").read_text("utf-8")
    (folder / "notes.txt").write_text("mine", "utf-8")
    before = contents(folder)
    with pytest.raises(UserError, match=r"holds notes.txt, not written by this program"):
        make(folder, third=run)
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_folder_of_the_users_is_refused_before_anything_is_read(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "report.html").write_text("mine", "utf-8")
    with pytest.raises(UserError, match=r"mine holds report.html, not written by this program"):
        make(tmp_path / "mine", missing=tmp_path / "missing")
    assert (tmp_path / "mine" / "report.html").read_text("utf-8") == "mine"


@pytest.mark.parametrize("place", ["", "report", "checkpoints/report"])
def test_a_report_in_the_folder_of_a_run_is_refused(tmp_path: Path, run: Path, place: str):
    before = contents(run)
    (tmp_path / "link").symlink_to(run)
    with pytest.raises(UserError, match=r"--output_dir .* lies in .*mslt, whose files are only"):
        make(tmp_path / "link" / place, mslt=run)
    assert contents(run) == before


def test_an_empty_folder_of_the_users_is_refused_and_left(tmp_path: Path, run: Path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError, match="mine is an empty folder that this program did not make"):
        make(tmp_path / "mine", mslt=run)
    assert (tmp_path / "mine").is_dir()


def test_what_to_bear_in_mind_is_said_on_the_terminal_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run_folders.write(tmp_path / "one", train={4: 3.0})
    run_folders.write(tmp_path / "two", train={4: 3.1})
    runs = (f"a={tmp_path}/one", f"a={tmp_path}/two")
    report.write(ReportSettings(runs=runs, output_dir=f"{tmp_path}/report"))
    said = capsys.readouterr().out
    markdown = (tmp_path / "report" / "report.md").read_text("utf-8")
    for note in (
        f"have both seed {tiny.config().seed}. Copies of one run are no seeds",
        "a was not evaluated on held-out records: only training is drawn",
        "a: 2 of 2 not finished, step 4 of 10.",
    ):
        assert note in said
        assert note in markdown


def test_nothing_is_left_where_the_runs_cannot_be_read(tmp_path: Path):
    with pytest.raises(UserError, match="missing is no folder of a run"):
        make(tmp_path / "new" / "report", missing=tmp_path / "missing")
    assert not contents(tmp_path)
