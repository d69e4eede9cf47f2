"""The section on attention: its tables, words and figures, from maps made by hand."""

import re
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.spatial import distance

from mslt_tf.analysis import drawing, html_page, runs
from mslt_tf.analysis.attention import section
from mslt_tf.analysis.attention.copies import copies_at
from mslt_tf.analysis.attention.snapshots import Attention, RunAttention, Snapshot
from mslt_tf.analysis.section import Section, Table
from mslt_tf.report_settings import Head
from tests import tiny
from tests.analysis.attention.sentences import even, identity, layers, on, sentence

SENTENCE = sentence("a", "b", "c")
SELF, EVEN, CLS, SEP = identity(5), even(5), on(0, 5), on(4, 5)
FIRST_STAGE = {2: layers([SELF, EVEN], [CLS, SEP])}
# The copy of layer 0 looks as it does, that of layer 1 with one of its heads.
GROWN = {4: layers([SELF, EVEN], [CLS, SEP], [SELF, EVEN], [CLS, EVEN])}


def run_attention(name: str, maps: dict[int, np.ndarray], **flags: object) -> RunAttention:
    """Returns a run of two stages of two steps and a joint one, with maps by step."""
    config = tiny.config(**{"num_stages": 2, "stage_steps": "2,2,2", "num_train_steps": 6, **flags})
    settings = runs.RunSettings(config.model, config.plan, config.optimizer, config.method)
    points = (runs.TrainPoint(max(maps), 1.0, 1.0, None),)
    found = []
    for step, each in maps.items():
        span = config.plan.span_at(step - 1)
        found.append(Snapshot(step, span, [each], copies_at(config.plan, span.index, 1)))
    run = runs.Run(name, f"runs/{name}", settings, points, ())
    return RunAttention(name, run, tuple(found))


def make(found: Sequence[RunAttention], heads: int | tuple[Head, ...] = 2) -> Section:
    return section.section(Attention((SENTENCE,), tuple(found), ("A note.",)), heads)


def rows(tables: Sequence[Table], caption: str) -> tuple[tuple[str, ...], ...]:
    (table,) = (table for table in tables if table.caption.startswith(caption))
    return table.rows


MSLT = run_attention("mslt", {**FIRST_STAGE, **GROWN})
ORIGINAL = run_attention("original", {6: GROWN[4][::-1]}, method="original", stage_steps="6")


@pytest.fixture(scope="module")
def made() -> Section:
    return make([MSLT, ORIGINAL])


def js(p: np.ndarray, q: np.ndarray) -> float:
    found = [distance.jensenshannon(a, b, base=2) ** 2 for a, b in zip(p, q, strict=True)]
    return float(np.nan_to_num(found).mean())


def test_layers_are_told_by_the_mean_and_range_of_their_heads(made: Section):
    found = rows(made.tables, "mslt: where its layers look")
    assert [row[:3] for row in found[:3]] == [
        ("layers_2", "2", "0"),
        ("layers_2", "2", "1"),
        ("layers_4", "4", "0"),
    ]
    assert found[1][3:6] == ("0.50 (0.00 to 1.00)", "0.50 (0.00 to 1.00)", "0.60 (0.60 to 0.60)")
    entropies = f"{np.log2(5) / 2:.2f} (0.00 to {np.log2(5):.2f})"
    assert found[0][3:] == (
        *("0.20 (0.20 to 0.20)", "0.20 (0.20 to 0.20)", "0.88 (0.76 to 1.00)", entropies),
    )
    assert found[-1] == ("even", "", "", "0.20", "0.20", "0.76", f"{np.log2(5):.2f}")


def test_copies_are_compared_with_their_sources_and_with_what_is_unrelated(made: Section):
    half = js(SEP, EVEN) / 2  # of layer 3, whose other head is as it was
    from_even = (js(SELF, EVEN) / 2, js(CLS, EVEN) / 2)
    unrelated = [(0, 1), (0, 3), (1, 2), (2, 3)]
    maps = GROWN[4]
    others = [np.mean([js(maps[a, h], maps[b, h]) for h in range(2)]) for a, b in unrelated]
    spread = f"{np.mean(others):.2f} ({min(others):.2f} to {max(others):.2f})"
    mslt, original = rows(made.tables, "Divergence between layers and the layers")
    assert mslt == (
        *("mslt", "layers_4", "4", "2-3", "0-1", f"{half / 2:.2f} (0.00 to {half:.2f})"),
        f"{np.mean(from_even):.2f} ({min(from_even):.2f} to {max(from_even):.2f})",
        spread,
    )
    # Its layers are those of mslt in the reverse order, so the pairs are the same.
    assert original[:5] == ("original", "original", "6", "2-3", "not copied: 0-1")
    assert (original[5], original[7]) == (mslt[5], spread)


def test_words_on_copies_follow_the_numbers(made: Section):
    (said,) = (text for text in made.paragraphs if "from the source" in text)
    assert said.startswith("mslt, step 4: the divergence of layers 2-3 from the source, layers 0-1")
    assert said.endswith("Each of the pairs differs less than any unrelated one.")
    (said,) = (text for text in made.paragraphs if "layers that it did not copy" in text)
    assert said.startswith("original, step 6: the divergence of layers 2-3 from")
    for last_two, number in ([[SELF, EVEN], [SEP, CLS]], 1), ([[CLS, SEP], [SELF, EVEN]], 0):
        run = run_attention("a", {4: layers([SELF, EVEN], [CLS, SEP], *last_two)})
        (said,) = (text for text in make([run]).paragraphs if "from the source" in text)
        assert said.endswith(f"those that differ less than that: {number} of 2.")
    nearly_even = run_attention("a", {4: layers([SELF, SEP], [CLS, SEP], [EVEN] * 2, [EVEN] * 2)})
    (said,) = (text for text in make([nearly_even]).paragraphs if "from the source" in text)
    assert said.endswith("These layers look nearly everywhere alike, so that tells little.")


def test_layers_are_compared_with_themselves_at_the_end_of_their_stage():
    later = layers([SELF, SELF], [CLS, SEP], [SELF, EVEN], [CLS, EVEN])
    before_its_end = {1: FIRST_STAGE[2][::-1]}
    found = make([run_attention("mslt", {**before_its_end, **FIRST_STAGE, **GROWN, 6: later})])
    change = js(EVEN, SELF) / 2
    assert rows(found.tables, "Divergence between layers at the end") == (
        ("mslt", "layers_2", "0-1", "2, 6", f"{change / 2:.2f} (0.00 to {change:.2f})"),
        ("mslt", "layers_4", "2-3", "4, 6", "0.00 (0.00 to 0.00)"),
    )


def test_words_count_the_heads_that_look_mostly_somewhere(made: Section):
    (said,) = (text for text in made.paragraphs if text.startswith("mslt, step 4: of 8 heads"))
    # [CLS] has two heads, [SEP] one; near tokens have more than half of all, even of even ones.
    assert "are 2 on [CLS], 1 on [SEP], 8 on near tokens; 0 have it on none of these" in said
    assert "near tokens (76%)" in said
    assert made.notes == ("A note.",)


def test_heads_that_were_asked_for_are_drawn_where_they_are():
    small = run_attention("small", FIRST_STAGE)
    found = make([MSLT, small], heads=(Head(3, 1), Head(1, 0)))
    heads, copies = (
        next(f for f in found.figures if f.name == name)
        for name in ("attention_heads_0", "attention_copies_0")
    )
    panels = {a.get_title(): a for a in heads.drawing.axes if a.get_title()}
    assert set(panels) == {"3.1 mslt", "3.1 small", "1.0 mslt", "1.0 small"}
    np.testing.assert_array_equal(panels["3.1 mslt"].images[0].get_array(), EVEN)
    np.testing.assert_array_equal(panels["1.0 small"].images[0].get_array(), CLS)
    assert not panels["3.1 small"].images
    labels = [label.get_text() for label in panels["1.0 mslt"].get_yticklabels()]
    assert labels == list(SENTENCE.tokens)
    titles = [a.get_title() for a in copies.drawing.axes if a.get_title()]
    assert titles == ["copy 3.1", "source 1.1", "source 1.1, step 2"]  # 1.0 is no copy
    (copies,) = (
        figure
        for figure in make([run_attention("a", GROWN)], heads=(Head(3, 1),)).figures
        if "copies" in figure.name
    )
    titles = [a.get_title() for a in copies.drawing.axes if a.get_title()]
    assert titles == ["copy 3.1", "source 1.1"]  # no checkpoint is left of when it was copied


def test_tokens_that_no_page_could_hold_and_long_names_can_be_drawn():
    odd = sentence("\uffff", "<b>", "$x$")
    run = run_attention("n" * 100, FIRST_STAGE)
    found = section.section(Attention((odd,), (run,), ()), (Head(7, 0), Head(0, 0)))
    assert "[CLS] \\uffff <b> $x$ [SEP]" in found.paragraphs[0]
    figure = found.figures[0]
    page = html_page.inline_svg(drawing.svg(figure.drawing), figure)
    assert ">\\uffff</text>" in page
    assert ">0.0 nnnnnnnnnnnnnnnnnnnnnnnnn...</text>" in page


def test_several_runs_share_figures_and_no_two_figures_a_name():
    found = make([MSLT, ORIGINAL, run_attention("small", FIRST_STAGE), MSLT])
    names = [figure.name for figure in found.figures]
    assert len(names) == len(set(names)) == 2 + 4 + 2
    assert all(re.fullmatch(r"attention_(heads|patterns|copies)_[0-9]", name) for name in names)
    same = rows(found.tables, "Divergence between the newest checkpoints")
    assert same[1][:4] == ("mslt, small", "4, 2", "2", "0.00 (0.00 to 0.00)")
