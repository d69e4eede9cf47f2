"""How fast runs were, measured and by arithmetic, and what it took them to reach a loss."""

from collections.abc import Sequence

from mslt_tf.analysis import quantities
from mslt_tf.analysis.comparison import Group
from mslt_tf.analysis.section import Section, Table


def section(groups: Sequence[Group]) -> Section:
    """Returns the tables of time and cost of all runs."""
    return Section(title="Time and cost", tables=(_runs_table(groups),))


def _runs_table(groups: Sequence[Group]) -> Table:
    header = ("run", "steps", "time", "cost")
    rows = tuple(
        (
            each.name,
            quantities.spread([run.step for run in each.runs], "{:,.0f}".format),
            quantities.spread(
                [run.seconds_at([run.step])[0] for run in each.runs], quantities.duration
            ),
            quantities.spread([run.flops_at([run.step])[0] for run in each.runs], quantities.flops),
        )
        for each in groups
    )
    return Table("Time and cost of training so far", header, rows)
