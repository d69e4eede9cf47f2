"""The settings of `mslt_tf.run_report`: which runs are compared, and where the report goes."""

import dataclasses
import os
import re

from mslt_tf.errors import UserError
from mslt_tf.flag_fields import flag_field
from mslt_tf.path_flags import FilePath, FilePaths

HEADS = "4"  # how many are drawn unless told otherwise
MAX_HEADS = 12  # that are drawn; more would not be looked at one by one


@dataclasses.dataclass(frozen=True)
class Head:
    """An attention head, its layer and itself counted from 0."""

    layer: int
    head: int

    def __str__(self) -> str:
        """Returns LAYER.HEAD."""
        return f"{self.layer}.{self.head}"


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
    attention_text: FilePath = flag_field(
        "",
        "A UTF-8 file of one sentence or a few lines, each a sentence, or two segments with a tab "
        "between them. The report then shows where the attention heads of each run look in it.",
    )
    attention_heads: str = flag_field(
        HEADS,
        "Which heads are drawn: LAYER.HEAD counted from 0, with commas, as 0.0,5.3; or how many, "
        "chosen evenly from the first head of the lowest layer to the last of the highest that "
        "all runs have.",
    )
    vocab_file: FilePath = flag_field(
        "",
        "With --attention_text: the vocabulary, where the runs were trained without --vocab_file "
        "or its file has moved.",
    )
    output_dir: FilePath = flag_field(
        "",
        "The folder of the report: report.html, report.md and figures/. A report that is there "
        "already is replaced, with what was changed in its files; any other folder is refused.",
    )

    def __post_init__(self) -> None:
        if not self.runs:
            raise UserError("--runs is not set. Name at least one folder of a run. See --help.")
        if not self.output_dir:
            raise UserError("--output_dir is not set. Name the folder to write.")
        _check_no_repetition("runs", self.named_runs)
        _check_no_repetition("finetuning", self.named_finetunings)
        parse_heads(self.attention_heads)  # raises what is wrong
        if self.attention_heads != HEADS and not self.attention_text:
            raise UserError(
                "--attention_heads needs a text to look into. Name its file by --attention_text."
            )

    @property
    def named_runs(self) -> tuple[NamedFolder, ...]:
        """The folders of --runs with their names."""
        return tuple(_named("runs", text) for text in self.runs)

    @property
    def named_finetunings(self) -> tuple[NamedFolder, ...]:
        """The folders of --finetuning with their names."""
        return tuple(_named("finetuning", text) for text in self.finetuning)

    @property
    def heads(self) -> int | tuple[Head, ...]:
        """How many heads are drawn, or which."""
        return parse_heads(self.attention_heads)


def parse_heads(text: str) -> int | tuple[Head, ...]:
    """Returns how many heads, or which of them, --attention_heads asks for.

    >>> parse_heads("4"), parse_heads("0.0, 5.3")
    (4, (Head(layer=0, head=0), Head(layer=5, head=3)))

    Raises:
        UserError: it is neither, or more than MAX_HEADS.
    """
    words = [word.strip() for word in text.split(",")]
    found = [re.fullmatch(r"([0-9]{1,4})\.([0-9]{1,4})", word) for word in words]
    heads = tuple(dict.fromkeys(Head(int(each[1]), int(each[2])) for each in found if each))
    is_number = re.fullmatch("[0-9]{1,4}", text.strip())
    number = int(text) if is_number else len(heads)
    if not (is_number or all(found)) or not 1 <= number <= MAX_HEADS:
        raise UserError(
            f"--attention_heads is {text!r}, but must be 1 to {MAX_HEADS} heads as LAYER.HEAD with "
            "commas between them, or how many. Give e.g. 0.0,5.3 or 4."
        )
    return number if is_number else heads


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
            "printable characters. Give one of both, with commas between several."
        )
    return NamedFolder(name, path)


def _check_no_repetition(flag: str, folders: tuple[NamedFolder, ...]) -> None:
    seen: set[str] = set()
    for folder in folders:
        path = os.path.realpath(folder.path)  # by a link it is the same run
        if path in seen:
            raise UserError(f"--{flag} names {folder.path} twice. Give each folder once.")
        seen.add(path)
