"""What the kernel counts of waiting for a core, read from files as it writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.pressure import SOURCE, STAT, Stopwatch, busy, core_times, lately, over, waited_s

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


IDLE_BEFORE = "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 100 0 50 800 50 0 0 0 0 0\n"
IDLE_AFTER = "cpu  160 0 90 900 50 0 0 0 0 0\ncpu0 160 0 90 900 50 0 0 0 0 0\n"


def test_without_the_kernels_count_of_waiting_the_cores_work_tells_the_load(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text(IDLE_BEFORE)

    assert over(3.0, tmp_path / "none", stat, lambda _seconds: _write(stat, IDLE_AFTER)) == 0.5


def test_the_kernels_count_of_waiting_goes_first(tmp_path: Path, source: Path) -> None:
    waited = TEXT.replace("2500000", "3400000")

    share = over(3.0, source, tmp_path / "none", lambda _seconds: _write(source, waited))

    assert share == pytest.approx(0.3)


def test_where_nothing_is_counted_the_load_is_unknown(tmp_path: Path) -> None:
    assert over(3.0, tmp_path / "none", tmp_path / "none", lambda _seconds: None) is None


@pytest.mark.parametrize("text", ["", "cpu x", "intr 1 2 3 4 5 6\n", "cpu 1 2\n"])
def test_a_count_of_cores_of_another_kind_tells_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "stat").write_text(text)

    assert core_times(tmp_path / "stat") is None


@pytest.mark.skipif(not STAT.is_file(), reason="not Linux")
def test_the_running_kernels_times_of_cores_can_be_read() -> None:
    found = core_times()

    assert found is not None
    assert 0 < found[0] < found[1]


def _write(path: Path, text: str) -> None:
    path.write_text(text)
