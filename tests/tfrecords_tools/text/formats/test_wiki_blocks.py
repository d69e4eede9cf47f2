"""Which lines begin a block; what blocks hold is tested with the other formats."""

import pytest

from tfrecords_tools.text.formats import wiki_blocks


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ('<doc title="a">', "a"),
        ('<doc id="1" title="a "b" c" x="y"> \t', 'a "b" c" x="y'),
        ('<doc title="<i>">', "<i>"),
        ('<doc title="">', ""),
        ('<doc a=">" title="a">', None),
        ('<doc title="a"> b', None),
        ('<doc title=">', None),
        ("<doc>", None),
        ('<doctitle="a">', None),
        (' <doc title="a">', None),
    ],
)
def test_only_lines_that_begin_a_block_have_titles(line: str, title: str | None):
    assert wiki_blocks.doc_title(line) == title


def test_a_line_made_to_annoy_regular_expressions_takes_no_time():
    assert wiki_blocks.doc_title("<doc " + 'title="' * 140_000) is None
