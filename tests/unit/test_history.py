"""Durations of earlier work: what is kept, and that a damaged file costs nothing but the estimate."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.history import FILE, KEPT_VALUES, History


def test_what_was_never_done_is_unknown(tmp_path: Path) -> None:
    assert History(tmp_path / "none").expected("train", {"a": 1}) is None


def test_the_median_of_the_last_values_is_expected(tmp_path: Path) -> None:
    history = History(tmp_path / "made")
    for value in (1000.0, 3.0, 1.0, 2.0, 5.0, 4.0):
        history.add("train", {"a": 1}, value)

    assert history.expected("train", {"a": 1}) == 3.0
    assert KEPT_VALUES == 5


def test_kinds_and_inputs_are_kept_apart(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.add("train", {"a": 1}, 7.0)

    assert history.expected("train", {"a": 2}) is None
    assert history.expected("score", {"a": 1}) is None


@pytest.mark.parametrize(
    "content", ["", "[" * 100_000, "{}", '{"format": 2, "entries": {}}', '{"format": 1, "entries": 5}']
)
def test_a_damaged_file_is_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    history = History(tmp_path)
    assert history.expected("train", {"a": 1}) is None

    history.add("train", {"a": 1}, 7.0)

    assert history.expected("train", {"a": 1}) == 7.0


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    History(tmp_path / "file" / "below").add("train", {}, 1.0)

    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
