"""Which runs a report compares, before any of their numbers."""

import itertools
from collections.abc import Sequence

from mslt_tf import cost_model
from mslt_tf.analysis.comparison import Group
from mslt_tf.analysis.section import Section, Table


def section(groups: Sequence[Group]) -> Section:
    """Returns what the runs are."""
    header = (
        "run",
        "seeds",
        "method",
        "model",
        "parameters",
        "steps planned",
        "tokens x batch",
        "state",
    )
    rows = tuple(
        (
            each.name,
            f"{len(each.runs)}",
            each.first.settings.method,
            each.first.settings.model.summary(),
            f"{_num_parameters(each) / 1e6:,.3g} M",
            f"{each.first.plan.num_steps:,}",
            "\n".join(_batches(each)),
            each.state.replace(", ", ",\n"),
        )
        for each in groups
    )
    folders = Table(
        "Where they lie.",
        ("run", "seed", "folder"),
        tuple(
            (each.name, f"{run.settings.seed}", run.folder) for each in groups for run in each.runs
        ),
    )
    of_files = [
        note.removeprefix("note: ") for each in groups for run in each.runs for note in run.notes
    ]
    return Section(
        "Runs",
        tuple(of_files),
        tuple(_notes(groups)),
        tables=(Table("What is compared.", header, rows), folders),
    )


def _notes(groups: Sequence[Group]) -> list[str]:
    """Returns which runs of a name have one seed: their spread would be none."""
    return [
        f"{each.name}: {first.folder} and {other.folder} have both seed {first.settings.seed}. "
        "Copies of one run are no seeds, and show no spread."
        for each in groups
        for first, other in itertools.combinations(each.runs, 2)
        if first.settings.seed == other.settings.seed
    ]


def _num_parameters(group: Group) -> int:
    """Returns the number of parameters of the whole model, heads included."""
    model, plan = group.first.settings.model, group.first.plan
    whole = cost_model.original_stage(model, plan.stages[-1])
    return cost_model.trainable_parameters(model, whole)


def _batches(group: Group) -> list[str]:
    """Returns the lengths and batches of the stages, each once."""
    stages = group.first.plan.stages
    return list(dict.fromkeys(f"{s.seq_length} x {s.batch_size:,}" for s in stages))
