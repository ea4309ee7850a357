from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.leaderboards.board import Number
from harness.leaderboards.ranking import ends_of, ranks

ENDS = st.tuples(st.floats(-1, 1), st.floats(0, 1)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def places(*intervals: tuple[float, float] | None) -> list[tuple[int, int, bool] | None]:
    return [one and (one.first, one.last, one.shared) for one in ranks(intervals)]


def test_what_intervals_tell_apart_is_ranked_from_the_top() -> None:
    assert places((0.1, 0.2), (0.8, 0.9), (0.4, 0.5)) == [(3, 3, False), (1, 1, False), (2, 2, False)]


def test_what_intervals_do_not_tell_apart_shares_a_rank() -> None:
    assert places((0.5, 0.9), (0.6, 0.8), (0.1, 0.2)) == [(1, 2, True), (1, 2, True), (3, 3, False)]


def test_a_wide_interval_ties_with_two_that_do_not_tie_with_each_other() -> None:
    assert places((0.8, 0.9), (0.1, 0.85), (0.2, 0.3)) == [(1, 2, True), (1, 3, True), (2, 3, False)]


def test_intervals_that_touch_tell_nothing_apart() -> None:
    assert places((0.5, 0.6), (0.6, 0.7)) == [(1, 2, True), (1, 2, True)]


def test_without_an_interval_there_is_no_rank_and_no_one_is_pushed_down() -> None:
    assert places(None, (0.1, 0.2)) == [None, (1, 1, False)]
    assert places() == []


@given(st.lists(ENDS, max_size=12))
def test_ranks_are_what_counting_says(intervals: list[tuple[float, float]]) -> None:
    for (low, high), found in zip(intervals, ranks(intervals), strict=True):
        assert found is not None
        assert found.first == 1 + sum(other > high for other, _ in intervals)
        assert found.last == len(intervals) - sum(other < low for _, other in intervals)
        assert found.first <= found.last


@pytest.mark.parametrize("number", [Number(None, 0.1, 0.2), Number(0.5), Number(0.5, None, 0.6)])
def test_half_a_number_has_no_interval(number: Number) -> None:
    assert ends_of(number) is None


def test_an_interval_holds_its_value() -> None:
    assert ends_of(Number(0.5, 0.6, 0.7)) == (0.5, 0.7)
