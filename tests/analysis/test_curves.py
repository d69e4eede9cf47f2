"""What is drawn of the losses, against numbers by hand."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Text

from mslt_tf import cost_model
from mslt_tf.analysis import comparison, curves, runs
from mslt_tf.analysis.curves import Curve
from mslt_tf.analysis.runs import Evaluation, Run
from mslt_tf.analysis.section import Section
from mslt_tf.report_settings import NamedFolder
from tests import tiny
from tests.analysis import run_folders


def make(tmp_path: Path, name: str, folder: str, **settings: object) -> Run:
    """Returns a run of a name in a new folder."""
    path = run_folders.write(tmp_path / folder, **settings)
    return runs.read(NamedFolder(name, str(path)), report=lambda note: None)


def lines_of(section: Section, name: str) -> dict[str, np.ndarray]:
    """Returns the points of the lines in a figure that the legend names, float [2, points]."""
    (figure,) = (f for f in section.figures if f.name == name)
    (axes,) = figure.drawing.axes
    return {line.get_label(): np.array(line.get_data()) for line in axes.get_lines()}


def legend_entries(legend: Legend) -> list[tuple[Text, Line2D]]:
    return list(zip(legend.get_texts(), legend.get_lines(), strict=True))


def test_seeds_are_their_mean_and_their_range_as_far_as_each_has_come():
    one = [Evaluation(step, loss, 3.5, 16) for step, loss in ((2, 4.0), (4, 3.0), (6, 2.0))]
    two = [Evaluation(step, loss, 3.5, 16) for step, loss in ((4, 5.0), (6, 2.5), (8, 1.0))]
    found = curves.curve_of([one, two, []])  # of step 2 the second tells nothing
    np.testing.assert_array_equal(found.steps, [4, 6, 8])
    np.testing.assert_array_equal(found.mean, [4.0, 2.25, 1.0])
    np.testing.assert_array_equal(found.lowest, [3.0, 2.0, 1.0])
    np.testing.assert_array_equal(found.highest, [5.0, 2.5, 1.0])


def test_a_step_takes_the_mean_time_of_the_seeds_that_have_come_so_far(tmp_path: Path):
    seeds = [
        make(tmp_path, "run", "1", train={5: 3.0, 10: 2.9}, held_out={5: 3, 10: 2}, seconds=20),
        make(tmp_path, "run", "2", train={5: 3.0}, held_out={5: 4}, seconds=40),
    ]
    section = curves.section(comparison.group(seeds))
    # The slower one ends at step 5: 30 seconds up to there, then the 20 of the other.
    np.testing.assert_allclose(lines_of(section, "loss_by_time")["run"], [[30, 50], [3.5, 2]])


def test_long_curves_are_means_of_neighbours():
    count = 7 * curves.MAX_POINTS
    losses = np.arange(count, dtype=float)
    found = curves.thinned(Curve(np.arange(1, count + 1), losses, losses - 1, losses + 1))
    np.testing.assert_allclose(found.mean, losses.reshape(-1, 7).mean(1))
    np.testing.assert_allclose(found.highest - found.lowest, 2.0)
    assert (len(found.steps), found.steps[0], found.steps[-1]) == (curves.MAX_POINTS, 7, count)


@pytest.fixture
def section(tmp_path: Path) -> Section:
    """Curves of two seeds of one thing, and of a run that was not evaluated."""
    seeds = [
        make(tmp_path, "two", "1", train={5: 3.4, 10: 3.2}, held_out={6: 3.3, 10: 3.0}, seconds=90),
        make(tmp_path, "two", "2", train={5: 3.6, 10: 3.2}, held_out={6: 3.1, 10: 3.2}, seconds=70),
    ]
    silent = make(tmp_path, "silent", "3", train={5: 3.5, 8: 3.3}, seconds=40)
    return curves.section(comparison.group([*seeds, silent]))


def test_held_out_losses_are_drawn_against_steps_and_time(section: Section):
    by_steps = lines_of(section, "loss_by_steps")["two"]
    np.testing.assert_allclose(by_steps, [[6, 10], [3.2, 3.1]])
    by_time = lines_of(section, "loss_by_time")["two"]  # 80 s a line on average, in minutes
    np.testing.assert_allclose(by_time, [[96 / 60, 160 / 60], [3.2, 3.1]])
    np.testing.assert_allclose(lines_of(section, "loss_by_steps")["unigram entropy"][1], 3.5)


def test_cost_is_drawn_in_the_unit_of_the_axis(section: Section):
    config = tiny.config()
    costs = [
        s.num_sequences * cost_model.stage_cost(config.model, s).flops for s in config.plan.stages
    ]
    (figure,) = (f for f in section.figures if f.name == "loss_by_flops")
    assert figure.drawing.axes[0].get_xlabel() == "training cost (MFLOP)"
    np.testing.assert_allclose(lines_of(section, "loss_by_flops")["two"][0, -1], sum(costs) / 1e6)


def test_a_run_without_evaluations_is_drawn_by_its_training_and_said_to_be(section: Section):
    np.testing.assert_allclose(lines_of(section, "loss_by_steps")["silent"], [[5, 8], [3.5, 3.3]])
    (note,) = section.notes
    assert note == "silent was not evaluated on held-out records: only training is drawn."
    (legend,) = section.figures[0].drawing.legends
    marks = {text.get_text(): line.get_marker() for text, line in legend_entries(legend)}
    assert marks["silent (training)"] == ""
    assert marks["two"] not in ("", "None")


def test_a_long_name_is_broken_in_the_legend_and_whole_in_the_lines(tmp_path: Path):
    name = "long_first_stage_" * 8
    section = curves.section(
        comparison.group([make(tmp_path, name, "1", train={5: 3.4}, held_out={6: 3.3})])
    )
    (legend,) = section.figures[0].drawing.legends
    shown = legend_entries(legend)[0][0].get_text().split("\n")
    assert "".join(shown) == name
    assert max(map(len, shown)) <= 30
    assert name in lines_of(section, "loss_by_steps")


def test_many_steps_are_counted_in_thousands(tmp_path: Path):
    flags = {"method": "original", "num_train_steps": 40_000}
    run = make(tmp_path, "run", "1", train={20_000: 3.2, 40_000: 3.0}, **flags)
    (figure,) = curves.section(comparison.group([run])).figures[:1]
    assert figure.drawing.axes[0].get_xlabel() == "steps (thousands)"
    np.testing.assert_allclose(figure.drawing.axes[0].get_lines()[0].get_xdata(), [20, 40])


def test_the_end_of_each_stage_is_marked_on_the_curve(tmp_path: Path):
    held_out = {4: 3.4, 6: 3.2, 10: 3.0}
    flags = run_folders.TWO_STAGES
    run = make(tmp_path, "run", "1", train={10: 3.0}, held_out=held_out, **flags)
    (figure,) = curves.section(comparison.group([run])).figures[:1]
    ticks = [line for line in figure.drawing.axes[0].get_lines() if line.get_marker() == "|"]
    np.testing.assert_allclose(ticks[0].get_data(), [[6, 10], [3.2, 3.0]])


def test_the_line_breaks_where_the_length_of_the_records_changes(tmp_path: Path):
    flags = {"method": "original", **tiny.LONG_FLAGS}  # the last three steps
    run = make(tmp_path, "run", "1", train={10: 3.0}, held_out={4: 3.4, 6: 3.3}, **flags)
    config = tiny.config(**flags)
    with (tmp_path / "1" / "metrics.jsonl").open("a") as file:
        for step, loss in ((8, 3.6), (10, 3.5)):  # on other records
            file.write(run_folders.entry(config, "eval", step, loss, unigram_entropy=3.7))
    run = runs.read(NamedFolder("run", run.folder), report=lambda note: None)
    (figure,) = curves.section(comparison.group([run])).figures[:1]
    lines = [line for line in figure.drawing.axes[0].get_lines() if line.get_linewidth() > 1]
    drawn = [line.get_data() for line in lines if len(line.get_xdata()) == 2]
    np.testing.assert_allclose(drawn[:2], [[[4, 6], [3.4, 3.3]], [[8, 10], [3.6, 3.5]]])
    labels = [line.get_label() for line in lines]
    assert labels.count("run") == 1


def test_seeds_without_a_step_in_common_do_not_hinder(tmp_path: Path):
    seeds = [make(tmp_path, "run", str(step), train={step: 3.0}) for step in (2, 3)]
    assert len(curves.section(comparison.group(seeds)).figures) == 3


def test_the_first_losses_do_not_squeeze_the_others(tmp_path: Path):
    run = make(tmp_path, "run", "1", train={1: 11.0, 2: 3.6, 10: 3.0}, held_out={10: 2.9})
    low, high = curves.loss_range(comparison.group([run]))
    assert 2.8 < low < 2.9
    assert 3.6 < high < 3.7
    early = make(tmp_path, "early", "2", train={1: 11.0})
    assert curves.loss_range(comparison.group([run, early])) == (low, high)
    assert curves.loss_range(comparison.group([early]))[1] > 11.0  # there is nothing else yet
