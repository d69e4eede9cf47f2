"""The main path of a report: runs are read, compared, drawn and written."""

import datetime
import os
import re
from collections.abc import Sequence

import tensorflow as tf

from mslt_tf.analysis import (
    comparison,
    curves,
    drawing,
    html_page,
    markdown_page,
    overview,
    runs,
    scores,
    speed,
)
from mslt_tf.analysis.attention import chosen_heads, snapshots
from mslt_tf.analysis.attention import section as attention_section
from mslt_tf.analysis.attention import text as attention_text
from mslt_tf.analysis.comparison import Group
from mslt_tf.analysis.section import Section
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, new_file, published_folder
from mslt_tf.report_settings import NamedFolder, ReportSettings
from mslt_tf.terminal import say

KIND = "report"  # as the folder's mark calls it
TITLE = "Pretraining runs compared"
HTML_FILE, MARKDOWN_FILE, FIGURES = "report.html", "report.md", "figures"
_FILES = re.compile(
    r"report\.(html|md)|figures/[a-z0-9_]+\.(png|svg)|figures/|made_by_mslt_tf\.json"
)


def write(settings: ReportSettings) -> None:
    """Reads the runs and writes the report, whole or not at all.

    Raises:
        UserError: a folder is no run, runs cannot be compared, or something that is not ours lies
            where the report goes, or the runs cannot read the text of --attention_text.
    """
    path = settings.output_dir.rstrip("/") or "/"
    _check_place(path, (*settings.named_runs, *settings.named_finetunings))
    lines = attention_text.read(settings.attention_text) if settings.attention_text else ()
    found = [runs.read(folder, report=say) for folder in settings.named_runs]
    groups = comparison.group(found)
    results = scores.read_all(settings.named_finetunings)
    attention = _read_attention(lines, groups, settings) if lines else None
    sections = [overview.section(groups), curves.section(groups), speed.section(groups)]
    if results:
        sections.append(scores.section(results, groups))
    if attention:
        sections.append(attention_section.section(attention, settings.heads))
    for note in (note for each in sections for note in each.notes):
        say(f"note: {note}")
    published_folder.publish(
        path,
        KIND,
        lambda folder: write_files(folder, sections),
        owns=owns,
        advice="Mend that and make the report again.",
    )
    say(f"done: {os.path.join(path, HTML_FILE)}")


def _read_attention(
    lines: Sequence[str], groups: Sequence[Group], settings: ReportSettings
) -> snapshots.Attention:
    models = [each.first.settings.model for each in groups]
    sizes = [(model.num_hidden_layers, model.num_attention_heads) for model in models]
    chosen_heads.check(settings.heads, sizes)  # before checkpoints are evaluated
    found = snapshots.read(lines, groups, settings.vocab_file, report=say)
    newest = [run.newest for run in found.runs]
    chosen_heads.check(settings.heads, [(each.num_layers, each.num_heads) for each in newest])
    return found


def owns(path: str) -> bool:
    """Returns whether a report has a file of this relative path."""
    return bool(_FILES.fullmatch(path))


def write_files(folder: str, sections: Sequence[Section]) -> None:
    """Writes the files of a report into a folder that is not there yet.

    Raises:
        tensorflow.errors.OpError: one cannot be written.
    """
    tf.io.gfile.makedirs(os.path.join(folder, FIGURES))
    svgs = {}
    for figure in (figure for each in sections for figure in each.figures):
        svgs[figure.name] = drawing.svg(figure.drawing)
        path = os.path.join(folder, FIGURES, figure.name)
        _write(f"{path}.svg", svgs[figure.name])
        _write(f"{path}.png", drawing.png(figure.drawing))
    made = f"Made {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC by mslt_tf.run_report."
    html = html_page.page(TITLE, made, sections, svgs)
    markdown = markdown_page.page(TITLE, made, sections, figures=FIGURES)
    _write(os.path.join(folder, HTML_FILE), html.encode())
    _write(os.path.join(folder, MARKDOWN_FILE), markdown.encode())


def _write(path: str, content: bytes) -> None:
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(content)


def _check_place(path: str, folders: Sequence[NamedFolder]) -> None:
    """Checks that the report can be written to where it goes, before the runs are read."""
    for folder in (os.path.realpath(folder.path) for folder in folders):
        if os.path.commonpath([os.path.realpath(path), folder]) == folder:
            raise UserError(
                f"--output_dir {path} lies in {folder}, whose files are only read. Give another "
                "folder for the report."
            )
    with file_errors.naming(f"--output_dir {path} cannot be written to", "Give another folder."):
        new_file.make_parent(path)
    published_folder.check_place(path, KIND, owns)
