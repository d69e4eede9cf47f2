"""Whole-word masking: a word's pieces are predicted together or not at all.

As `do_whole_word_mask` of google-research/bert: words are drawn in random order until the budget
of predictions is full, and a word that no longer fits is passed over, so a smaller one may still
come. Long words are chosen less often for that, and a record may get fewer predictions than its
budget, even none where every word is longer. Each piece is then masked, kept or exchanged by
itself.

One thing differs: where truncation cut a word, its rest at the begin of a segment is a word of its
own. BERT joins it with the word before the [SEP], which is another sentence's.

Legend: records = in the batch, seq = max_seq_length, words = the most that a record has.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mslt_tf.vocabulary import CONTINUATION


def continuation_pieces(vocabulary: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Returns [vocab]: which tokens go on with the word before them.

    >>> continuation_pieces(["[MASK]", "un", "##related"]).tolist()
    [False, False, True]
    """
    return np.array([token.startswith(CONTINUATION) for token in vocabulary], np.bool_)


def find_begins(
    is_token: npt.NDArray[np.bool_], continues: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Returns [records, seq]: where a word begins.

    Args:
        is_token: [records, seq] whether a text token (no special one, no padding) stands there.
        continues: [records, seq] whether that token goes on with the word before it, if any.
    """
    begins = is_token.copy()
    begins[:, 1:] &= ~(continues[:, 1:] & is_token[:, :-1])
    return begins


def choose_words(
    lots: npt.NDArray[np.uint64],
    is_token: npt.NDArray[np.bool_],
    begins_word: npt.NDArray[np.bool_],
    budgets: npt.NDArray[np.int64],
) -> npt.NDArray[np.bool_]:
    """Chooses words in the order of their first tokens' lots, as long as they fit.

    Args:
        lots: [records, seq] random numbers.
        is_token: [records, seq] whether a text token (no special one, no padding) stands there.
        begins_word: [records, seq] whether a word begins there; so does one at each first token
            after a special one.
        budgets: [records] the most tokens to choose.

    Returns:
        [records, seq] whether the token belongs to a chosen word.
    """
    # The words of all records one behind the other, then with a row for each record.
    begins = begins_word[is_token]  # [all tokens]
    sizes = np.diff(np.flatnonzero(begins), append=len(begins))  # [all words], in tokens
    num_words = np.count_nonzero(begins_word, axis=1)  # [records]
    is_word = np.arange(num_words.max(initial=0)) < num_words[:, None]  # [records, words]
    word_lots = np.full(is_word.shape, np.iinfo(np.uint64).max)  # those that are none come last
    word_lots[is_word] = lots[begins_word]
    word_sizes = np.zeros(is_word.shape, np.int64)
    word_sizes[is_word] = sizes

    order = np.argsort(word_lots, axis=1)
    taken = _fill(np.take_along_axis(word_sizes, order, axis=1), budgets)
    word_chosen = np.empty(is_word.shape, np.bool_)
    np.put_along_axis(word_chosen, order, taken, axis=1)
    chosen = np.zeros(is_token.shape, np.bool_)
    chosen[is_token] = np.repeat(word_chosen[is_word], sizes)
    return chosen


def _fill(sizes: npt.NDArray[np.int64], budgets: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Returns [records, words]: which words are taken if each is that still fits the budget.

    `sizes` [records, words] are in tokens, in the order of the words' turns.
    """
    turns = np.ascontiguousarray(sizes.T)  # a turn's numbers side by side: a third of the time
    taken = np.zeros(turns.shape, np.bool_)
    left = budgets.copy()
    for turn, size in enumerate(turns):
        if not left.any():
            break
        np.less_equal(size, left, out=taken[turn])
        left -= size * taken[turn]
    return taken.T
