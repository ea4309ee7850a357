"""Retraining measured again between models: within its share, one at a time, and never after it could not be done."""

from __future__ import annotations

import threading
from typing import cast

import pytest

from harness.posts.dispatch import Seat
from harness.runs.remeasuring import START_S, Remeasuring

SEAT = cast("Seat", object())  # handed through


class Bench:
    """A clock that the test moves, and a retraining of so many seconds."""

    def __init__(self, retrain_s: float, found: float | None = 1.0) -> None:
        self.now, self.retrain_s, self.found = 0.0, retrain_s, found
        self.numbers: list[int] = []

    def remeasuring(self, expected_s: float) -> Remeasuring:
        return Remeasuring(self.retrain, expected_s, share=0.2, clock=lambda: self.now)

    def retrain(self, number: int, seat: Seat) -> float | None:
        assert seat is SEAT
        self.numbers.append(number)
        self.now += self.retrain_s
        return self.found

    def models(self, between: Remeasuring, count: int, each_s: float) -> None:
        for _ in range(count):
            self.now += each_s
            between.after_model(SEAT)


def test_it_takes_no_more_than_its_share_of_the_models_time() -> None:
    bench = Bench(retrain_s=10.0)

    bench.models(bench.remeasuring(10.0 - START_S), 100, 5.0)

    assert bench.numbers == list(range(10))  # 100 s of 500 s


def test_a_short_run_is_not_measured_again() -> None:
    bench = Bench(retrain_s=10.0)

    bench.models(bench.remeasuring(10.0), 14, 5.0)

    assert bench.numbers == []


def test_what_it_took_is_expected_the_next_time() -> None:
    bench = Bench(retrain_s=40.0)

    bench.models(bench.remeasuring(1.0), 60, 5.0)  # 300 s: the first after 30 s, then 80 s would be too much

    assert bench.numbers == [0]


def test_where_it_cannot_be_done_it_is_not_tried_again() -> None:
    bench = Bench(retrain_s=1.0, found=None)

    bench.models(bench.remeasuring(1.0), 50, 10.0)

    assert bench.numbers == [0]


def test_another_worker_goes_on_while_one_measures() -> None:
    begun, released = threading.Event(), threading.Event()
    numbers: list[int] = []

    def retrain(number: int, _seat: Seat) -> float:
        numbers.append(number)
        begun.set()
        assert released.wait(10.0)
        return 1.0

    times = iter([0.0, *[1000.0] * 10])
    between = Remeasuring(retrain, 1.0, clock=lambda: next(times))
    worker = threading.Thread(target=between.after_model, args=(SEAT,))
    worker.start()
    assert begun.wait(10.0)

    between.after_model(SEAT)  # returns at once

    released.set()
    worker.join(10.0)
    assert numbers == [0]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_error_lets_the_next_worker_in(error: type[BaseException]) -> None:
    errors = iter([error()])

    def retrain(_number: int, _seat: Seat) -> float:
        for one in errors:
            raise one
        return 1.0

    times = iter(range(0, 10**6, 1000))
    between = Remeasuring(retrain, 1.0, clock=lambda: float(next(times)))
    with pytest.raises(error):
        between.after_model(SEAT)

    between.after_model(SEAT)
