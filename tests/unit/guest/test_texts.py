"""What is cut keeps both of its ends and says how much is missing."""

from __future__ import annotations

import pytest

from harness_guest.texts import LINE_CHARS, shortened, traceback_text


@pytest.mark.parametrize("length", [0, 1, 99, 100])
def test_what_fits_stays_as_it_is(length: int) -> None:
    assert shortened("x" * length, 100) == "x" * length


@pytest.mark.parametrize("limit", [0, 1, 10, 50, 100, 1000])
def test_what_is_cut_is_never_longer_than_the_limit(limit: int) -> None:
    assert len(shortened("x" * 5000, limit)) <= limit


def test_what_is_cut_keeps_its_head_the_number_of_what_is_missing_and_its_tail() -> None:
    cut = shortened("head" + "x" * 5000 + "tail", 100)

    assert cut.startswith("head")
    assert cut.endswith("tail")
    assert " 4,908 characters left out " in cut


def test_a_traceback_of_an_exception_with_many_lines_keeps_its_frames() -> None:
    error = RuntimeError("\n".join("line" for _ in range(100_000)))
    try:
        raise error
    except RuntimeError:
        text = traceback_text(error, 4_000)

    assert "in test_a_traceback_of" in text
    assert len(text) < 2 * LINE_CHARS
