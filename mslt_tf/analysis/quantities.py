"""Numbers as a report shows them."""

import math
import statistics
from collections.abc import Callable, Sequence

from mslt_tf.terminal import format_duration

NOTHING = "-"  # in a cell
_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")


def flops(value: float) -> str:
    """Returns a number of floating-point operations with three digits.

    >>> flops(0), flops(999), flops(2_345_678), flops(2.5e22)
    ('0 FLOP', '999 FLOP', '2.35 MFLOP', '25.0 ZFLOP')
    """
    scale, prefix = flops_scale(value)
    scaled = value / scale
    digits = 0 if not prefix or scaled >= 100 else 1 if scaled >= 10 else 2
    return f"{scaled:,.{digits}f} {prefix}FLOP"


def flops_scale(largest: float) -> tuple[float, str]:
    """Returns the power of 1000 that makes a number short, and its prefix.

    >>> flops_scale(2e15)
    (1000000000000000, 'P')
    """
    index = 0
    while index < len(_PREFIXES) - 1 and largest >= 1_000 ** (index + 1):
        index += 1
    return 1_000**index, _PREFIXES[index]


def seconds_scale(largest: float) -> tuple[float, str]:
    """Returns how many seconds the unit has that fits a span of time, and its name.

    >>> seconds_scale(60), seconds_scale(7_300)
    ((1, 'seconds'), (3600, 'hours'))
    """
    if largest >= 2 * 3_600:
        return 3_600, "hours"
    return (60, "minutes") if largest >= 2 * 60 else (1, "seconds")


def duration(seconds: float) -> str:
    """Returns a time; short ones with tenths of a second.

    >>> duration(3.21), duration(3_661)
    ('3.2 s', '1:01:01')
    """
    return f"{seconds:.1f} s" if seconds < 60 else format_duration(seconds)


def spread(values: Sequence[float], show: Callable[[float], str]) -> str:
    r"""Returns the median, and where values differ the lowest and the highest in a line below it.

    >>> spread([3.0, 1.0, 2.0], "{:.1f}".format), spread([], str)
    ('2.0\n(1.0 to 3.0)', '-')
    """
    if not values:
        return NOTHING
    middle, lowest, highest = map(show, (statistics.median(values), min(values), max(values)))
    return middle if lowest == highest else f"{middle}\n({lowest} to {highest})"


def mean_and_range(values: Sequence[float], show: Callable[[float], str]) -> str:
    """Returns the mean, and of several values the lowest and the highest beside it.

    >>> mean_and_range([0.25, 0.5], "{:.2f}".format), mean_and_range([1.0], "{:.2f}".format)
    ('0.38 (0.25 to 0.50)', '1.00')
    >>> mean_and_range([], str)
    '-'
    """
    if not len(values):
        return NOTHING
    mean = show(statistics.fmean(values))
    return mean if len(values) == 1 else f"{mean} ({show(min(values))} to {show(max(values))})"


def two_digits(share: float) -> str:
    """Returns a number from 0 to 1 with two decimals, of a small one with two digits, up to five.

    >>> two_digits(0.5), two_digits(0.0123), two_digits(0.00042), two_digits(1e-9)
    ('0.50', '0.012', '0.00042', '0.00')
    """
    small = 1e-5 < share < 0.1
    return f"{share:.{min(5, 1 - math.floor(math.log10(share))) if small else 2}f}"
