"""What the kernel counts of waiting for a core, read from files as it writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.pressure import SOURCE, Stopwatch, busy, lately, waited_s

TEXT = """some avg10=12.50 avg60=3.00 avg300=0.10 total=2500000
full avg10=0.00 avg60=0.00 avg300=0.00 total=0
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "cpu"
    path.write_text(TEXT)
    return path


def test_seconds_of_waiting_since_the_machine_was_started(source: Path) -> None:
    assert waited_s(source) == 2.5


def test_the_share_of_the_last_seconds(source: Path) -> None:
    assert lately(source) == 0.125


@pytest.mark.parametrize("text", ["", "some avg10=x", "nothing of the kind\n"])
def test_a_text_of_another_kind_tells_nothing(source: Path, text: str) -> None:
    source.write_text(text)

    assert (waited_s(source), lately(source)) == (None, None)


def test_without_the_kernels_count_nothing_is_known(tmp_path: Path) -> None:
    assert (waited_s(tmp_path / "none"), lately(tmp_path / "none")) == (None, None)


def test_the_share_is_of_the_time_that_passed() -> None:
    readings = iter([10.0, 11.0])

    assert Stopwatch(lambda: next(readings)).share(4.0) == 0.25


def test_the_share_is_never_above_one() -> None:
    readings = iter([10.0, 11.0])

    assert Stopwatch(lambda: next(readings)).share(0.9) == 1.0


def test_of_no_time_no_share_is_known() -> None:
    assert Stopwatch(lambda: 1.0).share(0.0) is None


def test_the_share_is_unknown_without_the_kernels_count() -> None:
    assert Stopwatch(lambda: None).share(1.0) is None


@pytest.mark.skipif(not SOURCE.is_file(), reason="this kernel does not count it")
def test_the_running_kernels_count_can_be_read() -> None:
    waited, share = waited_s(), lately()

    assert waited is not None
    assert waited >= 0
    assert share is not None
    assert 0 <= share <= 1


@pytest.mark.parametrize(("share", "found"), [(None, False), (0.2, False), (0.3, True)])
def test_a_machine_is_busy_from_a_quarter_of_the_time_on(share: float | None, found: bool) -> None:
    assert busy(share) is found
