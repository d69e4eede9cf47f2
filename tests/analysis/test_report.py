"""The report as a whole: its files, and what it refuses."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from mslt_tf.analysis import report
from mslt_tf.report_settings import ReportSettings
from tests.analysis import run_folders


def make(tmp_path: Path, *runs: str) -> Path:
    """Writes a report of runs, by their names in a folder, and returns its folder."""
    entries = tuple(
        f"{name}{equals}{tmp_path / (folder or name)}" if equals else str(tmp_path / name)
        for name, equals, folder in (run.partition("=") for run in runs)
    )
    report.write(ReportSettings(runs=entries, output_dir=str(tmp_path / "report")))
    return tmp_path / "report"


@pytest.fixture
def two_runs(tmp_path: Path) -> None:
    """A run of two stages and one that is not finished."""
    held_out = {6: 3.2, 10: 3.0}
    flags = run_folders.TWO_STAGES
    run_folders.write(tmp_path / "mslt", train={4: 3.4, 10: 3.1}, held_out=held_out, **flags)
    run_folders.write(tmp_path / "original", train={2: 3.3, 4: 3.2}, method="original")


@pytest.mark.usefixtures("two_runs")
def test_it_is_one_page_and_a_file_of_each_figure_in_two_forms(tmp_path: Path):
    folder = make(tmp_path, "mslt", "original")
    names = {path.name for path in folder.rglob("*.*")} - {"made_by_mslt_tf.json"}
    curves = ["loss_by_steps", "loss_by_time", "loss_by_flops"]
    figures = {f"{name}.{form}" for name in curves for form in ("png", "svg")}
    assert names == {"report.html", "report.md"} | figures
    html = (folder / "report.html").read_text("utf-8")
    page = ElementTree.fromstring(html.partition("<body>")[2].join(["<body>", ""])[:-8])
    assert len(page.findall(".//{http://www.w3.org/2000/svg}svg")) == len(curves)
    ids = [element.get("id") for element in page.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert "http" not in html.replace("http://www.w3.org/", "")
    assert "<script" not in html
