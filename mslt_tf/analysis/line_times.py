"""Times in a run's metrics that mislead: rests of the machine, and lines that are missing."""

import dataclasses
from collections.abc import Iterator

from mslt_tf.analysis.runs import Run, TrainPoint
from mslt_tf.terminal import format_duration

RESTED = 5  # times the usual time: longer is no matter of speed
ABSENT = 0.5  # of the time that a line's steps take at its own speed: less is not all of them
LEAST_SHARE = 0.05  # of the run's time, before it is worth a note


@dataclasses.dataclass(frozen=True)
class _Line:
    """A line on training, and what its steps would have taken."""

    point: TrainPoint
    num_steps: int
    usual_seconds: float  # at the median speed of its stage, without compilation
    is_first: bool  # of its stage, so that compilation is in it


def notes(run: Run) -> Iterator[str]:
    """Yields what makes a run's times misleading: too long by rests, too short by lost lines."""
    lines = list(_lines(run))
    rested = [
        line
        for line in lines
        if not line.is_first and line.point.seconds > RESTED * line.usual_seconds
    ]
    extra = sum(line.point.seconds - line.usual_seconds for line in rested)
    if extra > LEAST_SHARE * run.seconds:
        longest = max(rested, key=lambda line: line.point.seconds)
        yield (
            f"{run.folder}: {longest.num_steps:,} steps up to step {longest.point.step:,} took "
            f"{format_duration(longest.point.seconds)}, and usually take "
            f"{format_duration(longest.usual_seconds)} there. The machine rested or was busy, for "
            f"{format_duration(extra)} in all, which is in the times and in the speed-up by them. "
            "The speed-up without compilation is by medians, which this hardly moves."
        )
    absent = [line for line in lines if line.point.seconds < ABSENT * line.usual_seconds]
    lacking = sum(line.usual_seconds - line.point.seconds for line in absent)
    if lacking > LEAST_SHARE * run.seconds:
        yield (
            f"{run.folder}: {len(absent)} line(s) on training, the first at step "
            f"{absent[0].point.step:,}, tell less time than their steps can have taken. Lines "
            f"before them are missing, so the times are about {format_duration(lacking)} too short."
        )


def _lines(run: Run) -> Iterator[_Line]:
    """Yields the lines of the stages whose speed is known."""
    for span in run.spans_begun:
        speed = run.steps_per_second(span)
        before = span.first_step
        for point in run.training:
            if speed and span.first_step < point.step <= span.end:
                num_steps = point.step - before
                is_first = before == span.first_step
                yield _Line(point, num_steps, num_steps / speed, is_first)
                before = point.step
