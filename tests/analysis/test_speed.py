"""The tables of time and cost against a calculation by hand."""

from pathlib import Path

import pytest

from mslt_tf import cost_model
from mslt_tf.analysis import comparison, quantities, runs, speed
from mslt_tf.analysis.comparison import Group
from mslt_tf.report_settings import NamedFolder
from tests import tiny
from tests.analysis import run_folders

STAGES = run_folders.TWO_STAGES
BATCH = tiny.FLAGS["train_batch_size"]


def write(tmp_path: Path, name: str, folder: str, **settings: object) -> runs.Run:
    """Returns a run of a name."""
    path = run_folders.write(tmp_path / folder, **settings)
    return runs.read(NamedFolder(name, str(path)), report=lambda note: None)


@pytest.fixture
def groups(tmp_path: Path) -> tuple[Group, ...]:
    """Two seeds of mslt, and the original, of which mslt reaches the loss in one seed only."""
    train = {2: 3.4, 6: 3.3, 10: 3.2}
    one = {6: 3.3, 8: 3.1, 10: 3.0}
    two = {6: 3.4, 8: 3.3, 10: 3.2}
    return comparison.group(
        [
            write(tmp_path, "mslt", "1", train=train, held_out=one, seconds=4.0, **STAGES),
            write(tmp_path, "mslt", "2", train=train, held_out=two, seconds=6.0, **STAGES),
            write(
                tmp_path,
                "original",
                "3",
                train=train,
                held_out={6: 3.2, 10: 3.05},
                seconds=10.0,
                method="original",
            ),
        ]
    )


def cost_of_step(**flags: object) -> list[float]:
    """Returns the FLOPs of a step of each stage."""
    config = tiny.config(**flags)
    stages = config.plan.stages
    return [BATCH * cost_model.stage_cost(config.model, stage).flops for stage in stages]


def table(groups: tuple[Group, ...], index: int) -> dict[str, dict[str, str]]:
    """Returns a table's cells by row and column; rows of one name by their stage as well."""
    found = speed.section(groups).tables[index]
    names = [" ".join(row[:2]) if found.header[1] == "stage" else row[0] for row in found.rows]
    rows = [dict(zip(found.header, row, strict=True)) for row in found.rows]
    return dict(zip(names, rows, strict=True))


def test_runs_are_compared_by_time_and_by_arithmetic(groups: tuple[Group, ...]):
    first, second = cost_of_step(**STAGES)
    (original,) = cost_of_step(method="original")
    by_arithmetic = 10 * original / (6 * first + 4 * second)
    found = table(groups, 0)["mslt"]
    assert found["steps"] == "10"
    assert found["time"] == "15.0 s\n(12.0 s to 18.0 s)"
    assert found["last held-out loss"] == "3.100\n(3.000 to 3.200)"
    assert found["speed-up"] == "2.00"  # 30 s over 15
    assert found["speed-up by arithmetic"] == f"{by_arithmetic:.2f}"
    assert found["speed-up without compilation"] == "1.00"  # every line says 16 sequences a second
    assert found["of the arithmetic one"] == f"{1 / by_arithmetic:.0%}"
    assert by_arithmetic > 1.05
    assert table(groups, 0)["original"]["speed-up"] == "1.00"


def test_each_stage_has_its_speed_its_cost_and_the_loss_at_its_end(groups: tuple[Group, ...]):
    first, second = cost_of_step(**STAGES)
    (original,) = cost_of_step(method="original")
    found = table(groups, 1)
    assert found["mslt layers_2"]["depth"] == "2 of 4 layers"
    assert found["mslt layers_4"]["trained"] == "2"
    assert [found[f"mslt layers_{n}"]["steps planned"] for n in (2, 4)] == ["6", "4"]
    assert found["mslt layers_2"]["steps/s"] == "2"  # 16 sequences/s, 8 a batch
    rows = [found[f"mslt layers_{n}"] for n in (2, 4)]
    assert [row["cost of a step"] for row in rows] == list(map(quantities.flops, (first, second)))
    shares = [row["of a step of its whole model"] for row in rows]
    assert shares == [f"{first / original:.2f}", f"{second / original:.2f}"]
    assert found["mslt layers_2"]["held-out loss at its end"] == "3.350\n(3.300 to 3.400)"


def test_a_loss_is_reached_at_the_first_evaluation_at_or_below_it(groups: tuple[Group, ...]):
    found = table(groups, 2)
    # 3.05 lies between the evaluations at steps 8 and 10 of one seed, and below all of the other.
    by_mslt = found["mslt"]["original: 3.050"].split("\n")
    assert by_mslt[:3] == ["reached by 1 of 2:", "step 10", "12.0 s"]
    by_original = found["original"]["mslt: 3.100"].split("\n")
    assert by_original[:2] == ["step 10", "30.0 s"]
    # The median of the ends of the seeds; equal is enough.
    assert found["mslt"]["mslt: 3.100"].split("\n")[1] == "step 8"


def test_a_loss_that_was_not_reached_is_said_to_be_so(tmp_path: Path):
    good = write(tmp_path, "good", "1", train={10: 3.0}, held_out={10: 2.5})
    bad = write(tmp_path, "bad", "2", train={10: 3.0}, held_out={10: 2.500001})
    assert table(comparison.group([good, bad]), 2)["bad"]["good: 2.500"] == "not reached"


def test_runs_that_were_not_evaluated_have_no_table_of_reaching(tmp_path: Path):
    silent = write(tmp_path, "a", "1", train={10: 3.0})
    other = write(tmp_path, "b", "2", train={10: 3.0}, held_out={10: 2.5})
    assert len(speed.section(comparison.group([silent, other])).tables) == 2


def test_an_unfinished_run_is_told_and_compared_by_what_it_did(tmp_path: Path):
    held_out = {6: 3.2}
    part = write(tmp_path, "part", "1", train={6: 3.2}, held_out=held_out, seconds=6.0, **STAGES)
    whole = write(tmp_path, "whole", "2", train={10: 3.0}, seconds=30.0, method="original")
    groups = comparison.group([part, whole])
    (first, _), (original,) = cost_of_step(**STAGES), cost_of_step(method="original")
    assert table(groups, 0)["part"]["speed-up"] == "3.00"  # 3 s a step over 1
    assert table(groups, 0)["part"]["speed-up by arithmetic"] == f"{original / first:.2f}"
    assert "part: not finished, step 6 of 10." in " ".join(speed.section(groups).notes)
    assert "part layers_4" not in table(groups, 1)
    assert groups[0].state == "not finished, step 6 of 10"


@pytest.fixture
def unequal(tmp_path: Path) -> tuple[Group, ...]:
    """A finished seed and one at its first stage, beside the original method, half done."""
    train = {2: 3.4, 6: 3.3, 10: 3.2}
    return comparison.group(
        [
            write(tmp_path, "mslt", "1", train=train, held_out={6: 3.3, 10: 3.0}, **STAGES),
            write(tmp_path, "mslt", "2", train={2: 3.4}, held_out={2: 5.0}, seconds=50.0, **STAGES),
            write(tmp_path, "original", "3", train={5: 3.3}, held_out={5: 3.2}, method="original"),
        ]
    )


def test_a_seed_that_has_just_begun_does_not_count_beside_a_finished_one(
    unequal: tuple[Group, ...],
):
    (original,) = cost_of_step(method="original")
    first, second = cost_of_step(**STAGES)
    found = table(unequal, 0)["mslt"]
    assert found["last held-out loss"] == "3.000"
    assert (found["steps"], found["time"]) == ("10", "6.0 s")
    assert found["speed-up"] == f"{(2 / 5) / (6 / 10):.2f}"
    assert found["speed-up by arithmetic"] == f"{10 * original / (6 * first + 4 * second):.2f}"
    reached = table(unequal, 2)
    assert reached["original"]["mslt: 3.000"] == "not reached so far"
    assert reached["mslt"]["original: 3.200 so far"].startswith("step 10\n")
    said = " ".join(speed.section(unequal).notes)
    assert "1 of 2 not finished, step 2 of 10. Here the finished ones count" in said


def test_speed_is_that_of_the_steps_whose_time_is_known(tmp_path: Path):
    goes_on = write(tmp_path, "a", "1", train={6: 3.2}, held_out={6: 3.2, 9: 3.1}, seconds=6.0)
    whole = write(tmp_path, "b", "2", train={10: 3.0}, seconds=30.0, method="original")
    found = table(comparison.group([goes_on, whole]), 0)["a"]
    assert (found["steps"], found["speed-up"]) == ("9", "3.00")  # 3 s a step over 1


def test_a_loss_at_another_length_is_told_apart_and_not_called_unreached(tmp_path: Path):
    short = write(tmp_path, "short", "1", train={10: 3.0}, held_out={4: 3.3, 10: 2.9})
    flags = {"method": "original", **tiny.LONG_FLAGS}  # the last three of ten steps
    write(tmp_path, "long", "2", train={7: 3.0, 10: 2.9}, held_out={4: 3.2, 7: 3.1}, **flags)
    line = run_folders.entry(tiny.config(**flags), "eval", 10, 3.4, unigram_entropy=3.7)
    with (tmp_path / "2" / "metrics.jsonl").open("a") as file:
        file.write(line)
    long = runs.read(NamedFolder("long", str(tmp_path / "2")), report=lambda note: None)
    groups = comparison.group([short, long])
    assert table(groups, 0)["short"]["last held-out loss"] == "2.900\nat 16 tokens"
    assert table(groups, 0)["long"]["last held-out loss"] == "3.400\nat 32 tokens"
    reached = table(groups, 2)
    assert reached["short"]["long: 3.400 at 32 tokens"] == "not evaluated at 32 tokens"
    assert reached["long"]["short: 2.900 at 16 tokens"] == "not reached"
