"""Which runs may stand in one report: seeds of the same thing, and things that can be compared."""

import dataclasses
import itertools
from collections.abc import Sequence

from mslt_tf.analysis.runs import Evaluation, Run, RunSettings
from mslt_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs of one name: seeds of the same thing."""

    name: str
    runs: tuple[Run, ...]  # at least one; their settings are the same but for the seed

    @property
    def first(self) -> Run:
        """The run that speaks for the others where they do not differ."""
        return self.runs[0]

    @property
    def counted(self) -> tuple[Run, ...]:
        """The finished ones, or all where none is: a seed half way says little of the end."""
        return tuple(run for run in self.runs if run.is_finished) or self.runs

    @property
    def step(self) -> int:
        """The last step that any of them has done."""
        return max(run.step for run in self.runs)

    @property
    def is_finished(self) -> bool:
        """Whether all runs have done all steps."""
        return all(run.is_finished for run in self.runs)

    @property
    def has_finished(self) -> bool:
        """Whether one of the runs has done all steps."""
        return any(run.is_finished for run in self.runs)

    @property
    def state(self) -> str:
        """Whether they are finished, in words."""
        if self.is_finished:
            return "finished"
        steps = [run.step for run in self.runs if not run.is_finished]
        of_all = f"{len(steps)} of {len(self.runs)} " if len(self.runs) > 1 else ""
        return f"{of_all}not finished, step {min(steps):,} of {self.first.plan.num_steps:,}"


def group(runs: Sequence[Run]) -> tuple[Group, ...]:
    """Returns the runs by name, in their order.

    Raises:
        UserError: runs of one name differ in their settings, or the losses of two runs cannot be
            compared as vocabulary or held-out records differ; both are named.
    """
    for first, other in itertools.combinations(runs, 2):  # some tell less of themselves
        _check_comparable(first, other)
    by_name: dict[str, list[Run]] = {}
    for run in runs:
        by_name.setdefault(run.name, []).append(run)
    for same in by_name.values():
        for run in same[1:]:
            _check_seeds(same[0], run)
    return tuple(Group(name, tuple(same)) for name, same in by_name.items())


def _check_seeds(first: Run, other: Run) -> None:
    for name in (field.name for field in dataclasses.fields(RunSettings) if field.name != "seed"):
        if getattr(first.settings, name) != getattr(other.settings, name):
            raise UserError(
                f"{first.folder} and {other.folder} are both called {first.name}, but differ in "
                f"their {name}. Runs of one name are seeds of the same thing: give them other "
                "names in --runs, NAME=FOLDER."
            )


def _check_comparable(first: Run, other: Run) -> None:
    reason = _why_incomparable(first, other)
    if reason:
        raise UserError(
            f"the losses of {first.folder} and {other.folder} cannot be compared: {reason}. Give "
            "runs with one vocabulary and the same held-out records, or make a report of each."
        )


def _why_incomparable(first: Run, other: Run) -> str:
    """Returns what makes losses incomparable, "" for nothing that is known."""
    sizes = [run.settings.model.vocab_size for run in (first, other)]
    if sizes[0] != sizes[1]:
        return f"their vocabularies have {sizes[0]:,} and {sizes[1]:,} tokens"
    if len({run.vocabulary for run in (first, other)} - {""}) > 1:
        return "their vocabularies differ (by their hashes)"
    ours, theirs = (held_out_records(run) for run in (first, other))
    for length in sorted(ours.keys() & theirs.keys()):
        if not ours[length].has_records_of(theirs[length]):
            return (
                f"their held-out records of {length} tokens differ, with a unigram entropy of "
                f"{ours[length].unigram_entropy:.4f} and {theirs[length].unigram_entropy:.4f} nats"
            )
    if ours and theirs and not ours.keys() & theirs.keys():
        lengths = [", ".join(map(str, found)) for found in (ours, theirs)]
        return f"their held-out records have {lengths[0]} and {lengths[1]} tokens"
    return ""


def held_out_records(run: Run) -> dict[int, Evaluation]:
    """Returns an evaluation for each sequence length that the run was evaluated at."""
    return {e.seq_length: e for e in run.evaluations}
