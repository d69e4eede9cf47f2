"""The settings of `mslt_tf.run_report`: which runs are compared, and where the report goes."""

import dataclasses
import os

from mslt_tf.errors import UserError
from mslt_tf.flag_fields import flag_field
from mslt_tf.path_flags import FilePath, FilePaths


@dataclasses.dataclass(frozen=True)
class NamedFolder:
    """A folder, and the name that it has in the report."""

    name: str
    path: str


@dataclasses.dataclass(frozen=True)
class ReportSettings:
    """Everything that the program is told."""

    runs: FilePaths = flag_field(
        (),
        "Folders of runs, finished or not, in the order of the report: FOLDER, or NAME=FOLDER. "
        "Without a name, the last part of the path is taken. Runs of one name are seeds of the "
        "same thing: one curve of their mean, and medians in tables.",
    )
    finetuning: FilePaths = flag_field(
        (),
        "Output folders of run_finetuning, FOLDER or NAME=FOLDER. Those with the name of a run "
        "stand beside its steps and time.",
    )
    output_dir: FilePath = flag_field(
        "",
        "The folder of the report: report.html, report.md and figures/. A report that is there "
        "already is replaced; any other folder is refused.",
    )

    def __post_init__(self) -> None:
        if not self.runs:
            raise UserError("--runs is not set. Name at least one folder of a run. See --help.")
        if not self.output_dir:
            raise UserError("--output_dir is not set. Name the folder to write.")
        _check_no_repetition("runs", self.named_runs)
        _check_no_repetition("finetuning", self.named_finetunings)

    @property
    def named_runs(self) -> tuple[NamedFolder, ...]:
        """The folders of --runs with their names."""
        return tuple(_named("runs", text) for text in self.runs)

    @property
    def named_finetunings(self) -> tuple[NamedFolder, ...]:
        """The folders of --finetuning with their names."""
        return tuple(_named("finetuning", text) for text in self.finetuning)


def _named(flag: str, text: str) -> NamedFolder:
    """Returns the folder that FOLDER or NAME=FOLDER means; the name ends at the first =.

    >>> _named("runs", "mslt=runs/a"), _named("runs", "runs/b/")
    (NamedFolder(name='mslt', path='runs/a'), NamedFolder(name='b', path='runs/b'))
    """
    name, has_name, path = text.partition("=")
    path = os.path.expanduser(path if has_name else text)
    path = path.rstrip("/") or path[:1]
    name = name.strip() if has_name else os.path.basename(path)
    if not path or not name or not name.isprintable():
        raise UserError(
            f"--{flag} has {text!r}, which is neither FOLDER nor NAME=FOLDER with a name of "
            "printable characters. Give one of both."
        )
    return NamedFolder(name, path)


def _check_no_repetition(flag: str, folders: tuple[NamedFolder, ...]) -> None:
    seen: set[str] = set()
    for folder in folders:
        path = os.path.normpath(folder.path)
        if path in seen:
            raise UserError(f"--{flag} names {folder.path} twice. Give each folder once.")
        seen.add(path)
