"""Ranks that respect intervals."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Sequence

from harness.leaderboards.board import Ends, Number, Ranked


def ranks(intervals: Sequence[Ends | None]) -> list[Ranked | None]:
    """Return a rank for each interval of a quantity of which more is better; None for missing intervals.

    The rank is one more than the number of intervals wholly above. Runs with overlapping intervals may so share a rank. The
    rank is the best place that a run could have, ``last`` the worst.
    """
    known = [ends for ends in intervals if ends is not None]
    lows, highs = sorted(low for low, _ in known), sorted(high for _, high in known)

    def first(ends: Ends) -> int:
        return 1 + len(lows) - bisect.bisect_right(lows, ends[1])

    shared = Counter(first(ends) for ends in known)
    return [
        None
        if ends is None
        else Ranked(first(ends), len(known) - bisect.bisect_left(highs, ends[0]), shared[first(ends)] > 1)
        for ends in intervals
    ]


def ends_of(number: Number) -> Ends | None:
    """Return the interval, widened to include the value; None if either is missing."""
    if number.value is None or number.low is None or number.high is None:
        return None
    return min(number.low, number.value), max(number.high, number.value)
