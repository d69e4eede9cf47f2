"""What reading left out or cut, counted; and whether a mistake in the text ends the reading."""

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal, get_args

from mslt_tf.errors import UserError

OnError = Literal["fail", "skip"]
ON_ERROR = get_args(OnError)
MAX_REASONS = 5


@dataclasses.dataclass
class ReadReport:
    """Counts of what is not as it stands in the input. Picklable; `to_json` for files."""

    hidden_files: int = 0  # below folders, with names that begin with "." or "_"
    empty_files: int = 0
    skipped_lines: int = 0  # not UTF-8, or no JSON object with the field
    skipped_documents: int = 0  # examples of a data set whose text is none
    broken_files: int = 0  # read up to the damage
    cut_lines: int = 0  # longer than a line may be, so taken as several
    cut_documents: int = 0  # longer than a document may be, so taken as several
    cut_sentences: int = 0  # without an end where one should be, so taken as several
    refused_files: int = 0  # of a kind that is no text to read: left out whole
    null_texts: int = 0  # rows of Parquet files and objects of JSON that have none
    own_files: int = 0  # of this program: the vocabulary, records, unfinished work
    repeated_files: int = 0  # other names of files and folders that are read anyway
    special_files: int = 0  # pipes, sockets, devices
    unreadable_files: int = 0
    reasons: list[str] = dataclasses.field(default_factory=list)  # the first few, with file names

    def add(self, other: "ReadReport") -> None:
        """Adds the counts of `other`, e.g. those of the next piece."""
        for field in dataclasses.fields(self):
            if field.name != "reasons":
                total = getattr(self, field.name) + getattr(other, field.name)
                setattr(self, field.name, total)
        self.reasons = (self.reasons + other.reasons)[:MAX_REASONS]

    def to_json(self) -> dict[str, Any]:
        """Returns all counts and the reasons, by name; `ReadReport(**value)` undoes it."""
        return dataclasses.asdict(self)

    def describe(self) -> Iterator[str]:
        """Yields a line for each count that is not zero, then the reasons."""
        for count, what in (
            (self.hidden_files, "hidden file(s) left out: names that begin with . or _"),
            (self.own_files, "file(s) and folder(s) of this program left out"),
            (self.repeated_files, "other name(s) of files and folders left out"),
            (self.special_files, "pipe(s), socket(s) and device(s) left out"),
            (self.unreadable_files, "unreadable file(s) and folder(s) left out"),
            (self.empty_files, "empty file(s)"),
            (self.skipped_lines, "line(s) left out as unreadable"),
            (self.skipped_documents, "document(s) left out as unreadable"),
            (self.broken_files, "damaged file(s), read up to the damage"),
            (self.cut_lines, "line(s) cut into parts, being too long"),
            (self.cut_documents, "document(s) cut into parts, being too long"),
            (self.cut_sentences, "text(s) without sentence ends cut at blanks or at a length"),
            (self.refused_files, "file(s) left out whole, being no text that can be read"),
            (self.null_texts, "row(s) or object(s) without a text (null)"),
        ):
            if count:
                yield f"{count:,} {what}"
        yield from self.reasons


class Leniency:
    """Raises, or notes in the report, what is wrong with a text.

    Attributes:
        report: the counts so far.
        broken: whether a file ended before its time, so that what stands last is incomplete.
    """

    def __init__(self, on_error: OnError, report: ReadReport) -> None:
        """Takes "fail" to raise a UserError at the first mistake, "skip" to go on without it.

        Raises:
            ValueError: `on_error` is another word.
        """
        if on_error not in ON_ERROR:
            raise ValueError(f"on_error is {on_error!r}, not one of {ON_ERROR}")
        self._fails = on_error == "fail"
        self.report = report
        self.broken = False

    def skip_line(self, reason: str) -> None:
        """Leaves out one line of a file."""
        self._note(reason)
        self.report.skipped_lines += 1

    def skip_document(self, reason: str) -> None:
        """Leaves out one example of a data set."""
        self._note(reason)
        self.report.skipped_documents += 1

    def skip_file(self, reason: str) -> None:
        """Leaves out a file, or a member of an archive, before anything of it is read."""
        self._note(reason, " --on_error=skip leaves such files out.")
        self.report.refused_files += 1

    def skip_rest(self, reason: str) -> None:
        """Leaves out the rest of a file, or of the piece of it that is being read."""
        self._note(reason)
        self.report.broken_files += 1
        self.broken = True

    def _note(self, reason: str, way_out: str = "") -> None:
        if self._fails:
            raise UserError(reason + way_out)
        if len(self.report.reasons) < MAX_REASONS:
            self.report.reasons.append(reason)
