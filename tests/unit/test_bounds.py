"""Numbers from outside: their type, their bounds, and what is said of those that are none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from harness.core.bounds import FINITE, NumberError, Real, Whole, check_json

COUNT = Whole(1, 10_000)
SHARE = Real(0, 1, above=True)
HUGE = 10**5000
NO_NUMBERS: list[Any] = [
    True,
    False,
    None,
    "1",
    b"1",
    [1],
    (1,),
    math.nan,
    math.inf,
    -math.inf,
    1j,
    np.bool_(True),
    object(),
]


def kind(value: object) -> str:
    """Return the type's name as a test id, since a number of 5,000 digits cannot be an id."""
    return type(value).__name__


@pytest.mark.parametrize("value", [1, 10_000, np.int64(7), np.uint8(7)])
def test_a_whole_number_becomes_an_int(value: Any) -> None:
    assert type(COUNT.check(value)) is int
    assert COUNT.check(value) == value


@pytest.mark.parametrize(
    "value", [*NO_NUMBERS, 0, -1, 10_001, 2.0, HUGE, -(10**30), np.float64(2)], ids=lambda v: type(v).__name__
)
def test_what_is_no_whole_number_within_bounds_is_refused(value: Any) -> None:
    with pytest.raises(NumberError, match=r"^must be a whole number from 1 to 10000, not ") as caught:
        COUNT.check(value)

    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("value", [1e-300, 0.5, 1, np.float32(0.5), np.int64(1)])
def test_a_number_becomes_a_float(value: Any) -> None:
    assert type(SHARE.check(value)) is float
    assert SHARE.check(value) == value


@pytest.mark.parametrize(
    "value", [*NO_NUMBERS, 0, 0.0, -0.0, -1e-300, 1.0000001, 1e308, 10**400], ids=lambda v: type(v).__name__
)
def test_what_is_no_number_within_bounds_is_refused(value: Any) -> None:
    with pytest.raises(NumberError, match=r"^must be a number above 0 to 1, not "):
        SHARE.check(value)


def test_all_finite_numbers_are_finite() -> None:
    assert FINITE.check(1.7976931348623157e308) > 1e308
    assert FINITE.check(-0.0) == 0
    for value in (10**309, math.inf, math.nan, True):
        with pytest.raises(NumberError):
            FINITE.check(value)


DEEP: Any = 1
for _ in range(2000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": [1, {"b": math.nan}]}, "must be finite, not nan"),
        ([math.inf], "must be finite"),
        ({1: 2}, "key that is not text: 1"),
        ({"a": {1, 2}}, "must be a JSON value"),
        ({"a": np.float32(1)}, "must be a JSON value"),
        (DEEP, "more than 40 levels"),
    ],
    ids=["nan", "infinity", "key", "set", "numpy", "depth"],
)
def test_what_json_has_no_value_for_is_refused(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_json(value)


def test_json_passes() -> None:
    check_json({"a": [1, 2.5, None, True, "x", {"b": (1, [])}], "": {}})
