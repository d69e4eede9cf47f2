"""A bar per stage: its step in parts, and beside it what arithmetic expects."""

from benchmarks.step_time.results import StageResult, Summary

PARTS = ("forward", "backward", "optimizer", "input_wait")
BAR_WIDTH = 0.38


def plot(summary: Summary, path: str) -> None:
    """Writes the plot to a file whose name says the format, e.g. .png or .svg."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.5 + 1.2 * len(summary.stages), 4.5), layout="constrained")
    axes = figure.add_subplot()
    bottoms = [0.0] * len(summary.stages)
    for name, heights in bar_parts(summary).items():
        places = [index - BAR_WIDTH / 2 for index in range(len(heights))]
        axes.bar(places, heights, BAR_WIDTH, bottom=bottoms, label=name.replace("_", " "))
        bottoms = [bottom + height for bottom, height in zip(bottoms, heights, strict=True)]
    expected = [_expected(stage) for stage in summary.stages]
    places = [index + BAR_WIDTH / 2 for index in range(len(expected))]
    axes.bar(places, expected, BAR_WIDTH, color="lightgray", label="arithmetic")
    axes.set_xticks(range(len(summary.stages)), [stage.name for stage in summary.stages])
    axes.set_ylabel("seconds per step")
    axes.legend()
    figure.savefig(path, dpi=150)


def bar_parts(summary: Summary) -> dict[str, list[float]]:
    """Returns the heights of each part of all bars; one part where steps were not split."""
    if any(stage.forward is None for stage in summary.stages):
        return {"step": [stage.step.median for stage in summary.stages]}
    # Differences of medians; where there is next to nothing, noise may make them negative.
    return {part: [max(getattr(stage, part), 0.0) for stage in summary.stages] for part in PARTS}


def _expected(stage: StageResult) -> float:
    """Returns the time of the original's step, times the stage's share of its FLOPs."""
    if stage.of_original is None:
        return 0.0
    return stage.step.median / stage.of_original * stage.arithmetic_of_original
