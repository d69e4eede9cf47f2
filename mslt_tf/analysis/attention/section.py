"""The report's section on attention: the form of the paper's Figures 2 and 3, with numbers."""

from mslt_tf.analysis.attention import copies_part, patterns_part, same_heads_part
from mslt_tf.analysis.attention.snapshots import Attention
from mslt_tf.analysis.section import Section
from mslt_tf.report_settings import Head

WHAT = (
    "In each layer each head lets every token gather from all tokens, in shares that sum to 1. A "
    "map has a row for the token that gathers and a column for each token that it gathers from. "
    "Layers and heads are counted from 0, the lowest first, and written LAYER.HEAD. "
)
PAPER = (
    "The paper (arXiv 2011.13635, Figures 2 and 3) shows maps of BERT-Base and finds that many "
    "heads look at near tokens, at [CLS] or at [SEP]; that some layers look where the layers do "
    "that they were copied from, while others differ; and that lower layers hardly change once "
    "layers were put upon them. It gives no numbers. What is below is of this text alone."
)


DIVERGENCE = (
    "How much two layers differ is the Jensen-Shannon divergence of their attention: 0 for equal "
    "attention, 1 for disjoint. Heads of one number are compared, and heads and tokens averaged. "
    "Unrelated layers, which do not go back to one layer, show what much is. Layers that look "
    "nearly everywhere differ little whatever they are, so the divergence from even attention "
    "stands beside it."
)


def section(attention: Attention, heads: int | tuple[Head, ...]) -> Section:
    """Returns where the heads of all runs look.

    Args:
        attention: of the runs.
        heads: those to draw, or how many, see `chosen_heads`.
    """
    divergences = (*copies_part.tables(attention), *same_heads_part.tables(attention))
    return Section(
        title="Attention",
        paragraphs=(
            WHAT + _text(attention),
            PAPER,
            *patterns_part.findings(attention),
            *((DIVERGENCE,) if divergences else ()),
            *copies_part.findings(attention),
        ),
        notes=attention.notes,
        figures=(
            *same_heads_part.figures(attention, heads),
            *patterns_part.figures(attention),
            *copies_part.figures(attention, heads),
        ),
        tables=(*patterns_part.tables(attention), *divergences),
    )


def _text(attention: Attention) -> str:
    """Returns what the text is, in tokens."""
    first, *others = attention.sentences
    more = f" Numbers are over this and {len(others)} more of the text." if others else ""
    return f"Maps are of: {' '.join(first.labels)}.{more}"
